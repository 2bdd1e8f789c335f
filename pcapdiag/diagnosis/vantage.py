"""Where was this captured? Inferred from what only one place can see, with the frames that show it."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import Duration, Vantage
from pcapdiag.session import Session, Surroundings
from pcapdiag.tcp.connection import Connection

INITIAL_TTLS = frozenset({64, 128, 255})
"""What hosts set out with; one router later it is one less."""

INSTANT_NS = 300_000
"""A leg of the handshake that is answered within this time is answered by the capturing host itself ..."""

RATIO = 4
"""... when the other leg takes at least so many times longer."""


class Place(NamedTuple):
    """The place and why; `vantage` None: cannot be told."""

    vantage: Vantage | None
    evidence: tuple[Evidence, ...]


# Looked up once: members of an enumeration are slow to reach.
_CLIENT, _SERVER = Vantage.CLIENT, Vantage.SERVER

Sign = tuple[Vantage, Evidence]
"""What one sign says, and the frames that show it."""


def infer(session: Session, around: Surroundings) -> Place:
    """Where the capture was taken: said by the user, else inferred when all signs agree."""
    if around.captured_at is not None:
        return Place(around.captured_at, (Evidence(("said by --captured-at",)),))
    connection = session.connection
    signs = [sign for sign in (_by_ttl(connection), _by_legs(connection), _by_offload(connection)) if sign is not None]
    if not signs:
        return Place(None, ())
    vantage = signs[0][0]
    for other, _ in signs[1:]:
        if other is not vantage:
            return Place(None, ())
    return Place(vantage, tuple([evidence for _, evidence in signs]))


def _by_ttl(connection: Connection) -> Sign | None:
    client, server = connection.halves
    sent, received = client.ttls, server.ttls
    if len(sent) != 1 or len(received) != 1 or connection.duplicates:
        return None
    return _of_ttls(sent[0][0], received[0][0])


@cache
def _of_ttls(own: int, other: int) -> Sign | None:
    """What one TTL of all the client's packets and one of all the server's say."""
    if own in INITIAL_TTLS:
        if other in INITIAL_TTLS:
            return None
        says = f"the client's packets still have their initial TTL {own}, the server's arrive with {other}"
        return _CLIENT, Evidence((says,))
    if other in INITIAL_TTLS:
        says = f"the server's packets still have their initial TTL {other}, the client's arrive with {own}"
        return _SERVER, Evidence((says,))
    return Vantage.MIDDLE, Evidence((f"both sides' packets arrive with decremented TTLs, {own} and {other}",))


def _by_legs(connection: Connection) -> Sign | None:
    syns, synacks, complete, _, server, client, _ = connection.handshake
    if client is None or server is None or not complete:
        return None
    near, far = (client, server) if client < server else (server, client)
    if near >= INSTANT_NS or far <= INSTANT_NS or far <= RATIO * max(near, 1):
        return None
    place, its, others = (_CLIENT, "client", "server") if client < server else (_SERVER, "server", "client")
    says = (f"the {its}'s leg of the handshake took ", Duration(near), f", the {others}'s ", Duration(far))
    return place, Evidence(says, (syns[0], synacks[0], complete))


def _by_offload(connection: Connection) -> Sign | None:
    client, server = connection.halves
    if bool(client.super_packets) is bool(server.super_packets):
        return None
    half = client if client.super_packets else server
    says = (
        f"{half.super_packets} packets of the {half.side.value} are larger than its segment size: captured before its own"
        " network card cut them"
    )
    return _CLIENT if half is client else _SERVER, Evidence((says,))
