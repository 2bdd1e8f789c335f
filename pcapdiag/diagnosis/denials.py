"""A host that denies a FIN: it goes on as if it had not sent the one that the other side acknowledges.

RFC 9293 section 3.10.7.4, fifth check: "If the ACK acks something not yet sent (SEG.ACK > SND.NXT), then send an ACK, drop the
segment, and return." So the host that a forged FIN names answers the deceived side's FIN with where it really stands, and
leaves that FIN unacknowledged, again and again. One that had closed would stand behind its FIN, and take the other's in.

The lookalike is a keep-alive: a host that closed its half and waits for the other's FIN, which was lost behind the capture point,
may probe at the octet before. It probes when its timer says so; a denial is drawn by a copy of the FIN.
"""

from __future__ import annotations

from pcapdiag.capture.table import ACK
from pcapdiag.model import Moment, Side
from pcapdiag.tcp.connection import Connection, Segment

RTT_NS = 200_000_000
"""Where no round trip was measured."""


def denials(connection: Connection, side: Side, end: int) -> tuple[Moment, ...]:
    """Segments by which `side` shows that it has sent nothing beyond `end` octets, no FIN either.

    All of these: the other side's FIN acknowledges more than `end` octets of `side`; the segment carries no octets, stands at
    `end` or before it, and does not acknowledge the other side's FIN; and it comes so soon behind a copy of that FIN that the
    copy drew it, a copy for each. None where `side` later stands beyond.
    """
    answer = next((fin for fin in connection.closing.fins if fin.side is side.other and (fin.ack or 0) > end), None)
    if answer is None:
        return ()
    later = [seg for seg in connection.segments if seg.at >= answer.at and not seg.is_rst]
    own = [seg for seg in later if seg.side is side]
    if any(seg.offset > end or seg.length or seg.is_fin for seg in own):
        return ()
    soon_ns = 3 * (connection.handshake.rtt_ns or RTT_NS) // 2
    found: list[Moment] = []
    copy: Segment | None = None
    for seg in later:
        if seg.side is not side:
            copy = seg if seg.is_fin else copy
        elif copy is not None and seg.flags & ACK and seg.ack is not None and seg.ack <= answer.offset:
            if seg.at.time_ns - copy.at.time_ns <= soon_ns:
                found.append(seg.at)
            copy = None
    return tuple(found)
