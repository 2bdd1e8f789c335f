"""Headers, checksums and the capture file, octet by octet. Knows nothing of connections."""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

CLIENT_MAC, SERVER_MAC = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")


@dataclass(frozen=True)
class Captured:
    """One frame of the file."""

    at_us: int
    octets: bytes


def checksum(octets: bytes) -> int:
    """RFC 1071."""
    if len(octets) % 2:
        octets += b"\0"
    total: int = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _pseudo_header(src: str, dst: str, protocol: int, length: int) -> bytes:
    addresses = ipaddress.ip_address(src).packed + ipaddress.ip_address(dst).packed
    form = "!IHBB" if ":" in src else "!BBH"
    return addresses + (
        struct.pack(form, length, 0, 0, protocol) if ":" in src else struct.pack(form, 0, protocol, length)
    )


def tcp_segment(
    src: tuple[str, int],
    dst: tuple[str, int],
    *,
    seq: int,
    ack: int,
    flags: int,
    window: int,
    options: bytes,
    payload: bytes,
) -> bytes:
    """A TCP segment (RFC 9293 section 3.1) with its checksum."""
    offset = (20 + len(options)) // 4
    head = struct.pack("!HHIIBBHHH", src[1], dst[1], seq % 2**32, ack % 2**32, offset << 4, flags, window, 0, 0)
    whole = head + options + payload
    summed = checksum(_pseudo_header(src[0], dst[0], 6, len(whole)) + whole)
    return whole[:16] + summed.to_bytes(2, "big") + whole[18:]


def packet(
    src: str,
    dst: str,
    protocol: int,
    payload: bytes,
    *,
    ttl: int,
    ip_id: int = 0,
    fragment: tuple[int, bool] | None = None,
) -> bytes:
    """An IP packet; `fragment` is (offset in octets, more to come). Without it IPv4 has DF set, as Linux does for TCP."""
    if ":" in src:
        packed = ipaddress.ip_address(src).packed + ipaddress.ip_address(dst).packed
        return struct.pack("!IHBB", 6 << 28, len(payload), protocol, ttl) + packed + payload
    field = 0x4000 if fragment is None else fragment[0] // 8 | (0x2000 if fragment[1] else 0)
    packed = ipaddress.ip_address(src).packed + ipaddress.ip_address(dst).packed
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), ip_id, field, ttl, protocol, 0) + packed
    return head[:10] + checksum(head).to_bytes(2, "big") + head[12:] + payload


def fragments(whole: bytes, size: int) -> list[bytes]:
    """An IPv4 packet cut into fragments of at most `size` octets of data each, DF cleared (RFC 791 section 3.2)."""
    head, data = whole[:20], whole[20:]
    src, dst = str(ipaddress.IPv4Address(head[12:16])), str(ipaddress.IPv4Address(head[16:20]))
    ip_id = int.from_bytes(head[4:6], "big")
    step = size // 8 * 8
    return [
        packet(
            src,
            dst,
            head[9],
            data[at : at + step],
            ttl=head[8],
            ip_id=ip_id,
            fragment=(at, at + step < len(data)),
        )
        for at in range(0, len(data), step)
    ]


def one_hop_on(whole: bytes) -> bytes:
    """The same packet behind one more router."""
    if whole[0] >> 4 == 6:
        return whole[:7] + bytes([whole[7] - 1]) + whole[8:]
    head = whole[:8] + bytes([whole[8] - 1]) + whole[9:10] + b"\0\0" + whole[12:20]
    return head[:10] + checksum(head).to_bytes(2, "big") + head[12:] + whole[20:]


def icmp_error(src: str, dst: str, kind: int, code: int, *, mtu: int, ttl: int, quoted: bytes) -> bytes:
    """An ICMP (RFC 792) or ICMPv6 (RFC 4443 section 3) error that quotes a packet."""
    if ":" in src:
        body = struct.pack("!BBHI", kind, code, 0, mtu) + quoted[:1232]
        summed = checksum(_pseudo_header(src, dst, 58, len(body)) + body)
        return packet(src, dst, 58, body[:2] + summed.to_bytes(2, "big") + body[4:], ttl=ttl)
    body = struct.pack("!BBHHH", kind, code, 0, 0, mtu) + quoted[:28]  # the header and 64 bits of data: RFC 792's least
    return packet(src, dst, 1, body[:2] + checksum(body).to_bytes(2, "big") + body[4:], ttl=ttl)


def ethernet(whole: bytes, from_client: bool, padded: bool) -> bytes:
    """`padded`: it came over a wire, where a frame has at least 60 octets; a capturing host sees its own ones unpadded."""
    macs = SERVER_MAC + CLIENT_MAC if from_client else CLIENT_MAC + SERVER_MAC
    frame = macs + (b"\x86\xdd" if whole[0] >> 4 == 6 else b"\x08\x00") + whole
    return frame.ljust(60, b"\0") if padded else frame


def pcap(frames: list[Captured], snaplen: int) -> bytes:
    """The classic file format, little-endian, microseconds, Ethernet."""
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, snaplen, 1)]
    for frame in frames:
        kept = frame.octets[:snaplen]
        out.append(
            struct.pack("<IIII", frame.at_us // 1_000_000, frame.at_us % 1_000_000, len(kept), len(frame.octets))
        )
        out.append(kept)
    return b"".join(out)
