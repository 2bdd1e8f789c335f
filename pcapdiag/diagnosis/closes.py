"""The FINs and RSTs that count as acts of the sides they name, in the order in which their senders acted."""

from __future__ import annotations

from typing import NamedTuple

from pcapdiag.diagnosis.denials import denials
from pcapdiag.model import Moment, Side
from pcapdiag.session import Session
from pcapdiag.smtp.dialogue import DOT
from pcapdiag.tcp.connection import Connection, Effect, Fin, Reset

CONTENT = (DOT, b"BDAT")
"""Verbs whose reply decides about a message."""

AT_ONCE_NS = 500_000_000
"""A FIN within this time of the QUIT belongs to it."""

# Looked up once: members of an enumeration are slow to reach.
_CLIENT, _SERVER = Side.CLIENT, Side.SERVER


class Close(NamedTuple):
    """A FIN or RST that counts as an act of the side it names."""

    at: Moment
    side: Side
    fin: Fin | None = None
    """None for a FIN that the capture missed: `at` is then the segment that acknowledges it."""
    reset: Reset | None = None
    ack: int | None = None
    """How far it acknowledges the other side's stream."""

    @property
    def missed(self) -> bool:
        """A FIN of which only the acknowledgement was captured."""
        return self.fin is None and self.reset is None


def closes_of(session: Session) -> list[Close]:
    """The FINs and RSTs that count, in the order in which their senders acted as far as the capture can tell."""
    connection = session.connection
    fins, resets, _, _ = connection.closing
    closes: list[Close] = []
    captured: list[Side] = []
    polite = False
    for fin in fins:
        side = fin.side
        captured.append(side)
        if not fin.accepted:
            continue
        if side is _CLIENT and _half_close(session, fin):
            polite = True
        else:
            closes.append(Close(fin.at, side, fin, None, fin.ack))
    in_order = len(closes)
    for side in (_CLIENT, _SERVER):
        missed = None if side in captured else _missed_fin(connection, side)
        if missed is not None:
            closes.append(missed)
    if resets:
        still_open = polite and all(close.side is not _CLIENT for close in closes)
        _add_resets(closes, connection, _CLIENT if still_open else None)
    if len(closes) > in_order:  # FINs alone stand in time order
        closes.sort(key=lambda close: (_acted(connection, close), not close.missed))
    return closes


def _add_resets(closes: list[Close], connection: Connection, half_closed: Side | None) -> None:
    """Those that ended the connection, and echoes that are an act of their own: above all of the side that so far only
    closed its half."""
    for reset in connection.closing.resets:
        acted = cause_of(connection, reset)
        late = any(close.at < acted for close in closes)
        echo = reset.effect is Effect.ECHO
        own_act = (reset.claimed is half_closed and not late) or _abort_that_crossed(connection, reset)
        if reset.effect is Effect.ENDED or (echo and own_act):
            closes.append(Close(reset.at, reset.claimed, None, reset, acknowledged_by(connection, reset)))


def _acted(connection: Connection, close: Close) -> Moment:
    return close.at if close.reset is None else cause_of(connection, close.reset)


def cause_of(connection: Connection, reset: Reset) -> Moment:
    """When its sender had acted already: a bare reset tells that the socket was gone when the first of the other side's
    segments that it can answer, and that was never acknowledged, arrived."""
    if reset.bare and reset.provoked_by is not None:
        seen = connection.half(reset.claimed.other).acked
        for seg in connection.segments:
            if seg.at > reset.provoked_by:
                break
            fits = seg.side is not reset.claimed and seg.ack == reset.offset and seg.offset >= seen
            if fits and (seg.length or seg.is_fin):
                return seg.at
    return reset.at


def acknowledged_by(connection: Connection, reset: Reset) -> int | None:
    """How far a reset acknowledges the other side's stream."""
    return next((seg.ack for seg in connection.segments if seg.at == reset.at and seg.is_rst), None)


def _abort_that_crossed(connection: Connection, reset: Reset) -> bool:
    """A living socket aborted before the other side's FIN had come: an act of its own, though it ended nothing."""
    fin = next((each for each in connection.closing.fins if each.accepted and each.side is not reset.claimed), None)
    own = any(each.side is reset.claimed for each in connection.closing.fins)
    if fin is None or own or reset.window == 0 or not reset.in_window or fin.at > reset.at:
        return False
    ack = acknowledged_by(connection, reset)
    return ack is not None and ack <= fin.offset


def _missed_fin(connection: Connection, side: Side) -> Close | None:
    """A FIN that the capture does not hold (it holds none of `side`), but the other side acknowledges: one number beyond
    the octets of `side` (RFC 9293 section 3.4), whose own later segments stand there, too, and bring nothing more. Without
    those, nothing tells whether `side` would deny it (see `denials`)."""
    end, other = connection.half(side).octets, connection.half(side.other)
    if not other.packets:
        return None
    acks = [seg for seg in connection.segments if seg.side is not side and seg.ack is not None and not seg.is_rst]
    beyond = [seg for seg in acks if seg.ack is not None and seg.ack > end]
    if not beyond or any(seg.ack != end + 1 for seg in beyond) or denials(connection, side, end):
        return None
    own = [seg for seg in connection.segments if seg.side is side and seg.offset > end]
    if not own or any(seg.length or seg.offset != end + 1 for seg in own):
        return None
    return Close(beyond[0].at, side)


def _half_close(session: Session, fin: Fin) -> bool:
    """A FIN of the client that is no drop: Exim sends the final dot, QUIT and FIN in one go, and still waits for the reply.

    A FIN that comes later than the QUIT is polite only when the reply was still taken in: else it is how a client gives up
    that had pipelined its QUIT (Postfix).
    """
    exchanges = session.dialogue.exchanges
    ahead = len(exchanges)
    while ahead and exchanges[ahead - 1].command.offset >= fin.offset:
        ahead -= 1
    if not ahead or exchanges[ahead - 1].command.verb != b"QUIT":
        return False
    waiting = [
        reply
        for command, reply, _ in exchanges[: ahead - 1]
        if command.verb in CONTENT and (reply is None or reply.at > fin.at)
    ]
    if not waiting:
        return False
    if fin.at.time_ns - exchanges[ahead - 1].command.at.time_ns < AT_ONCE_NS:
        return True
    acked = session.connection.halves[1].acked
    return all(reply is not None and reply.end <= acked for reply in waiting)
