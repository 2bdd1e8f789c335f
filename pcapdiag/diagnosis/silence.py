"""Who stopped answering? Retransmissions into silence, holes that never close, windows that stay shut.

Silence is the host's while its TCP still acknowledges, and the path's when nothing does.
"""

from __future__ import annotations

from bisect import bisect_left
from operator import attrgetter
from typing import NamedTuple

from pcapdiag.capture.table import FIN, RST
from pcapdiag.diagnosis.round_trip import round_trip_ns
from pcapdiag.model import Moment, Side
from pcapdiag.tcp.connection import Connection, Fin, Odd, Segment

REFUSED = Odd.REFUSED
REPEATED = Odd.RETRANSMISSION | Odd.KEEP_ALIVE | Odd.ZERO_WINDOW_PROBE
ORDINARY = Odd.NONE
"""What nearly every segment is: compared by identity first, since operations on flags are slow."""
LEAST_REPEATS = 2
LEAST_SPAN_NS = 900_000_000
"""Fewer repeats in a shorter time are ordinary loss recovery (RFC 6298: the first timeout is a second, backed off)."""
LEAST_SPAN_OF_FIN_NS = 400_000_000
FIN_RTTS = 10

_at = attrgetter("at")


class Silence(NamedTuple):
    """One side kept sending and nothing at all came back."""

    sender: Side
    unanswered: Moment
    """The first segment that needed an answer and got none."""
    repeats: tuple[Moment, ...]
    last_sign: Moment | None
    """The silent side's last segment; None when it never sent one."""
    of_fin: bool
    """Only the FIN (and what followed it) was repeated."""
    probes: bool
    """The repeats are keep-alives or window probes."""
    span_ns: int


class Hole(NamedTuple):
    """Octets that one side sent and the other never acknowledged although it went on answering."""

    sender: Side
    offset: int
    repeats: tuple[Moment, ...]
    answers: tuple[Moment, ...]
    """Segments of the other side after the first repeat that still do not acknowledge the hole; where there are none,
    those that report octets beyond it."""
    lengths: tuple[int, ...]
    """Payload octets of the segments that did not get through."""
    received_beyond: bool
    """The receiver reports octets beyond the hole (SACK), or later smaller ones were acknowledged."""
    seen: bool
    """False when the hole's octets never came past this capture point: the receiver's acknowledgements tell of it."""
    span_ns: int


def silence(
    connection: Connection, sender: Side, before: Moment | None, least_span_ns: int = LEAST_SPAN_NS
) -> Silence | None:
    """`sender` repeated itself at least twice, and after the first unanswered segment nothing came from the other side
    for at least 0.9 s: until `before`, or up to the last repeat (None: the end of the capture)."""
    mine, theirs = _split(connection.segments, sender, before)
    last_sign = theirs[-1].at if theirs else None
    advanced = _advanced(connection, sender.other, before)
    if advanced is not None and (last_sign is None or advanced > last_sign):
        last_sign = advanced
    pending = [seg for seg in mine if last_sign is None or seg.at > last_sign]
    needing = [seg for seg in pending if seg.length or seg.is_syn or seg.is_fin or _repeated(seg)]
    if not needing:
        return None
    repeats = tuple(seg.at for seg in needing if _repeated(seg))
    first = needing[0]
    if theirs and not (first.odd & REPEATED):
        first_offset = first.offset
        repeated_first = any(
            seg.odd & REPEATED and seg.offset <= first_offset < seg.offset + max(seg.length, 1) for seg in needing[1:]
        )
        if not repeated_first and len(repeats) < LEAST_REPEATS:
            return None
    lasted = (needing[-1].at if before is None else before).time_ns - first.at.time_ns
    if len(repeats) < LEAST_REPEATS or lasted < least_span_ns:
        return None
    probes = all(seg.odd & (Odd.KEEP_ALIVE | Odd.ZERO_WINDOW_PROBE) for seg in needing if seg.odd & REPEATED)
    of_fin = all(seg.is_fin or seg.odd & REPEATED == Odd.NONE for seg in needing) and any(seg.is_fin for seg in needing)
    return Silence(sender, first.at, repeats, last_sign, of_fin, probes, needing[-1].at.time_ns - first.at.time_ns)


