"""One capture file: opened, looked at (format, link types, first time), then read once as `PacketTable` batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from pcapdiag.capture.columns import IDENT, Clock, Wanted, decode
from pcapdiag.capture.formats import reader_for
from pcapdiag.capture.frames import FrameBlock, FrameReader, Window
from pcapdiag.capture.link import LINKS
from pcapdiag.capture.linknames import link_name
from pcapdiag.capture.source import Source
from pcapdiag.capture.table import PacketTable
from pcapdiag.model import CaptureInfo, Note

Advance = Callable[[int], None]


class CaptureFile:
    """A capture file that this engine reads. Not opened again: a pipe cannot be."""

    def __init__(self, path: str, *, block: int) -> None:
        """Raises `CaptureError` when it is none."""
        self.path = path
        self.index = 0
        self.trace = 0
        self._source = Source(path)
        try:
            self._reader: FrameReader = reader_for(Window(self._source, block), path)
            self._blocks = self._reader.blocks()
            self._first: FrameBlock | None = next(self._blocks, None)
        except BaseException:
            self._source.close()
            raise
        self.first_ns = int(self._first.time_ns.min()) if self._first is not None else None
        self.last_ns: int | None = None
        self._rows = 0
        self._cut = 0
        self._cut_first = 0
        self._unknown: dict[int, tuple[int, int]] = {}
        """Link type -> how many frames of it, and the first."""
        self._clock = Clock()

    @property
    def total(self) -> int | None:
        return self._source.total

    @property
    def links(self) -> tuple[int, ...]:
        return tuple(self._reader.facts.links)

    def batches(self, wanted: Wanted, advance: Advance | None = None) -> Iterator[PacketTable]:
        """All of them, once. The file is closed behind the last one."""
        block = self._first
        self._first = None
        self._clock = clock = Clock(until_ns=self.first_ns or 0)
        try:
            while block is not None:
                self._look(block)
                table = decode(block, self.index, wanted, clock)
                self._rows += int(np.count_nonzero((table.srcport != IDENT) & (table.dstport != IDENT)))
                if advance is not None:
                    advance(self._source.done)
                yield table
                del table, block
                block = next(self._blocks, None)
        finally:
            self._source.close()

    def info(self) -> CaptureInfo:
        facts = self._reader.facts
        compression = self._source.compression
        return CaptureInfo(
            path=self.path,
            format=f"{compression} {facts.format}" if compression else facts.format,
            link_types=tuple(link_name(link) for link in facts.links),
            packets=facts.packets,
            smtp_packets=self._rows,
            snaplen=facts.snaplen,
            first_time_ns=self.first_ns,
            last_time_ns=self.last_ns,
            dropped_by_capture=facts.dropped,
            notes=tuple(self._notes()),
            trace=self.trace,
        )

    def nothing_understood(self) -> str | None:
        """Why no frame of it could be read, when that is so."""
        if self._unknown and sum(count for count, _ in self._unknown.values()) == self._reader.facts.packets:
            names = ", ".join(link_name(link) for link in self._unknown)
            return f"has link type {names}, which tshark may know: --engine tshark"
        return None

    def close(self) -> None:
        self._source.close()

    def _look(self, block: FrameBlock) -> None:
        """Bookkeeping over all frames, wanted or not."""
        first, last = int(block.time_ns.min()), int(block.time_ns.max())
        self.first_ns = first if self.first_ns is None else min(self.first_ns, first)
        self.last_ns = last if self.last_ns is None else max(self.last_ns, last)
        cut = np.flatnonzero(block.caplen < block.wirelen)
        if len(cut):
            self._cut_first = self._cut_first or int(block.frame_number[cut[0]])
            self._cut += len(cut)
        for link in np.unique(block.link).tolist():
            if link not in LINKS:
                mine = np.flatnonzero(block.link == link)
                count, frame = self._unknown.get(link, (0, int(block.frame_number[mine[0]])))
                self._unknown[link] = (count + len(mine), frame)

    def _notes(self) -> Iterator[Note]:
        yield from self._reader.facts.notes
        if self._source.damage:
            yield Note("damaged", f"{self._source.damage}; read up to there", self._reader.facts.packets or None)
        if self._cut:
            yield Note("snaplen", f"{self._cut} packets were captured in part (snap length)", self._cut_first)
        for link, (count, frame) in self._unknown.items():
            says = f"{count} frames of link type {link_name(link)} were not read; --engine tshark may know it"
            yield Note("unknown-link", says, frame)
        if self._clock.disorder:
            says = f"the clock goes back by more than a second {self._clock.disorder} times"
            yield Note("disorder", says, self._clock.first_disorder)
        if self._reader.facts.dropped:
            yield Note("dropped", f"the capturing system lost {self._reader.facts.dropped} packets")
