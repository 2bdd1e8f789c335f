"""pcapng files -> `FrameBlock`s: sections of either byte order, interfaces, enhanced, simple and obsolete packet blocks.

The format is draft-ietf-opsawg-pcapng ("the draft"). Packet blocks, nearly all of any file, are found in a tight loop and
read as columns (`ngblocks.packets`); any other block is read by hand.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

import numpy as np

from pcapdiag.capture.frames import FRAMES, Facts, FrameBlock, Window
from pcapdiag.capture.ngblocks import (
    COMMENT,
    ENHANCED,
    PACKET,
    SIMPLE,
    Interface,
    Packets,
    Section,
    directions,
    options,
    packets,
    statistics,
)
from pcapdiag.capture.table import I64, U8, distinct
from pcapdiag.capture.walk import FAR, field, lanes
from pcapdiag.errors import CaptureError
from pcapdiag.model import Note

SECTION, INTERFACE, STATISTICS = 0x0A0D0D0A, 1, 5
ORDERS = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}
"""The byte-order magic 0x1A2B3C4D (the draft, section 4.1)."""
NUMBERED = frozenset((PACKET, SIMPLE, ENHANCED, 9, 0x204, 0x208, 0x216, 0x221, 0xBAD, 0x40000BAD))
"""Blocks that Wireshark gives a frame number: packets, systemd journal entries, Sysdig's events and custom blocks."""
SMALLEST = 12
MIN_ENHANCED = 32
MAX_BLOCK = 1 << 24
"""Wireshark's limit too. A longer block is skipped nowhere: its length is a lie or an attack."""
MAX_INTERFACES = 65536
MAX_COMMENTS = 20
ORIGIN = re.compile(rb"frame \d+ of ")
"""What our own slices say of every packet: where it was before."""


class PcapngReader:
    """One pcapng file."""

    def __init__(self, window: Window, path: str) -> None:
        head = window.head(SMALLEST)
        if head[8:12] not in ORDERS:
            short = len(head) < SMALLEST
            raise CaptureError(
                path, "is a pcapng file cut inside its header" if short else "has no pcapng byte-order magic"
            )
        self._window = window
        self.section = Section(ORDERS[head[8:12]])
        self._last_ns = 0
        self._numbered = 0
        self._comments = 0
        self._counted = True
        self._lanes_from = 0
        """Lanes are tried a few times per window, not behind every block that is no packet: that would be quadratic."""
        self._dropped: int | None = None
        """What earlier sections said."""
        self.facts = Facts("pcapng")

    def blocks(self) -> Iterator[FrameBlock]:
        window = self._window
        runs: list[I64] = []
        while True:
            runs += self._run()
            kind, length = self._next()
            whole = SMALLEST <= length <= window.rest
            if not whole or kind == SECTION:
                starts = np.concatenate(runs) if runs else np.empty(0, np.int64)
                runs = []
                for first in range(0, len(starts), FRAMES):
                    block, good = self._frames(starts[first : first + FRAMES])
                    if block is not None:
                        yield block
                    if not good:
                        self._note("damaged", "a packet block contradicts itself")
                        return
                if not whole and not self._read_on(length):
                    return
            if whole:
                self._by_hand(kind, window.buffer[window.at + 8 : window.at + length - 4].tobytes())
                window.at += _padded(length)

    def _run(self) -> list[I64]:
        """The numbered blocks from here on that are whole; moves the window to the first other one."""
        window, order = self._window, self.section.order
        found: list[I64] = []
        at = window.at
        if at >= self._lanes_from:
            early, at = lanes(window.buffer, _Enhanced(window.buffer, order), at, window.end)
            found.append(early)
            self._lanes_from = at + len(window.buffer) // 4
        late, window.at = _walk(window.buffer, at, window.end, order)
        if late:
            found.append(np.array(late, np.int64))
        return found

    def _next(self) -> tuple[int, int]:
        """Kind and length of the next block; length 0 when that much is not there, -1 when it is nonsense."""
        window = self._window
        if window.rest < SMALLEST:
            return 0, 0
        octets, at = window.buffer, window.at
        order = self.section.order
        (kind,) = struct.unpack_from(order + "I", octets.data, at)
        if kind == SECTION:
            order = ORDERS.get(octets[at + 8 : at + 12].tobytes(), "")
            if not order:
                return kind, -1
        (length,) = struct.unpack_from(order + "I", octets.data, at + 4)
        least = 28 if kind == SECTION else 20 if kind == INTERFACE else SMALLEST
        if length < least or length > MAX_BLOCK:
            return kind, -1
        # "This value MUST be a multiple of 4", but writers forget, and Wireshark rounds up: then so do we.
        return kind, length if _padded(length) <= window.rest else max(_padded(length), window.rest + 1)

    def _read_on(self, length: int) -> bool:
        """More octets for a block that is not whole; False at the end or at damage."""
        window = self._window
        self._count_drops()
        if length < 0:
            (claimed,) = struct.unpack_from(self.section.order + "I", window.buffer.data, window.at + 4)
            self._note("damaged", f"a block claims a length of {claimed} octets, or is of no known byte order")
            return False
        if window.ended:
            if window.rest:
                self._note("truncated", "the file ends inside a block")
            return False
        window.more(max(length, SMALLEST))
        self._lanes_from = 0
        return True

    def _note(self, code: str, says: str) -> None:
        self.facts.notes.append(Note(code, f"{says}; read up to frame {self._numbered}", self._numbered or None))

    def _by_hand(self, kind: int, body: bytes) -> None:
        order = self.section.order
        if kind == SECTION:
            self._count_drops()
            self._dropped = self.facts.dropped
            self.section = Section(ORDERS[body[:4]])
            self._remember(None, [v for code, v in options(body[16:], self.section.order) if code == COMMENT])
        elif kind == INTERFACE and len(self.section.interfaces) < MAX_INTERFACES:
            interface = Interface.parse(body, order)
            self.section.interfaces.append(interface)
            self.facts.links[interface.link] = None
            self.facts.snaplen = max(self.facts.snaplen or 0, interface.snaplen) or None
        elif kind == STATISTICS:
            statistics(body, order, self.section.interfaces)
            self._counted = False

    def _count_drops(self) -> None:
        """Interfaces count on, sections add up."""
        if not self._counted:
            said = [i.dropped for i in self.section.interfaces if i.dropped is not None]
            if said:
                self.facts.dropped = (self._dropped or 0) + sum(said)
            ends = [i.end_ns for i in self.section.interfaces if i.end_ns is not None]
            self.facts.end_ns = max([*ends, self.facts.end_ns or 0]) or None
            self._counted = True

    def _remember(self, frame: int | None, comments: list[bytes]) -> None:
        for comment in comments[: MAX_COMMENTS - self._comments]:
            self._comments += 1
            text = "".join(c if c.isprintable() else " " for c in comment[:400].decode("utf-8", "replace"))
            self.facts.notes.append(Note("comment", f"comment in the capture: {text}", frame))

    def _frames(self, starts: I64) -> tuple[FrameBlock | None, bool]:
        """The packets among these blocks, up to the first that contradicts itself; and whether there was none."""
        section, buffer = self.section, self._window.buffer
        found = packets(buffer, starts, section)
        frames = np.isin(found.kind, (PACKET, SIMPLE, ENHANCED))
        bad = np.flatnonzero(frames & ~found.good)
        stop = int(bad[0]) if len(bad) else len(starts)
        rows = np.flatnonzero(frames[:stop])
        numbers = rows + self._numbered + 1
        self._numbered += stop
        self.facts.packets += len(rows)
        if not len(rows):
            return None, not len(bad)
        ends = found.end - 4
        # Simple packet blocks end with the frame's padding.
        options_at = np.where(found.kind == SIMPLE, ends, found.options_at)
        outgoing, comments = directions(buffer, options_at[rows], ends[rows], section.order)
        for row, comment in comments:
            if not ORIGIN.match(comment):
                self._remember(int(numbers[row]), [comment])
        links = np.array([i.link for i in section.interfaces], np.int32)
        return FrameBlock(
            buffer=buffer,
            frame_number=numbers,
            at=found.at[rows],
            caplen=found.caplen[rows],
            wirelen=found.wirelen[rows],
            time_ns=self._times(found, rows),
            interface=found.interface[rows].astype(np.uint16),
            link=links[found.interface[rows]],
            outgoing=outgoing,
        ), not len(bad)

    def _times(self, found: Packets, rows: I64) -> I64:
        """Nanoseconds since the epoch. Simple packet blocks have no time: they take that of the frame before."""
        times = np.zeros(len(rows), np.int64)
        interface = found.interface[rows]
        for number in distinct(interface):
            mine = interface == number
            times[mine] = self.section.interfaces[number].nanoseconds(found.ticks[rows[mine]])
        timeless = found.kind[rows] == SIMPLE
        if timeless.any():
            known = np.where(timeless, -1, np.arange(len(rows)))
            before = np.maximum.accumulate(known)
            times = np.where(before >= 0, times[before], self._last_ns)
        self._last_ns = int(times[-1])
        return times


