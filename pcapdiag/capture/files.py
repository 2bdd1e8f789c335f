"""One capture file: opened, looked at (format, link types, first time), then read once as `PacketTable` batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from pcapdiag.capture.columns import IDENT, Columns, Wanted
from pcapdiag.capture.formats import reader_for
from pcapdiag.capture.frames import BLOCK, FrameBlock, FrameReader, Window
from pcapdiag.capture.linknames import link_name
from pcapdiag.capture.source import Source
from pcapdiag.capture.table import PacketTable, silence
from pcapdiag.model import CaptureInfo, Note

Advance = Callable[[int], None]
LONGEST_REST_NS = 7 * 24 * 3600 * 1_000_000_000
"""A capture that claims to have gone on for longer behind its last packet is not believed."""


class Member(Protocol):
    """A file of a trace, whichever engine reads it."""

    path: str
    first_ns: int | None
    last_ns: int | None
    """Times of its first and last frame; the last one is known when it was read."""
    total: int | None
    """Octets; None for a pipe."""

    @property
    def kind(self) -> tuple[str, ...]:
        """What the files of one ring have in common: the link types."""

    def batches(self, wanted: Wanted, advance: Advance, block: int) -> Iterator[PacketTable]:
        """All of them, once. `advance` hears how many octets were read."""

    @property
    def dropped(self) -> int | None:
        """Packets that the capturing system says it lost, as far as the file was read; None when it says nothing."""

    def info(self) -> CaptureInfo: ...

    def nothing_understood(self) -> str | None:
        """Why no frame of it could be read, when that is so."""


class CaptureFile:
    """A capture file that our own engine reads."""

    def __init__(self, path: str, index: int) -> None:
        """Raises `CaptureError` when it is none."""
        self.path = path
        self._index = index
        self._columns = Columns()
        self._rows = 0
        self._cut = 0
        self._cut_first = 0
        self.last_ns: int | None = None
        self._open(BLOCK)
        first = next(self._blocks, None)
        self.first_ns = int(first.time_ns.min()) if first is not None else None
        self.total = self._source.total
        self._pending: FrameBlock | None = None
        if self._source.live:
            self._pending = first
        else:  # there may be thousands of files: none stays open before its turn
            self._source.close()

    @property
    def kind(self) -> tuple[str, ...]:
        return tuple(map(link_name, self._reader.facts.links))

    @property
    def links(self) -> tuple[int, ...]:
        return tuple(self._reader.facts.links)

    @property
    def dropped(self) -> int | None:
        return self._reader.facts.dropped

    def batches(self, wanted: Wanted, advance: Advance, block: int = BLOCK) -> Iterator[PacketTable]:
        if not self._source.live:
            self._open(block)
        self._columns.begin(self._index, wanted, self.first_ns or 0)
        try:
            frames = self._pending or next(self._blocks, None)
            self._pending = None
            while frames is not None:
                self._look(frames)
                table = self._columns.table(frames)
                self._rows += int(np.count_nonzero((table.srcport != IDENT) & (table.dstport != IDENT)))
                advance(self._source.done)
                yield table
                del table, frames  # not two blocks at once
                frames = next(self._blocks, None)
            if (end_ns := self._reader.facts.end_ns) is not None and end_ns - (
                self.last_ns or end_ns
            ) < LONGEST_REST_NS:
                yield silence(end_ns)
        finally:
            self._source.close()

    def info(self) -> CaptureInfo:
        facts = self._reader.facts
        compression = self._source.compression
        return CaptureInfo(
            path=self.path,
            format=f"{compression} {facts.format}" if compression else facts.format,
            link_types=self.kind,
            packets=facts.packets,
            smtp_packets=self._rows,
            snaplen=facts.snaplen,
            first_time_ns=self.first_ns,
            last_time_ns=self.last_ns,
            dropped_by_capture=facts.dropped,
            notes=tuple(self._notes()),
        )

    def nothing_understood(self) -> str | None:
        unknown = self._columns.unknown
        if unknown and sum(unread.frames for unread in unknown.values()) == self._reader.facts.packets:
            names = ", ".join(link_name(link) for link in unknown)
            return f"has link type {names}, which is not known here; tshark may know it: --engine tshark"
        return None

    def _open(self, block: int) -> None:
        self._source = Source(self.path)
        try:
            self._reader: FrameReader = reader_for(Window(self._source, block), self.path)
        except BaseException:
            self._source.close()
            raise
        self._blocks = self._reader.blocks()

    def _look(self, block: FrameBlock) -> None:
        """Bookkeeping over all frames, wanted or not."""
        first, last = int(block.time_ns.min()), int(block.time_ns.max())
        self.first_ns = first if self.first_ns is None else min(self.first_ns, first)
        self.last_ns = last if self.last_ns is None else max(self.last_ns, last)
        cut = np.flatnonzero(block.caplen < block.wirelen)
        if len(cut):
            self._cut_first = self._cut_first or int(block.frame_number[cut[0]])
            self._cut += len(cut)

    def _notes(self) -> Iterator[Note]:
        facts, columns = self._reader.facts, self._columns
        yield from facts.notes
        if self._source.damage:
            yield Note("damaged", f"{self._source.damage}; read up to frame {facts.packets}", facts.packets or None)
        if self._cut:
            yield Note("snaplen", f"{self._cut} packets were captured in part (snap length)", self._cut_first)
        if columns.headless:
            says = f"{columns.headless} TCP segments were cut inside the TCP header and cannot be used"
            yield Note("snaplen", says)
        for link, unread in columns.unknown.items():
            says = f"{unread.frames} frames of link type {link_name(link)} were not read; tshark may: --engine tshark"
            yield Note("unknown-link", says, unread.first)
        if columns.slow.read:
            yield Note("slow", f"{columns.slow.read} frames of a rare link type were taken apart by scapy")
        if columns.fragments.dropped:
            yield Note(
                "fragments", f"{columns.fragments.dropped} IP fragments were left out: too many datagrams at once"
            )
        if columns.unsteady:
            yield Note(
                "disorder", "the times of the frames go back all the time: their order in the file was believed instead"
            )
        if columns.disorder:
            says = f"the clock goes back by more than a second, {columns.disorder} times"
            yield Note("disorder", says, columns.first_disorder)
        if facts.dropped:
            yield Note("dropped", f"the capturing system lost {facts.dropped} packets")
