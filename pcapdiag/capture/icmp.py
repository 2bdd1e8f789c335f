"""ICMP and ICMPv6 errors that quote a TCP segment of a wanted port -> `IcmpError`. One by one: they are rare."""

from __future__ import annotations

import ipaddress
from collections.abc import Container
from typing import NamedTuple

import numpy as np

from pcapdiag.capture.cursor import Cursor
from pcapdiag.capture.frames import FrameBlock
from pcapdiag.capture.table import I64, IcmpError

ERRORS = {4: (3, 4, 11, 12), 6: (1, 2, 3, 4)}
"""RFC 792: destination unreachable, source quench, time exceeded, parameter problem. RFC 4443 2.1: below 128 is an error."""
QUOTED = 256
"""Octets looked at: the quoted IP header with options or extension headers, and the eight of TCP that RFC 792 promises."""
EXTENSIONS = (0, 43, 60, 135)


def icmp_errors(
    block: FrameBlock, cursor: Cursor, rows: I64, capture: int, wanted: Container[object]
) -> list[tuple[int, IcmpError]]:
    """(frame of the block, error) of the ICMP messages among these rows. Before which row they stand is not known here."""
    octets = cursor.buffer.data
    six = cursor.octets(cursor.ip_at[rows], 1)[:, 0] >> 4 == 6
    kind = cursor.octets(cursor.at[rows], 1)[:, 0]
    rows = rows[np.where(six, np.isin(kind, ERRORS[6]), np.isin(kind, ERRORS[4]))]
    found: list[tuple[int, IcmpError]] = []
    for row in rows.tolist():
        at, end, ip = int(cursor.at[row]), int(cursor.captured_end[row]), int(cursor.ip_at[row])
        message = bytes(octets[at : min(end, at + 8 + QUOTED)])
        quoted = _quoted(message[8:])
        if quoted is None or not (quoted.srcport in wanted or quoted.dstport in wanted):
            continue
        version, frame = octets[ip] >> 4, int(cursor.frame[row])
        sender = octets[ip + 8 : ip + 24] if version == 6 else octets[ip + 12 : ip + 16]
        error = IcmpError(
            row=0,
            time_ns=int(block.time_ns[frame]),
            capture=capture,
            frame_number=int(block.frame_number[frame]),
            sender=_text(bytes(sender)),
            version=version,
            type=message[0],
            code=message[1],
            mtu=_mtu(message, version),
            src=_text(quoted.src),
            dst=_text(quoted.dst),
            srcport=quoted.srcport,
            dstport=quoted.dstport,
            seq=quoted.seq,
        )
        found.append((frame, error))
    return found


def _text(address: bytes) -> str:
    return str(ipaddress.ip_address(address))


def _mtu(message: bytes, version: int) -> int | None:
    """RFC 1191 section 4 (a router that does not know better leaves it 0) and RFC 4443 section 3.2."""
    if version == 6:
        return int.from_bytes(message[4:8]) if message[0] == 2 else None
    return int.from_bytes(message[6:8]) or None if message[:2] == b"\x03\x04" else None


class _Quoted(NamedTuple):
    src: bytes
    dst: bytes
    srcport: int
    dstport: int
    seq: int | None


def _quoted(packet: bytes) -> _Quoted | None:
    """What an error quotes, when that is a TCP segment with its ports."""
    if len(packet) < 20:
        return None
    if packet[0] >> 4 == 4:
        protocol, tcp = packet[9], (packet[0] & 15) * 4
        src, dst = packet[12:16], packet[16:20]
        if int.from_bytes(packet[6:8]) & 0x1FFF:
            return None  # a later fragment: no ports in it
    elif packet[0] >> 4 == 6 and len(packet) >= 40:
        protocol, tcp = packet[6], 40
        src, dst = packet[8:24], packet[24:40]
        while (protocol in EXTENSIONS or protocol == 44) and len(packet) >= tcp + 8:
            if protocol == 44 and int.from_bytes(packet[tcp + 2 : tcp + 4]) & 0xFFF8:
                return None
            step = 8 if protocol == 44 else (packet[tcp + 1] + 1) * 8
            protocol, tcp = packet[tcp], tcp + step
    else:
        return None
    if protocol != 6 or len(packet) < tcp + 4:
        return None
    ports = int.from_bytes(packet[tcp : tcp + 2]), int.from_bytes(packet[tcp + 2 : tcp + 4])
    seq = int.from_bytes(packet[tcp + 4 : tcp + 8]) if len(packet) >= tcp + 8 else None
    return _Quoted(src, dst, *ports, seq)
