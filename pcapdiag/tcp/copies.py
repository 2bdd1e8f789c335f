"""The same packet captured more than once: two interfaces, `any`, a mirror with both directions, two VLANs.

A copy repeats the whole TCP header, within milliseconds. A kernel that retransmits gives the packet a new IP ID, so the
same non-zero IP ID settles it. Without one (IPv6, or IP ID 0 with DF) a copy must also differ in TTL or interface, or come
in a connection that is known to be captured twice; otherwise fast duplicate ACKs would be swallowed.
"""

from __future__ import annotations

from collections import OrderedDict

from pcapdiag.tcp.packet import Packet

SAME_ID_NS = 500_000_000
"""With the same IP ID: long enough for two vantage points merged into one file."""
NO_ID_NS = 2_000_000
ELSEWHERE_NS = 100_000_000
"""Without an IP ID, but with another TTL or interface."""
_REMEMBERED = 256
_Key = tuple[int, ...]


class Copies:
    """Recognises copies within one connection."""

    __slots__ = ("_recent", "found", "originals")

    def __init__(self) -> None:
        self._recent: OrderedDict[_Key, Packet] = OrderedDict()
        self.found = 0
        self.originals = 0

    @property
    def systematic(self) -> bool:
        """(Most of) the connection was captured twice."""
        return self.found >= 3 and self.found * 5 >= self.originals * 3

    def is_copy(self, packet: Packet, index: int) -> bool:
        """True when this packet was seen before; otherwise it is remembered."""
        key = (index, packet.seq, packet.ack, packet.flags, packet.length, packet.ip_id, packet.window, packet.tsval)
        first = self._recent.get(key)
        if first is not None and self._same(first, packet):
            self.found += 1
            return True
        self.originals += 1
        self._recent[key] = packet
        self._recent.move_to_end(key)
        if len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)
        return False

    def _same(self, first: Packet, packet: Packet) -> bool:
        passed = abs(packet.time_ns - first.time_ns)
        if first.tsecr != packet.tsecr or passed > SAME_ID_NS:
            return False
        if packet.ip_id > 0:
            return True
        elsewhere = first.ttl != packet.ttl or first.interface != packet.interface or first.outgoing != packet.outgoing
        return passed < (ELSEWHERE_NS if elsewhere else NO_ID_NS if self.systematic else 0)
