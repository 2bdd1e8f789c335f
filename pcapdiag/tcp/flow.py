"""`Flow`: what one side of an open connection has sent so far, in stream offsets, and its counters."""

from __future__ import annotations

from collections import deque

from pcapdiag.capture.table import FIN, SYN
from pcapdiag.making import maker
from pcapdiag.model import Moment, Side
from pcapdiag.tcp.connection import Half
from pcapdiag.tcp.options import SynOptions
from pcapdiag.tcp.packet import Packet
from pcapdiag.tcp.reassembly import Reassembly
from pcapdiag.tcp.seq import MASK, offset_near

SIDES = (Side.CLIENT, Side.SERVER)
UNSCALED_MAX = 65_535 << 14
"""The largest window there is (RFC 7323 2.3): assumed where the scale was not seen."""
_ETHERNET = 1460
"""Payload of a full Ethernet frame: what counts as a full segment where no MSS was seen."""
_UNACKED = 4096

_half = maker(Half)


class Flow:
    """One direction. `acked` and `fin` are what the other side said about it, and where it ends."""

    __slots__ = (
        "acked",
        "base",
        "clock_first",
        "clock_last",
        "copies",
        "cut",
        "fin",
        "first",
        "index",
        "ip_id_zero",
        "isn",
        "keep_alives",
        "largest_acked",
        "last",
        "last_ack",
        "last_advance",
        "last_news",
        "max_window",
        "missing",
        "offers",
        "out_of_order",
        "packets",
        "reassembly",
        "retransmissions",
        "scale",
        "super_packets",
        "top",
        "ttls",
        "unacked",
        "wild_next",
        "window",
        "zero_windows",
    )

    def __init__(self, index: int) -> None:
        self.index = index
        """0 the client's, 1 the server's."""
        self.base: int | None = None
        """Sequence number of offset 0."""
        self.isn: int | None = None
        """Sequence number of its SYN, where one was seen."""
        self.top = 0
        """Highest offset it was seen to send, FIN not counted."""
        self.acked = -1
        """Highest offset the other side acknowledged (one more for the FIN); -1 not even the SYN."""
        self.fin: int | None = None
        """Offset of its FIN, as long as nothing speaks against it."""
        self.reassembly = Reassembly()
        self.offers: SynOptions | None = None
        self.scale: int | None = None
        """Shift of its window field, None unknown."""
        self.window: int | None = None
        """Last window field."""
        self.max_window = 0
        """Largest window it ever offered, in octets."""
        self.last_ack = -1
        """Last acknowledgement number it sent, as an offset of the other side."""
        self.wild_next: int | None = None
        """Sequence number behind its last segment that was too far away to believe."""
        self.unacked: deque[tuple[int, int]] = deque()
        """End and length of its segments that wait for acknowledgement and would raise `largest_acked`."""
        self.clock_first: tuple[int, int] | None = None
        """Time and TSval of its first segment with timestamps."""
        self.clock_last: tuple[int, int] | None = None
        self.ttls: dict[int, int] = {}
        self.packets = self.cut = self.missing = self.retransmissions = self.out_of_order = 0
        self.keep_alives = self.zero_windows = self.copies = self.super_packets = self.ip_id_zero = 0
        self.largest_acked = 0
        self.first: Moment | None = None
        self.last: Moment | None = None
        self.last_news: Moment | None = None
        self.last_advance: Moment | None = None

    def offset(self, seq: int) -> int | None:
        """Stream offset of a sequence number, None before the numbering is known."""
        return None if self.base is None else offset_near(seq, self.base, self.top)

    def number_from(self, base: int) -> None:
        """Begin the numbering: `base` is the sequence number of offset 0."""
        self.base = base & MASK

    @property
    def next(self) -> int:
        """The offset after everything it sent, FIN counted."""
        return self.top if self.fin is None else self.fin + 1

    @property
    def offered(self) -> int:
        """The window it offers the other side, in octets; the largest possible where that is not known."""
        return self.max_window if self.max_window else UNSCALED_MAX

    def brings_news(self, packet: Packet, other: Flow) -> bool:
        """Whether it says or acknowledges more than everything before it of this side."""
        if self.base is None:
            return True
        taken = packet.length + (packet.flags & (SYN | FIN) > 0)
        if offset_near(packet.seq, self.base, self.top) + taken > self.next:
            return True
        return other.base is not None and offset_near(packet.ack, other.base, other.top) > self.last_ack

    def full_segment(self, other: Flow) -> int:
        """Payload of the largest segment that `other` takes from it."""
        return (other.offers.mss if other.offers else None) or _ETHERNET

    def sent(self, end: int, length: int, other: Flow) -> None:
        """It sent new octets up to `end` in one segment."""
        if length > self.full_segment(other):
            self.super_packets += 1
        self.sent_one(end, length)

    def sent_one(self, end: int, length: int) -> None:
        """Remember a segment whose acknowledgement would raise `largest_acked`."""
        if length > self.largest_acked and len(self.unacked) < _UNACKED:
            self.unacked.append((end, length))

    def resent(self, offset: int, length: int) -> None:
        """It sent octets again: an acknowledgement no longer proves that a larger first segment arrived."""
        while self.unacked and self.unacked[-1][0] > offset and self.unacked[-1][1] > length:
            self.unacked.pop()

    def acknowledged(self, offset: int) -> None:
        """The other side acknowledged everything before `offset`, which is news."""
        self.acked = offset
        while self.unacked and self.unacked[0][0] <= offset:
            self.largest_acked = max(self.largest_acked, self.unacked.popleft()[1])

    def half(self) -> Half:
        """The final account."""
        window = self.window
        if window is not None and self.scale is not None:
            window <<= self.scale
        offers, acked = self.offers, self.acked
        if self.fin is not None and acked > self.fin:
            acked = self.fin
        return _half((
            SIDES[self.index], self.packets, self.top, acked if acked > 0 else 0,
            self.missing, self.cut, self.retransmissions, self.out_of_order, self.keep_alives, self.zero_windows, self.copies,
            self.super_packets, self.first, self.last, self.last_news, self.last_advance, window,
            offers.mss if offers else None, offers.window_scale if offers else None,
            offers is not None and offers.sack_permitted,
            offers.timestamps if offers else self.clock_first is not None,
            tuple(self.ttls.items()), self.ip_id_zero, self.largest_acked,
        ))  # fmt: skip
