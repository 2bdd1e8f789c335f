"""Who acted first, where the closes of both sides, or a close and a farewell, cross on the way?

Acknowledgement numbers tell best: a close that does not acknowledge what the other side said was sent before its sender
had it, and what acknowledges the close was sent after it. Where neither acknowledges the other both were under way
together; then half a leg, the time that each took from its sender to the capture point, tells who was probably first.
"""

from __future__ import annotations

from typing import NamedTuple

from pcapdiag.diagnosis.closes import Close, cause_of
from pcapdiag.diagnosis.round_trip import legs
from pcapdiag.model import Moment, Side
from pcapdiag.session import Session
from pcapdiag.smtp.dialogue import Reply
from pcapdiag.tcp.connection import Connection

REFUSED_NS = 1_000_000_000
"""A server that closes within this time of a refusal closes because of it."""


class Farewell(NamedTuple):
    """The reply with which the server announced its close, as against a close of the client."""

    reply: Reply
    server_first: bool
    crossed: bool
    """Neither side had what the other had sent."""


def farewell(session: Session, closes: list[Close]) -> Farewell | None:
    """The server's last words before its close: a 421, or a refusal up to a second before a FIN that crossed the
    client's close. They are the server's act; None where it said none."""
    connection = session.connection
    client = next((each for each in closes if each.side is Side.CLIENT), None)
    server = next((each for each in closes if each.side is Side.SERVER), None)
    reply = _announcement(session, client, server)
    if reply is None:
        return None
    if client is None or _had(connection, client, reply.end):
        return Farewell(reply, True, crossed=False)
    if _gone(connection, client, reply) or _answers(connection, reply, client):
        return Farewell(reply, False, crossed=False)
    return Farewell(reply, _sent_first(connection, Side.SERVER, reply.at, client.at), crossed=True)


def crossing(first: Close, closes: list[Close]) -> Close | None:
    """The other side's close, when it was sent before the first one, a FIN, had arrived."""
    other = next((each for each in closes if each.side is not first.side and not each.missed), None)
    return other if other is not None and _crossed(other, first) else None


def acted_first(connection: Connection, first: Close, second: Close) -> bool:
    """Of two closes that crossed: did the one that stands second in the capture act first?"""
    return _sent_first(connection, second.side, second.at, first.at)


def _sent_first(connection: Connection, side: Side, its: Moment, others: Moment) -> bool:
    """What `side` sent, seen at `its` moment, left before what the other side sent. Without legs frames tell the order."""
    known = legs(connection)
    own, other = known.of(side), known.of(side.other)
    if own is None or other is None:
        return its <= others
    return its.time_ns - own // 2 <= others.time_ns - other // 2


def _announcement(session: Session, client: Close | None, server: Close | None) -> Reply | None:
    close = server if server is not None and server.reset is None else client or server
    said = [each for each in session.dialogue.entries if isinstance(each, Reply) and close and each.at <= close.at]
    last = said[-1] if said else None
    if last is None or close is None or not last.complete:
        return None
    if last.code == 421:
        return last
    crossed = client is not None and server is not None and _crossed(client, server) and _crossed(server, client)
    return last if last.code >= 400 and crossed and close.at.time_ns - last.at.time_ns < REFUSED_NS else None


def _crossed(one: Close, other: Close) -> bool:
    """This close was sent before the other side's FIN had arrived."""
    return other.fin is not None and one.ack is not None and one.ack <= other.fin.offset


def _had(connection: Connection, client: Close, end: int) -> bool:
    """The client acknowledged so many octets by its close, or before it."""
    return any(
        seg.side is Side.CLIENT and seg.ack is not None and seg.ack >= end
        for seg in connection.segments
        if seg.at <= client.at
    )


def _gone(connection: Connection, client: Close, reply: Reply) -> bool:
    """The reply drew the client's bare reset: it met no socket any more."""
    return client.reset is not None and cause_of(connection, client.reset) <= reply.at


def _answers(connection: Connection, reply: Reply, client: Close) -> bool:
    """The segment of the reply already acknowledges the client's FIN, so its sender had seen it."""
    return client.fin is not None and any(
        seg.at == reply.at and seg.side is Side.SERVER and seg.ack is not None and seg.ack > client.fin.offset
        for seg in connection.segments
    )
