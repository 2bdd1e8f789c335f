"""Interfaces -> `PacketTable` batches, the same as from files; silence makes empty ones that move the clock.

A feed (`sockets.SocketFeed`, `program.ProgramFeed`) is read by a thread of its own, so that the kernel's buffer is emptied
while a batch is being judged. What it hands over waits here, in bounded memory; when that is full the thread waits too, and
the kernel counts what it must drop. A batch closes after `WAIT_S`, or with `BATCH` octets.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from pcapdiag.capture.columns import IDENT, Columns, Wanted
from pcapdiag.capture.frames import FrameBlock
from pcapdiag.capture.table import PacketTable, silence
from pcapdiag.errors import LiveError
from pcapdiag.model import CaptureInfo, Note

WAIT_S = 0.25
BATCH = 4 << 20
MOST_WAITING = 128 << 20
"""Octets."""
PATIENCE_S = 5.0
"""The feed's thread has so long to end."""
STEP_NS = 1_000_000_000
"""When the clock moves by more against the time since boot, somebody has set it."""


class Feed(Protocol):
    """Where frames come from."""

    format: str
    names: tuple[str, ...]
    """Of the interfaces."""

    @property
    def link_types(self) -> tuple[str, ...]: ...

    @property
    def dropped(self) -> int | None:
        """Packets that were lost on the way to us; None while nobody knows."""

    @property
    def notes(self) -> tuple[Note, ...]: ...

    @property
    def down(self) -> tuple[str, ...]: ...

    def run(self, put: Callable[[FrameBlock], None], clock: Callable[[int], None]) -> None:
        """Called in a thread of its own. `put` takes frames, and waits when too many wait; `clock` hears until when all
        frames have been handed over."""

    def stop(self) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class LiveBatch:
    """What came within a moment."""

    table: PacketTable
    frames: FrameBlock | None
    """The same frames as they were captured, and those that no table holds; None when there were none."""
    clock_set_ns: int = 0
    """By how much somebody has set this host's clock since the batch before; 0: not, or by less than a second."""


