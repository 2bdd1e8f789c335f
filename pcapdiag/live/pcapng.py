"""Frames -> pcapng, as draft-ietf-opsawg-pcapng has it: nanoseconds, directions, names of interfaces, what was lost."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import BinaryIO

from pcapdiag.live.kept import Frame

_COMMENT, _APPLICATION, _NAME, _RESOLUTION, _FLAGS, _DROPPED = 1, 4, 2, 9, 2, 5
_LONGEST = 1000
SNAPLEN = 262144


def write(
    file: BinaryIO, frames: Iterable[Frame], *, comment: str, program: str, name: str, dropped: int | None
) -> int:
    """How many frames there were."""
    section = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)
    file.write(_block(0x0A0D0D0A, section + _text(_COMMENT, comment) + _text(_APPLICATION, program) + bytes(4)))
    numbers: dict[tuple[int, int], int] = {}
    count, last_ns = 0, 0
    for frame in frames:
        key = frame.interface, frame.link
        if key not in numbers:
            numbers[key] = len(numbers)
            told = _text(_NAME, name) + _option(_RESOLUTION, b"\x09") + bytes(4)
            file.write(_block(1, struct.pack("<HHI", frame.link, 0, SNAPLEN) + told))
        last_ns = frame.time_ns
        octets = frame.octets
        head = struct.pack("<5I", numbers[key], last_ns >> 32, last_ns & 0xFFFFFFFF, len(octets), frame.wirelen)
        flags = b"" if frame.outgoing < 0 else _option(_FLAGS, struct.pack("<I", 2 if frame.outgoing else 1)) + bytes(4)
        file.write(_block(6, head + octets + bytes(-len(octets) % 4) + flags))
        count += 1
    if numbers and dropped is not None:
        head = struct.pack("<III", 0, last_ns >> 32, last_ns & 0xFFFFFFFF)
        file.write(_block(5, head + _option(_DROPPED, struct.pack("<Q", dropped)) + bytes(4)))
    return count


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


def _text(code: int, text: str) -> bytes:
    return _option(code, text.encode("utf-8", "replace")[:_LONGEST])


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)
