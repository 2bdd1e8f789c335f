"""`Embryo`: a connection of which only SYNs, or too little to tell its sides, have been seen.

It is nothing but its first packets, so that a flood of SYNs costs little.
"""

from __future__ import annotations

from pcapdiag.tcp.grouping import Key
from pcapdiag.tcp.packet import Packet
from pcapdiag.tcp.sides import by_port, by_syn, by_words

MAX_SYNS = 16
MAX_UNDECIDED = 64


class Embryo:
    """The first packets of a connection."""

    __slots__ = ("early",)

    def __init__(self) -> None:
        self.early: list[tuple[Packet, bool, bytes | memoryview]] = []
        """Packet, whether the lower end sent it, and the octets that its columns index."""

    def take(
        self, packet: Packet, lower: bool, octets: bytes | memoryview, key: Key, ports: frozenset[int]
    ) -> tuple[bool, bool] | None:
        """Take in a packet. Once it is more than SYNs of one end and the sides are known: whether the lower end is the
        client, and whether a SYN told so."""
        self.early.append((packet, lower, octets))
        first = self.early[0]
        if by_syn(packet) and lower == first[1] and packet.seq == first[0].seq and len(self.early) < MAX_SYNS:
            return None
        return self._sides(key, ports) or (self.guess(key, ports) if len(self.early) >= MAX_UNDECIDED else None)

    def detach(self) -> None:
        """Copy what is needed of the batch, which is about to go."""
        for number, (packet, lower, octets) in enumerate(self.early):
            start, end = packet.tcp_at, packet.payload_at + packet.payload_len
            if start:
                moved = packet._replace(tcp_at=0, payload_at=packet.payload_at - start, ip_at=packet.ip_at - start)
                self.early[number] = moved, lower, bytes(octets[start:end])

    def guess(self, key: Key, ports: frozenset[int]) -> tuple[bool, bool]:
        """The sides by what was seen, else the end with the lower port is the server."""
        return self._sides(key, ports) or (key[2] > key[5] or (key[2] == key[5] and self.early[0][1]), False)

    def _sides(self, key: Key, ports: frozenset[int]) -> tuple[bool, bool] | None:
        for packet, lower, _ in self.early:
            sender_is_client = by_syn(packet)
            if sender_is_client is not None:
                return lower == sender_is_client, True
        lower_is_client = by_port(key[2], key[5], ports)
        if lower_is_client is not None:
            return lower_is_client, False
        for packet, lower, octets in self.early:
            sender_is_client = by_words(
                bytes(octets[packet.payload_at : packet.payload_at + min(packet.payload_len, 8)])
            )
            if sender_is_client is not None:
                return lower == sender_is_client, False
        return None
