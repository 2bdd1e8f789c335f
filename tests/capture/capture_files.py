"""Capture files for the tests, octet by octet from their specifications, and a readable view of what was read of them."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pcapdiag.capture import CaptureSet, open_captures
from pcapdiag.capture.table import IcmpError, address_text

START = 1_700_000_000
TICK_NS = 1_000_000
CLIENT, SERVER = "192.0.2.1", "198.51.100.25"


def segment(
    number: int = 0, payload: bytes = b"x", *, options: bytes = b"", sport: int = 40000, dport: int = 25
) -> bytes:
    """A TCP segment; `number` tells it from the others."""
    size = 20 + len(options)
    return (
        struct.pack(">HHIIBBHHH", sport, dport, 1000 + number, 7, size // 4 << 4, 0x18, 500, 0, 0) + options + payload
    )


def ipv4(
    body: bytes, *, protocol: int = 6, length: int | None = None, ident: int = 7, fragment: int = 0x4000, ttl: int = 61
) -> bytes:
    length = 20 + len(body) if length is None else length
    addresses = bytes(map(int, (CLIENT + "." + SERVER).split(".")))
    return struct.pack(">BBHHHBBH", 0x45, 0, length, ident, fragment, ttl, protocol, 0) + addresses + body


def ethernet(body: bytes, kind: int = 0x0800) -> bytes:
    return b"\2\0\0\0\0\1\2\0\0\0\0\2" + struct.pack(">H", kind) + body


def frame(number: int = 0, payload: bytes = b"x") -> bytes:
    return ethernet(ipv4(segment(number, payload)))


def pcap(
    frames: Iterable[bytes],
    *,
    order: str = "<",
    nano: bool = False,
    modified: bool = False,
    link: int = 1,
    times_ns: Iterable[int] | None = None,
    wirelen: int | None = None,
) -> bytes:
    magic = 0xA1B2CD34 if modified else 0xA1B23C4D if nano else 0xA1B2C3D4
    out = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262144, link)]
    frames = list(frames)
    times = list(times_ns) if times_ns is not None else [START * 10**9 + i * TICK_NS for i in range(len(frames))]
    for octets, time in zip(frames, times, strict=True):
        fraction = time % 10**9 // (1 if nano else 1000)
        out.append(struct.pack(order + "IIII", time // 10**9, fraction, len(octets), wirelen or len(octets)))
        if modified:
            out.append(struct.pack(order + "IHBB", 2, 0x0800, 4, 0))
        out.append(octets)
    return b"".join(out)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    return struct.pack(order + "II", kind, len(body) + 12) + body + struct.pack(order + "I", len(body) + 12)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def section(order: str = "<", options: bytes = b"") -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1) + options, order)


def interface(order: str = "<", *, link: int = 1, snaplen: int = 0, options: bytes = b"") -> bytes:
    return block(1, struct.pack(order + "HHI", link, 0, snaplen) + options, order)


def enhanced(octets: bytes, ticks: int, order: str = "<", *, interface: int = 0, options: bytes = b"") -> bytes:
    head = struct.pack(order + "IIIII", interface, ticks >> 32, ticks & 0xFFFFFFFF, len(octets), len(octets))
    return block(6, head + octets + bytes(-len(octets) % 4) + options, order)


def pcapng(frames: Iterable[bytes], order: str = "<") -> bytes:
    blocks = [enhanced(octets, START * 10**6 + i * 1000, order) for i, octets in enumerate(frames)]
    return section(order) + interface(order) + b"".join(blocks)


class Seen(NamedTuple):
    """One row of the tables."""

    capture: int
    frame: int
    time_ns: int
    src: str
    dst: str
    sport: int
    dport: int
    seq: int
    seg_len: int
    payload: bytes
    tsval: int
    tsecr: int
    outgoing: int
    ttl: int


class Read(NamedTuple):
    rows: list[Seen]
    icmp: list[IcmpError]
    captures: CaptureSet
    traces: list[list[Seen]]

    @property
    def codes(self) -> list[str]:
        return [note.code for info in self.captures.infos() for note in info.notes]

    @property
    def packets(self) -> int:
        return sum(info.packets for info in self.captures.infos())


def read(*paths: Path | str, ports: frozenset[int] | None = None, merge: bool = False, engine: str = "own") -> Read:
    captures = open_captures([str(path) for path in paths], ports=ports, merge=merge, engine=engine)
    traces: list[list[Seen]] = []
    icmp: list[IcmpError] = []
    for trace in captures.traces:
        rows: list[Seen] = []
        for table in trace.batches():
            octets = bytes(table.octets)
            for i in range(len(table)):
                at, length = int(table.payload_at[i]), int(table.payload_len[i])
                rows.append(
                    Seen(
                        int(table.capture[i]),
                        int(table.frame_number[i]),
                        int(table.time_ns[i]),
                        address_text(*map(int, table.src[i])),
                        address_text(*map(int, table.dst[i])),
                        int(table.srcport[i]),
                        int(table.dstport[i]),
                        int(table.seq[i]),
                        int(table.seg_len[i]),
                        octets[at : at + length],
                        int(table.tsval[i]),
                        int(table.tsecr[i]),
                        int(table.outgoing[i]),
                        int(table.ttl[i]),
                    )
                )
            icmp += table.icmp
        traces.append(rows)
    return Read([row for rows in traces for row in rows], icmp, captures, traces)
