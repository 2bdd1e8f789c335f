"""Frames -> a pcapng file that says when, where and how they were captured, and nothing about who captured them.

scapy's writer (2.8) will not do: it counts in microseconds, so it cuts nanoseconds and finer units, and it can put no comment on
the section. Blocks and options are those of draft-ietf-opsawg-pcapng ("the draft"), written little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import BinaryIO

from pcapdiag.capture.records import KEPT, Frame, Interface

SECTION, INTERFACE, STATISTICS, ENHANCED = 0x0A0D0D0A, 1, 5, 6
COMMENT, USERAPPL, IF_TSRESOL, IF_TSOFFSET, ISB_ENDTIME, ISB_IFDROP = 1, 4, 9, 14, 3, 5
LONGEST_OPTION = 0xFFFF
_SECOND_NS = 1_000_000_000


class Writer:
    """Writes one section."""

    def __init__(self, file: BinaryIO, comments: Iterable[str], program: str) -> None:
        self._file = file
        self._numbers: dict[tuple[int, Interface], int] = {}
        self._last: dict[int, int] = {}
        self.packets = 0
        options = b"".join(_text(COMMENT, comment) for comment in comments) + _text(USERAPPL, program)
        self._block(SECTION, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + options + _END)

    def packet(self, capture: int, frame: Frame, octets: bytes, comment: str) -> None:
        """Write a frame of a capture file with these octets in the place of its own."""
        number = self._interface(capture, frame.interface)
        ticks = frame.ticks
        if ticks is None:
            ticks = _ticks(frame.time_ns, frame.interface)
        self._last[number] = ticks
        head = struct.pack("<5I", number, ticks >> 32, ticks & 0xFFFFFFFF, len(octets), frame.wirelen)
        told = b"".join(_option(code, value.to_bytes(KEPT[code], "little")) for code, value in frame.options)
        self._block(ENHANCED, head + _padded(octets) + _text(COMMENT, comment) + told + _END)
        self.packets += 1

    def ended(self, capture: int, time_ns: int, dropped: int | None) -> None:
        """Say how long that file's capture went on, and how many packets it lost; it holds for the first of its interfaces."""
        found = next(((number, key[1]) for key, number in self._numbers.items() if key[0] == capture), None)
        if found is None:
            return
        number, interface = found
        ticks = max(_ticks(time_ns, interface), self._last[number])
        time = struct.pack("<II", ticks >> 32, ticks & 0xFFFFFFFF)
        options = _option(ISB_ENDTIME, time)
        if dropped is not None:
            options += _option(ISB_IFDROP, struct.pack("<Q", dropped))
        self._block(STATISTICS, struct.pack("<I", number) + time + options + _END)

    def _interface(self, capture: int, interface: Interface) -> int:
        key = (capture, interface)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._numbers)
            options = _option(IF_TSRESOL, bytes([_resolution(interface.ticks)]))
            if interface.offset_s:
                options += _option(IF_TSOFFSET, struct.pack("<q", interface.offset_s))
            self._block(INTERFACE, struct.pack("<HHI", interface.link, 0, interface.snaplen) + options + _END)
        return number

    def _block(self, kind: int, body: bytes) -> None:
        length = struct.pack("<I", len(body) + 12)
        self._file.write(struct.pack("<I", kind) + length + body + length)


def _resolution(ticks: int) -> int:
    """if_tsresol: the exponent of 10, or of 2 with the highest bit set (the draft, section 4.2)."""
    digits = str(ticks)
    if digits.strip("0") == "1":
        return len(digits) - 1
    return 0x80 | (ticks.bit_length() - 1)


def _ticks(time_ns: int, interface: Interface) -> int:
    ticks = max(0, time_ns - interface.offset_s * _SECOND_NS) * interface.ticks // _SECOND_NS
    return min(ticks, (1 << 64) - 1)


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + _padded(value)


def _text(code: int, text: str) -> bytes:
    """An option of text, cut to what its 16 bits of length can hold."""
    octets = text.encode("utf-8", "replace")[:LONGEST_OPTION].decode("utf-8", "ignore").encode()
    return _option(code, octets)


def _padded(octets: bytes) -> bytes:
    return octets + bytes(-len(octets) % 4)


_END = _option(0, b"")
