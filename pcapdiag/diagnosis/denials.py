"""A host that denies a FIN: it goes on as if it had not sent the one that the other side acknowledges.

RFC 9293 section 3.10.7.4, fifth check: "If the ACK acks something not yet sent (SEG.ACK > SND.NXT), then send an ACK, drop the
segment, and return." So the host that a forged FIN names answers the deceived side's FIN with where it really stands, and
leaves that FIN unacknowledged, again and again. One that had closed would stand behind its FIN, and take the other's in.
"""

from __future__ import annotations

from pcapdiag.capture.table import ACK
from pcapdiag.model import Moment, Side
from pcapdiag.tcp.connection import Connection, Fin, Segment

SPREAD_NS = 150_000_000
"""Without timestamps to order them, denials must be spread over so much time: none that crossed the FIN comes so late."""


def denials(connection: Connection, side: Side, end: int) -> tuple[Moment, ...]:
    """Segments by which `side` shows that it has sent nothing beyond `end` octets, no FIN either.

    All of these: the other side's FIN acknowledges more than `end` octets of `side`; the segment came behind that FIN, carries no
    octets, stands at `end` or before it, and does not acknowledge the other side's FIN; by its timestamp it was sent behind
    what is denied (without timestamps: there are two of them, `SPREAD_NS` apart). None where `side` later stands beyond.
    """
    answer = next((fin for fin in connection.closing.fins if _acknowledges(fin, side, end)), None)
    if answer is None:
        return ()
    later = [seg for seg in connection.segments if seg.side is side and seg.at > answer.at and not seg.is_rst]
    if any(seg.offset > end or seg.length or seg.is_fin for seg in later):
        return ()
    found = [seg for seg in later if seg.flags & ACK and seg.ack is not None and seg.ack <= answer.offset]
    denied = next((seg for seg in connection.segments if seg.side is side and seg.is_fin), None)
    since = denied.tsval if denied is not None else _clock_before(connection, side, answer.at)
    if since >= 0:
        found = [seg for seg in found if seg.tsval >= 0 and 0 < (seg.tsval - since) & 0xFFFFFFFF < 1 << 31]
    elif len(found) < 2 or found[-1].at.time_ns - found[0].at.time_ns < SPREAD_NS:
        return ()
    return tuple(seg.at for seg in found)


def _acknowledges(fin: Fin, side: Side, end: int) -> bool:
    return fin.side is side.other and fin.ack is not None and fin.ack > end


def _clock_before(connection: Connection, side: Side, moment: Moment) -> int:
    """The latest TSval of `side` before a moment; -1 without one."""
    before: list[Segment] = [seg for seg in connection.segments if seg.side is side and seg.at < moment]
    return before[-1].tsval if before else -1