def hole(
    connection: Connection, sender: Side, before: Moment | None, least_span_ns: int = LEAST_SPAN_NS
) -> Hole | None:
    """Octets of `sender` that stayed unacknowledged while the other side's TCP answered.

    Either they were repeated at least twice over 0.9 s, and the other side's later segments, its reset included, do not
    acknowledge them or its SACK reports octets beyond them (a receiver whom nothing reaches any more has no reason to
    answer again; `least_span_ns` is then enough); or they never passed this capture point and the other side reports
    the hole (duplicate acknowledgements or SACK) for at least 0.9 s. A closed window is no hole.
    """
    mine, theirs = _split(connection.segments, sender, before)
    acks = [seg for seg in theirs if seg.ack is not None and not seg.flags & RST]
    if not acks:
        return None
    stuck_at = max([seg.ack for seg in acks if seg.ack is not None])
    if _advanced(connection, sender.other, before) is not None:
        stuck_at = max(stuck_at, connection.half(sender).acked)
    sent = max([connection.half(sender).octets, *[seg.offset for seg in mine if seg.flags & FIN]])
    if acks[-1].window == 0 or stuck_at >= sent:
        return None
    around = [seg for seg in mine if seg.length and seg.offset <= stuck_at < seg.offset + seg.length]
    repeats = [seg for seg in around if seg.odd & Odd.RETRANSMISSION]
    if len(repeats) < LEAST_REPEATS:
        return _reported_hole(connection, sender, acks, mine, stuck_at, least_span_ns)
    span = repeats[-1].at.time_ns - repeats[0].at.time_ns
    beyond = [seg for seg in acks if any(right > stuck_at for _, right in seg.sack)]
    answers = [seg.at for seg in theirs if seg.at > repeats[0].at and _stuck(seg, stuck_at)]
    answers = answers or [seg.at for seg in beyond]
    if not answers or span < (least_span_ns if beyond else LEAST_SPAN_NS):
        return None
    lengths = tuple({seg.length for seg in repeats})
    return Hole(sender, stuck_at, tuple(seg.at for seg in repeats), tuple(answers), lengths, bool(beyond), True, span)


def _advanced(connection: Connection, side: Side, before: Moment | None) -> Moment | None:
    """When `side` acknowledged something new for the last time, where not all segments were kept: the one that did so stands
    in front of a whole window of the other side, and is not among the last."""
    advance = connection.half(side).last_advance if connection.sampled else None
    return None if advance is None or (before is not None and advance >= before) else advance


def _stuck(seg: Segment, offset: int) -> bool:
    """An acknowledgement, or a reset that carries one, and no further than this."""
    return seg.ack is not None and (seg.ack == offset if seg.is_rst else seg.ack <= offset)


def _reported_hole(
    connection: Connection,
    sender: Side,
    acks: list[Segment],
    mine: list[Segment],
    stuck_at: int,
    least_span_ns: int,
) -> Hole | None:
    """A hole that this capture point never saw filled, and that the receiver reports until the end."""
    seen = any(seg.offset <= stuck_at < seg.offset + seg.length for seg in mine)
    beyond = any(seg.offset > stuck_at and (seg.length or seg.is_fin) for seg in mine)
    reports = [seg for seg in acks if seg.ack == stuck_at and (seg.sack or seg.odd & Odd.DUPLICATE_ACK)]
    if seen or not beyond or not reports:
        return None
    span = connection.until_ns - reports[0].at.time_ns
    if span < least_span_ns:
        return None
    return Hole(sender, stuck_at, (), tuple(seg.at for seg in reports), (), True, False, span)


def least_span_of_fin_ns(connection: Connection) -> int:
    """How long a FIN must have been repeated in vain. Who has closed waits for nothing but its acknowledgement, which is due
    in a round trip; stacks repeat it from 200 ms on (Linux, TCP_RTO_MIN)."""
    return max(FIN_RTTS * (round_trip_ns(connection) or LEAST_SPAN_NS), LEAST_SPAN_OF_FIN_NS)


def fin_in_vain(connection: Connection, fin: Fin) -> tuple[Moment, ...]:
    """The repeats of a FIN behind which nothing came from the other side."""
    after = [seg for seg in connection.segments if seg.at > fin.at]
    if fin.acked is not None or any(seg.side is fin.side.other for seg in after):
        return ()
    return tuple(seg.at for seg in after if seg.is_fin and seg.odd & Odd.RETRANSMISSION)


def closed_window(connection: Connection, receiver: Side, before: Moment | None) -> tuple[Moment, ...]:
    """Segments by which `receiver` kept its window shut at the end; empty when it was open."""
    theirs = [
        seg
        for seg in connection.segments
        if seg.side is receiver and not seg.flags & (RST | FIN) and (before is None or seg.at < before)
    ]
    shut: list[Moment] = []
    for seg in reversed(theirs):
        if not seg.odd & Odd.ZERO_WINDOW:
            break
        shut.append(seg.at)
    return tuple(reversed(shut))


def _repeated(seg: Segment) -> bool:
    return seg.odd is not ORDINARY and bool(seg.odd & REPEATED)


def _split(segments: tuple[Segment, ...], sender: Side, before: Moment | None) -> tuple[list[Segment], list[Segment]]:
    """What `sender` sent, its resets left out, and what the other side did; without what was refused."""
    if before is not None:
        segments = segments[: bisect_left(segments, before, key=_at)]
    taken = [seg for seg in segments if seg.odd is ORDINARY or not seg.odd & REFUSED]
    mine = [seg for seg in taken if seg.side is sender and not seg.flags & RST]
    return mine, [seg for seg in taken if seg.side is not sender]
