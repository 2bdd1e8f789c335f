"""One frame, taken apart as far as faults need it: addresses, TTL, the TCP header, the octets; and put together again.

The wire asks it which frames a fault is about, the forger learns from it what a forged segment has to look like.
"""

import socket
import struct
from dataclasses import dataclass

ETHERNET = 14
IPV4, IPV6 = 0x0800, 0x86DD
TCP = 6
FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
NOP, TIMESTAMPS = 1, 8
MODULUS = 1 << 32


@dataclass(frozen=True, slots=True)
class Segment:
    """A TCP segment as it stands in a frame."""

    source: str
    destination: str
    source_port: int
    destination_port: int
    seq: int
    ack: int
    flags: int
    window: int
    ttl: int
    ip_id: int
    timestamps: tuple[int, int] | None
    payload: bytes
    ethernet: bytes

    @property
    def next_seq(self) -> int:
        """The sequence number behind this segment: SYN and FIN take one each (RFC 9293, section 3.4)."""
        return (self.seq + len(self.payload) + bool(self.flags & SYN) + bool(self.flags & FIN)) % MODULUS


def parse(frame: bytes) -> Segment | None:
    """The segment in a frame, None when it holds none (ICMP, a later fragment)."""
    kind = int.from_bytes(frame[12:14])
    packet = frame[ETHERNET:]
    if kind == IPV4 and packet[9] == TCP and not int.from_bytes(packet[6:8]) & 0x1FFF:
        start, end = (packet[0] & 15) * 4, int.from_bytes(packet[2:4]) or len(packet)
        addresses = socket.inet_ntop(socket.AF_INET, packet[12:16]), socket.inet_ntop(socket.AF_INET, packet[16:20])
        ttl, ip_id = packet[8], int.from_bytes(packet[4:6])
    elif kind == IPV6 and packet[6] == TCP:
        start, end = 40, 40 + int.from_bytes(packet[4:6])
        addresses = socket.inet_ntop(socket.AF_INET6, packet[8:24]), socket.inet_ntop(socket.AF_INET6, packet[24:40])
        ttl, ip_id = packet[7], 0
    else:
        return None
    tcp = packet[start:end]
    source_port, destination_port, seq, ack, offset, flags, window = struct.unpack_from("!HHIIBBH", tcp)
    header = (offset >> 4) * 4
    timestamps = _timestamps(tcp[20:header])
    return Segment(
        *addresses, source_port, destination_port, seq, ack, flags, window, ttl, ip_id, timestamps, tcp[header:], frame[:ETHERNET]
    )  # fmt: skip


def build(segment: Segment) -> bytes:
    """The frame of a segment, with the checksums it ought to have."""
    options = b""
    if segment.timestamps:
        options = struct.pack("!BBBBII", NOP, NOP, TIMESTAMPS, 10, *segment.timestamps)
    header = struct.pack(
        "!HHIIBBHHH",
        *(segment.source_port, segment.destination_port, segment.seq % MODULUS, segment.ack % MODULUS),
        *((5 + len(options) // 4) << 4, segment.flags, segment.window, 0, 0),
    )
    tcp = header + options + segment.payload
    family = socket.AF_INET6 if ":" in segment.source else socket.AF_INET
    source, destination = (socket.inet_pton(family, end) for end in (segment.source, segment.destination))
    checksum = internet_checksum(source + destination + struct.pack("!II", len(tcp), TCP) + tcp)
    tcp = tcp[:16] + checksum + tcp[18:]
    if family == socket.AF_INET6:
        packet = struct.pack("!IHBB", 0x60000000, len(tcp), TCP, segment.ttl) + source + destination
    else:
        packet = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), segment.ip_id, 0x4000, segment.ttl, TCP, 0)
        packet += source + destination
        packet = packet[:10] + internet_checksum(packet) + packet[12:]
    return segment.ethernet + packet + tcp


def routed(frame: bytes, hops: int) -> bytes | None:
    """The frame behind that many routers: its TTL is lower, or it does not arrive."""
    kind = int.from_bytes(frame[12:14])
    if not hops or kind not in {IPV4, IPV6}:
        return frame
    at = ETHERNET + (8 if kind == IPV4 else 7)
    if frame[at] <= hops:
        return None
    changed = bytearray(frame)
    changed[at] -= hops
    if kind == IPV4:
        end = ETHERNET + (frame[ETHERNET] & 15) * 4
        changed[ETHERNET + 10 : ETHERNET + 12] = b"\0\0"
        changed[ETHERNET + 10 : ETHERNET + 12] = internet_checksum(changed[ETHERNET:end])
    return bytes(changed)


def internet_checksum(octets: bytes | bytearray) -> bytes:
    """RFC 1071."""
    total = sum(struct.unpack(f"!{len(octets) // 2}H", octets[: len(octets) & ~1]))
    total += octets[-1] << 8 if len(octets) % 2 else 0
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return int(~total & 0xFFFF).to_bytes(2)


def _timestamps(options: bytes) -> tuple[int, int] | None:
    at = 0
    while at < len(options) and options[at]:
        if options[at] == NOP:
            at += 1
            continue
        if options[at] == TIMESTAMPS:
            value, echo = struct.unpack_from("!II", options, at + 2)
            return value, echo
        at += max(options[at + 1], 2)
    return None
