"""Where was this captured? Inferred from what only one place can see, with the frames that show it."""

from __future__ import annotations

from typing import NamedTuple

from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import Duration, Side, Vantage
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


def infer(session: Session, around: Surroundings) -> Place:
    """Where the capture was taken: said by the user, else inferred when all signs agree."""
    if around.captured_at is not None:
        return Place(around.captured_at, (Evidence(("said by --captured-at",)),))
    signs = [*_by_ttl(session.connection), *_by_legs(session.connection), *_by_offload(session.connection)]
    places = {place for place, _ in signs}
    if len(places) == 1:
        return Place(places.pop(), tuple(evidence for _, evidence in signs))
    return Place(None, ())


def _by_ttl(connection: Connection) -> list[tuple[Vantage, Evidence]]:
    ttls = [half.ttls[0][0] if len(half.ttls) == 1 else None for half in connection.halves]
    if None in ttls or connection.duplicates:
        return []
    client, server = ttls
    fresh = (client in INITIAL_TTLS, server in INITIAL_TTLS)
    if fresh == (True, False):
        return [
            (
                Vantage.CLIENT,
                Evidence(
                    (f"the client's packets still have their initial TTL {client}, the server's arrive with {server}",)
                ),
            )
        ]
    if fresh == (False, True):
        return [
            (
                Vantage.SERVER,
                Evidence(
                    (f"the server's packets still have their initial TTL {server}, the client's arrive with {client}",)
                ),
            )
        ]
    if fresh == (False, False):
        return [
            (Vantage.MIDDLE, Evidence((f"both sides' packets arrive with decremented TTLs, {client} and {server}",)))
        ]
    return []


def _by_legs(connection: Connection) -> list[tuple[Vantage, Evidence]]:
    handshake = connection.handshake
    near, far = handshake.client_leg_ns, handshake.server_leg_ns
    if near is None or far is None or not handshake.complete:
        return []
    frames = (handshake.syns[0], handshake.synacks[0], handshake.complete)
    if near < INSTANT_NS and far > RATIO * max(near, 1) and far > INSTANT_NS:
        return [
            (
                Vantage.CLIENT,
                Evidence(
                    ("the client's leg of the handshake took ", Duration(near), ", the server's ", Duration(far)),
                    frames,
                ),
            )
        ]
    if far < INSTANT_NS and near > RATIO * max(far, 1) and near > INSTANT_NS:
        return [
            (
                Vantage.SERVER,
                Evidence(
                    ("the server's leg of the handshake took ", Duration(far), ", the client's ", Duration(near)),
                    frames,
                ),
            )
        ]
    return []


def _by_offload(connection: Connection) -> list[tuple[Vantage, Evidence]]:
    large = [half for half in connection.halves if half.super_packets]
    if len(large) != 1:
        return []
    side = large[0].side
    place = Vantage.CLIENT if side is Side.CLIENT else Vantage.SERVER
    return [
        (
            place,
            Evidence(
                (
                    f"{large[0].super_packets} packets of the {side.value} are larger than its segment size: captured before its own network card cut them",
                )
            ),
        )
    ]