def _padded(length: int) -> int:
    return length + 3 & ~3


class _Enhanced:
    """How enhanced packet blocks follow one another (see `walk.Chain`). Their mark is their type."""

    mark_at = 0

    def __init__(self, buffer: U8, order: str) -> None:
        self._head = struct.Struct(order + "II")
        self._octets, self._pairs = buffer.data, field(buffer, 8)
        self._word = np.dtype(order + "u4")
        self.mark = struct.pack(order + "I", ENHANCED)

    def following(self, at: int) -> int:
        kind, length = self._head.unpack_from(self._octets, at)
        end = at + int(length)
        if kind != ENHANCED or not MIN_ENHANCED <= length <= MAX_BLOCK or length & 3 or end > len(self._octets):
            return FAR
        return end if self._octets[at + 4 : at + 8] == self._octets[end - 4 : end] else FAR

    def follow(self, at: I64) -> I64:
        head = self._pairs[at].view(self._word).reshape(len(at), 2)
        kind, length = head[:, 0], head[:, 1].astype(np.int64)
        good = (kind == ENHANCED) & (length >= MIN_ENHANCED) & (length <= MAX_BLOCK) & (length & 3 == 0)
        following: I64 = np.where(good, at + length, FAR)
        return following


def _walk(buffer: U8, at: int, end: int, order: str) -> tuple[list[int], int]:
    """The numbered blocks from `at` on that are whole, and where the first other block begins."""
    starts: list[int] = []
    add, head, numbered, octets = starts.append, struct.Struct(order + "II").unpack_from, NUMBERED, buffer.data
    last = end - SMALLEST
    while at <= last:
        kind, length = head(octets, at)
        following = at + (length + 3 & ~3)
        if kind not in numbered or following > end or length < SMALLEST or length > MAX_BLOCK:
            break
        add(at)
        at = following
    return starts, at