class LiveCapture:
    """A capture that is running. The order of its life: made (with privileges), `start`, `batches` until `stop`."""

    def __init__(self, feed: Feed, ports: frozenset[int] | None) -> None:
        self._feed = feed
        self._wanted = Wanted(ports)
        self._columns = self._new_columns(0)
        self._blocks: deque[FrameBlock] = deque()
        self._octets = 0
        self._until_ns = 0
        self._changed = threading.Condition()
        self._ended = False
        self._stopping = threading.Event()
        self._left = False
        """Nobody takes batches any more."""
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._pump, name="capture", daemon=True)
        self._clock = _offset_ns()
        self._first_ns: int | None = None
        self._last_ns: int | None = None
        self.packets = 0
        self._rows = 0

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """`batches` ends after what was captured so far. May be called from a signal handler."""
        self._stopping.set()
        self._feed.stop()

    def close(self) -> None:
        """End it, begun or not."""
        self._left = True
        self.stop()
        if self._thread.is_alive():
            self._thread.join(PATIENCE_S)
        self._feed.close()

    @property
    def dropped(self) -> int | None:
        """See `Feed.dropped`."""
        return self._feed.dropped

    @property
    def waiting(self) -> int:
        """Octets that were captured and not yet looked at."""
        return self._octets

    @property
    def down(self) -> tuple[str, ...]:
        """Interfaces that are down or gone for now."""
        return self._feed.down

    def batches(self) -> Iterator[LiveBatch]:
        """One at least every `WAIT_S`. Raises what ended the feed against our will."""
        try:
            while True:
                blocks, until_ns, ended = self._take()
                clock = _offset_ns()
                moved = clock - self._clock
                self._clock = clock
                set_ns = moved if abs(moved) > STEP_NS else 0
                if set_ns:
                    self._columns = self._new_columns(until_ns)
                yield self._batch(blocks, until_ns, set_ns)
                if ended:
                    break
        finally:
            self.close()
        if self._failure is not None:
            raise self._failure

    def info(self) -> CaptureInfo:
        """The capture so far, as if it were a file."""
        drops = self._feed.dropped
        notes = list(self._feed.notes)
        if drops:
            notes.append(Note("dropped", f"the capturing system lost {drops} packets"))
        return CaptureInfo(
            path=",".join(self._feed.names),
            format=self._feed.format,
            link_types=self._feed.link_types,
            packets=self.packets,
            smtp_packets=self._rows,
            snaplen=None,
            first_time_ns=self._first_ns,
            last_time_ns=self._last_ns,
            dropped_by_capture=drops,
            notes=tuple(notes),
        )

    # --- The feed's thread ------------------------------------------------------------------------------------------

    def _pump(self) -> None:
        try:
            self._feed.run(self._put, self._tick)
        except (LiveError, OSError) as error:
            self._failure = error if isinstance(error, LiveError) else LiveError(f"capturing failed: {error}")
        except BaseException as error:  # a mistake of ours: the thread that judges must tell it
            self._failure = error
        with self._changed:
            self._ended = True
            self._changed.notify()

    def _put(self, block: FrameBlock) -> None:
        with self._changed:
            while self._octets > MOST_WAITING and not self._left:
                self._changed.wait(WAIT_S)
            self._blocks.append(block)
            self._octets += len(block.buffer)
            if self._octets >= BATCH:
                self._changed.notify()

    def _tick(self, until_ns: int) -> None:
        self._until_ns = until_ns

    # --- The judging thread -----------------------------------------------------------------------------------------

    def _take(self) -> tuple[list[FrameBlock], int, bool]:
        """What has come, until when that is all there is, and whether it is the end."""
        with self._changed:
            deadline = time.monotonic() + WAIT_S
            while self._octets < BATCH and not self._ended and (left := deadline - time.monotonic()) > 0:
                if self._stopping.is_set():
                    left = min(left, 0.05)
                self._changed.wait(left)
            blocks: list[FrameBlock] = []
            taken = 0
            while self._blocks and taken < BATCH:
                blocks.append(self._blocks.popleft())
                taken += len(blocks[-1].buffer)
            self._octets -= taken
            self._changed.notify()
            behind = bool(self._blocks)
            return blocks, 0 if behind else self._until_ns, self._ended and not behind

    def _batch(self, blocks: list[FrameBlock], until_ns: int, set_ns: int) -> LiveBatch:
        if not blocks:
            return LiveBatch(silence(until_ns), None, set_ns)
        frames = blocks[0] if len(blocks) == 1 else joined(blocks)
        frames = _numbered(frames, self.packets + 1, in_order=not set_ns)
        self.packets += len(frames)
        self._columns.fragments.seen = 0  # its bound is that of a file, which has an end
        first, last = int(frames.time_ns.min()), int(frames.time_ns.max())
        self._first_ns = first if self._first_ns is None else min(self._first_ns, first)
        self._last_ns = last
        table = self._columns.table(frames)
        self._rows += int(np.count_nonzero((table.srcport != IDENT) & (table.dstport != IDENT)))
        return LiveBatch(replace(table, until_ns=max(table.until_ns, until_ns)), frames, set_ns)

    def _new_columns(self, until_ns: int) -> Columns:
        columns = Columns()
        columns.begin(0, self._wanted, until_ns)
        return columns


def joined(blocks: list[FrameBlock]) -> FrameBlock:
    """One block of several."""
    shifts = np.cumsum([0, *(len(block.buffer) for block in blocks[:-1])])
    return FrameBlock(
        buffer=np.concatenate([block.buffer for block in blocks]),
        frame_number=np.concatenate([block.frame_number for block in blocks]),
        at=np.concatenate([block.at + shift for block, shift in zip(blocks, shifts, strict=True)]),
        caplen=np.concatenate([block.caplen for block in blocks]),
        wirelen=np.concatenate([block.wirelen for block in blocks]),
        time_ns=np.concatenate([block.time_ns for block in blocks]),
        interface=np.concatenate([block.interface for block in blocks]),
        link=np.concatenate([block.link for block in blocks]),
        outgoing=np.concatenate([block.outgoing for block in blocks]),
    )


def _numbered(block: FrameBlock, first: int, *, in_order: bool) -> FrameBlock:
    """Frames of several sockets, queues or interfaces in the order of their times, and numbered from `first`."""
    numbers = np.arange(first, first + len(block), dtype=np.int64)
    if not in_order or (np.diff(block.time_ns) >= 0).all():
        return replace(block, frame_number=numbers)
    order = np.argsort(block.time_ns, kind="stable")
    return FrameBlock(
        block.buffer, numbers, block.at[order], block.caplen[order], block.wirelen[order], block.time_ns[order],
        block.interface[order], block.link[order], block.outgoing[order],
    )  # fmt: skip


def _offset_ns() -> int:
    """The clock against the time since boot, which goes on while the machine sleeps and is never set."""
    return time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
