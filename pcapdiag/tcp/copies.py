"""The same packet captured more than once: two interfaces, `any`, a mirror with both directions, two VLANs.

A copy repeats the whole TCP header, within milliseconds. A kernel that retransmits gives the packet a new IP ID, so the
same non-zero IP ID settles it. Without one (IPv6, or IP ID 0 with DF) a copy must also differ in TTL or interface, or come
in a connection that is known to be captured twice; otherwise fast duplicate ACKs would be swallowed. With timestamps and
another TTL it may come whenever it likes: the clocks of two points merged into one file differ by seconds, and whoever
repeats a packet stamps it anew.
"""

from __future__ import annotations

from pcapdiag.tcp.packet import Packet
from pcapdiag.tcp.rows import find_numbers

SAME_ID_NS = 500_000_000
"""With the same IP ID: long enough for two vantage points merged into one file."""
ELSEWHERE_NS = 100_000_000
"""Without an IP ID, but with another TTL or interface."""
NO_ID_NS = 2_000_000
"""Without either, in a connection that is known to be captured twice."""
_REMEMBERED = 256

_Key = tuple[int, ...]
_Traits = tuple[int, int, int, int, int]
"""Time, TSecr, TTL, interface, direction."""


class Copies:
    """Recognises copies within one connection."""

    __slots__ = ("_recent", "found", "originals", "ran")

    def __init__(self) -> None:
        self._recent: dict[_Key, _Traits] = {}
        self.ran: tuple[bytes, bool] | None = None
        """The last segments that went by in a run."""
        self.found = 0
        self.originals = 0

    @property
    def systematic(self) -> bool:
        """(Most of) the connection was captured twice."""
        return self.found >= 3 and self.found * 5 >= self.originals * 3

    def went_by(self, rows: bytes, client_is_lower: bool, count: int) -> None:
        """A run of `count` segments: none of them is a copy, but what comes next may be a copy of the last `rows`."""
        self.ran = rows, client_is_lower
        self.originals += count

    def is_copy(self, packet: Packet, index: int, news: bool) -> bool:
        """True when this packet was seen before; otherwise it is remembered. `news`: it holds what no packet before held."""
        if self.ran is not None and not news:
            self._look_back(packet, index, *self.ran)
        (
            time_ns, _, _, interface, outgoing, _, ttl, ip_id, _, seq, ack, flags, window, length, _, _, _, _, tsval, tsecr
        ) = packet  # fmt: skip
        key = (index, seq, ack, flags, length, ip_id, window, tsval)
        traits = (time_ns, tsecr, ttl, interface, outgoing)
        first = self._recent.get(key)
        if first is not None and self._same(first, traits, packet):
            self.found += 1
            return True
        self.originals += 1
        self._recent[key] = traits
        if len(self._recent) > _REMEMBERED:
            del self._recent[next(iter(self._recent))]
        return False

    def _look_back(self, packet: Packet, index: int, rows: bytes, client_is_lower: bool) -> None:
        """Remember the segment of the run after all that this packet may be a copy of."""
        for row in find_numbers(rows, packet.seq, packet.ack):
            (
                time_ns,
                _,
                seq,
                ack,
                length,
                _,
                tsval,
                tsecr,
                ip_id,
                _,
                interface,
                window,
                flags,
                ttl,
                outgoing,
                _,
                lower,
            ) = row
            if index == (0 if lower == client_is_lower else 1) and flags == packet.flags and length == packet.length:
                key = (index, seq, ack, flags, length, ip_id, window, tsval)
                if key not in self._recent:
                    self._recent[key] = (time_ns, tsecr, ttl, interface, outgoing)

    def _same(self, first: _Traits, again: _Traits, packet: Packet) -> bool:
        passed = abs(again[0] - first[0])
        if first[1] != again[1]:
            return False
        if packet.tsval >= 0 and first[2] != again[2]:
            return True
        if passed > SAME_ID_NS:
            return False
        if packet.ip_id > 0:
            return True
        return passed < (ELSEWHERE_NS if first[2:] != again[2:] else NO_ID_NS if self.systematic else 0)
