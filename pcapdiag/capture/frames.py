"""`FrameBlock`: a block of octets and where the captured frames lie in it. What the file formats turn into.

It knows no protocol, only what the capture file says about each frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from pcapdiag.capture.source import Source
from pcapdiag.capture.table import I8, I32, I64, U8, U16
from pcapdiag.model import Note

BLOCK = 1 << 24
FIRST_BLOCK = 1 << 16
FRAMES = 1 << 17
"""No block holds more frames: the columns of 16 MiB of empty records would need ten times the memory of the block."""
TAIL = 128
"""Readable octets behind the last frame, so that header windows need no bounds of their own."""
MAX_CAPLEN = 262144
"""Wireshark's WTAP_MAX_PACKET_SIZE_STANDARD and tcpdump's MAXIMUM_SNAPLEN: a longer record is damage."""


@dataclass(frozen=True, slots=True)
class FrameBlock:
    """The frames of one block, in file order; arrays have the same length."""

    buffer: U8
    """The octets, and at least `TAIL` more."""
    frame_number: I64
    at: I64
    """Where the frame's first octet lies in `buffer`."""
    caplen: I64
    wirelen: I64
    time_ns: I64
    interface: U16
    link: I32
    """LINKTYPE_ number."""
    outgoing: I8

    def __len__(self) -> int:
        return len(self.at)


@dataclass(slots=True)
class Facts:
    """What a file says about itself, filled in while it is read."""

    format: str
    snaplen: int | None = None
    packets: int = 0
    links: dict[int, None] = field(default_factory=dict)
    dropped: int | None = None
    end_ns: int | None = None
    """When the capture ended, by its own word: later than its last packet."""
    notes: list[Note] = field(default_factory=list)


class FrameReader(Protocol):
    """One capture file, read once from its beginning."""

    facts: Facts

    def blocks(self) -> Iterator[FrameBlock]: ...


class Window:
    """The moving window of octets over a source. What a block did not use stands at the beginning of the next."""

    def __init__(self, source: Source, block: int = BLOCK) -> None:
        self._source = source
        self._block = block
        self._next = min(FIRST_BLOCK, block)
        self.buffer: U8 = np.zeros(TAIL, np.uint8)
        self.end = 0
        self.at = 0
        """First octet not used."""

    @property
    def rest(self) -> int:
        return self.end - self.at

    @property
    def ended(self) -> bool:
        return self._source.ended

    @property
    def damage(self) -> str | None:
        """Why the octets ended too early."""
        return self._source.damage

    def more(self, need: int = 0) -> int:
        """Read on, for a record of at least `need` octets; how many came. A pipe may give none for now."""
        rest = self.rest
        room = rest + self._grow()
        if rest + 1 < need > room:
            room = need
        buffer: U8 = np.empty(room + TAIL, np.uint8)
        buffer[:rest] = self.buffer[self.at : self.end]
        count = self._source.fill(buffer.data[rest:room])
        buffer[rest + count : rest + count + TAIL] = 0
        if count < room // 2:  # a short answer must not pin a long buffer
            buffer = buffer[: rest + count + TAIL].copy()
        self.buffer, self.at, self.end = buffer, 0, rest + count
        return count

    def head(self, count: int) -> bytes:
        """The next octets, unused; fewer at the end."""
        while self.rest < count and not self.ended:
            self.more(count)
        return self.buffer[self.at : min(self.at + count, self.end)].tobytes()

    def _grow(self) -> int:
        size = self._next
        self._next = min(self._next * 16, self._block)
        left = self._source.left
        return size if left is None else max(min(size, left + 1), 1)  # one more, to meet the end
