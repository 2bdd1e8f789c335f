"""What is odd about a segment, seen from what its connection had shown before it (names of ``tcp.analysis.*``).

Pure questions about a packet and two flows; only `count` and `window` note the answer.
"""

from __future__ import annotations

from pcapdiag.capture.table import FIN, SYN
from pcapdiag.tcp.connection import Odd
from pcapdiag.tcp.flow import Flow
from pcapdiag.tcp.packet import Packet
from pcapdiag.tcp.seq import MASK, distance

# Operations on an `enum.Flag` are calls; the walk does with its plain numbers.
NONE = 0
RETRANSMISSION = Odd.RETRANSMISSION.value
OUT_OF_ORDER = Odd.OUT_OF_ORDER.value
KEEP_ALIVE = Odd.KEEP_ALIVE.value
ZERO_WINDOW_PROBE = Odd.ZERO_WINDOW_PROBE.value
ZERO_WINDOW = Odd.ZERO_WINDOW.value
DUPLICATE_ACK = Odd.DUPLICATE_ACK.value
OVERLAP_CONFLICT = Odd.OVERLAP_CONFLICT.value
AFTER_GAP = Odd.AFTER_GAP.value
REFUSED = Odd.REFUSED.value

_SLACK = 1 << 16
"""How far beyond the offered window a segment may stand: window updates that the capture missed."""


def refused(packet: Packet, flow: Flow, other: Flow, offset: int) -> bool:
    """Whether its receiver cannot have accepted it (RFC 9293 3.10.7.4, first check)."""
    if packet.flags & SYN:
        return False
    if offset >= -1 and offset + packet.length <= flow.top + _SLACK:  # no window is too small for that
        return bool(packet.flags & FIN) and stale(packet, flow)
    expected = max(flow.next, flow.acked)
    far = offset + packet.length > expected + other.offered + _SLACK
    before = flow.isn is not None and offset < -1
    if (far or before) and flow.packets > 1:
        if flow.wild_next != packet.seq:
            flow.wild_next = (packet.seq + packet.length) & MASK
            return True
        flow.wild_next = None  # two in a row fit together: the capture missed what lies between
    return bool(packet.flags & FIN) and stale(packet, flow)


def stale(packet: Packet, flow: Flow) -> bool:
    """RFC 7323 5.3 R1: its timestamp is older than the latest of its side."""
    return packet.tsval >= 0 and flow.clock_last is not None and distance(packet.tsval, flow.clock_last[1]) < 0


def keep_alive(packet: Packet, flow: Flow, offset: int) -> bool:
    """RFC 9293 3.8.4: it stands one before the next octet, and holds no octet or a worthless one."""
    return (
        packet.length <= 1
        and offset == flow.top - 1
        and flow.fin is None
        and flow.acked >= flow.top
        and not packet.flags & (SYN | FIN)
    )


def empty(packet: Packet, flow: Flow, other: Flow, offset: int, ack: int | None) -> int:
    """A segment without payload, SYN and FIN."""
    if keep_alive(packet, flow, offset):
        return KEEP_ALIVE | ZERO_WINDOW_PROBE if other.window == 0 else KEEP_ALIVE
    if ack is not None and ack == flow.last_ack and packet.window == flow.window and other.next > ack:
        return DUPLICATE_ACK
    return NONE


def data(packet: Packet, flow: Flow, other: Flow, offset: int, new: int) -> int:
    """A segment with payload of which `new` octets are new; `flow.top` is still what it was before it."""
    odd = NONE
    if other.window == 0 and packet.length == 1 and offset == flow.acked:
        odd = ZERO_WINDOW_PROBE
    if new == 0:
        return odd | RETRANSMISSION
    if offset > flow.top:
        return odd | AFTER_GAP
    return odd | OUT_OF_ORDER if offset + packet.length <= flow.top else odd


def window(packet: Packet, flow: Flow) -> int:
    """Note the window that it offers."""
    closed = flow.window
    flow.window = packet.window
    if packet.flags & SYN:
        return NONE
    if flow.scale is not None and packet.window << flow.scale > flow.max_window:
        flow.max_window = packet.window << flow.scale
    if packet.window or packet.flags & FIN:
        return NONE
    if closed != 0:
        flow.zero_windows += 1
    return ZERO_WINDOW


def count(flow: Flow, odd: int) -> None:
    """Count what was odd."""
    if odd & RETRANSMISSION:
        flow.retransmissions += 1
    if odd & OUT_OF_ORDER:
        flow.out_of_order += 1
    if odd & KEEP_ALIVE:
        flow.keep_alives += 1
