"""Who closed first, where only one side's packets were captured? Acknowledgement numbers count the other's FIN, too.

RFC 9293 section 3.4: a FIN takes one sequence number. Lines of SMTP are never one octet long, so an acknowledgement that moves
on by exactly one, and is the last that moves on, is that of a FIN: before the seen side's own FIN, or after it. After it, and
sooner than the other side ever answered, the two FINs crossed: then nobody can be told to be first. Content may be cut
into segments of one octet, and TLS records of any length; the callers see to that.
"""

from __future__ import annotations

from typing import NamedTuple

from pcapdiag.model import Moment, Side
from pcapdiag.tcp.connection import Connection, Fin

QUIT_OCTETS = 6
"""Of a command in the direction that was not captured: QUIT, or DATA."""


class FirstClose(NamedTuple):
    """The close that came first, as one direction shows it."""

    side: Side
    fin: Fin
    """Of the side that was captured."""
    acknowledged: Moment
    """The frame that acknowledges the FIN of the side that was not."""


def first_close(connection: Connection) -> FirstClose | None:
    """Who closed first by FIN; None where the acknowledgements do not tell, or resets stand beside them."""
    seen = Side.CLIENT if connection.half(Side.CLIENT).packets else Side.SERVER
    fin = next((each for each in connection.closing.fins if each.side is seen and each.accepted), None)
    if fin is None or connection.closing.resets:
        return None
    moves = _moves(connection, seen)
    if not moves or moves[-1][1] != 1:
        return None
    at = moves[-1][0]
    if at <= fin.at:
        return FirstClose(seen.other, fin, at)
    quickest = _quickest_ns(connection, seen, moves)
    if quickest is None or 2 * (at.time_ns - fin.at.time_ns) < quickest:
        return None
    return FirstClose(seen, fin, at)


def may_hide_quit(connection: Connection) -> bool:
    """The last octets that a server acknowledged, its client's FIN not counted, may have been a QUIT."""
    moves = [octets for _, octets in _moves(connection, Side.SERVER)]
    return bool(moves) and QUIT_OCTETS in (moves[-1], moves[-2] if len(moves) > 1 and moves[-1] == 1 else 0)


def _quickest_ns(connection: Connection, seen: Side, moves: list[tuple[Moment, int]]) -> int | None:
    """The shortest time in which the other side went on after something was said to it, the FINs left aside."""
    said = [seg.at for seg in connection.segments if seg.side is seen and seg.new]
    waits = [at.time_ns - max(before).time_ns for at, _ in moves[:-1] if (before := [one for one in said if one < at])]
    return min(waits, default=None)


def _moves(connection: Connection, side: Side) -> list[tuple[Moment, int]]:
    """The segments of a side that acknowledge more than those before them, and how many octets more."""
    moves: list[tuple[Moment, int]] = []
    latest: int | None = None
    for seg in connection.segments:
        if seg.side is side and seg.ack is not None:
            if latest is not None and seg.ack > latest:
                moves.append((seg.at, seg.ack - latest))
            latest = seg.ack if latest is None else max(latest, seg.ack)
    return moves
