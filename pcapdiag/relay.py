"""Captures that one process reads and several others see.

`Relay.read` is the life of the process that reads; in each of the others `Seen` stands for the `CaptureSet` that it would
else have read itself. The octets and columns of a batch lie in memory that all share, where they fit: a few slots, each used
again when all have done with the batch in it, so that the reader is never further ahead than that. The rest goes through pipes.
What it refuses to know: what the batches are looked at for.
"""

from __future__ import annotations

import os
import pickle
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.heap import Arena
from typing import NamedTuple

from pcapdiag.capture import CaptureSet, Trace
from pcapdiag.capture.table import PacketTable
from pcapdiag.capture.traces import Progress
from pcapdiag.errors import PcapdiagError
from pcapdiag.model import CaptureInfo
from pcapdiag.shares import portable

SLOTS = 3
ROOM = 5 << 23
"""Octets of a slot, enough for a full block and the columns of as many frames as one can hold. On Linux only what was written
of it takes memory."""
LINE = 64
"""Octets of a cache line: columns begin at one."""


class _Began(NamedTuple):
    """A trace."""

    trace: int


class _Batch(NamedTuple):
    """A `PacketTable`, pickled but for its buffers."""

    pickled: bytes
    slot: int
    places: list[tuple[int, int]]
    """Where each of the buffers begins and ends in the slot..."""
    buffers: list[bytes]
    """...or, where they did not fit, the buffers themselves."""
    dropped: int | None
    """`Trace.dropped` so far."""


class _Ended(NamedTuple):
    """A trace: `Trace.dropped` at its end."""

    dropped: int | None


class _Advanced(NamedTuple):
    """The reader, in octets."""

    done: int
    total: int | None


class _Finished(NamedTuple):
    """Everything was read."""

    infos: tuple[CaptureInfo, ...]
    errors: list[tuple[str, str]]


_Message = _Began | _Batch | _Ended | _Advanced | _Finished | Exception


class Relay:
    """What one process reads and others see. Made before them; each of them then takes its end."""

    def __init__(self, seers: int) -> None:
        self._slots = [_shared(ROOM) for _ in range(SLOTS)]
        self._pipes = [Pipe() for _ in range(seers)]

    def read(self, open_captures: Callable[[Progress], CaptureSet]) -> None:
        """Read the captures and pass them on, to the end or until nobody is left to see them."""
        for _, theirs in self._pipes:
            theirs.close()  # inherited, where processes are forked: their owner's end must be the last one
        reader = _Reader(self._slots, [ours for ours, _ in self._pipes])
        try:
            reader.pass_on(open_captures(reader.advanced))
        except Exception as error:
            reader.tell(portable(error))

    @contextmanager
    def seen(self, seer: int, progress: Progress | None = None) -> Iterator[Seen]:
        """What that one of the others sees, as long as the block runs; all other ends are closed here. `progress` is for
        the first one only."""
        for number, (ours, theirs) in enumerate(self._pipes):
            ours.close()
            if number != seer:
                theirs.close()
        with self._pipes[seer][1] as pipe:
            yield Seen(self._slots, pipe, progress)


class _Reader:
    """The side that reads."""

    def __init__(self, slots: list[Arena], pipes: list[Connection]) -> None:
        self._slots = [memoryview(slot.buffer) for slot in slots]
        self._unseen: dict[Connection, int] = dict.fromkeys(pipes, 0)
        """For each that still looks: how many batches it was told of and has not done with."""
        self._first = pipes[0]
        self._batches = 0

    def pass_on(self, captures: CaptureSet) -> None:
        for trace in captures.traces:
            self.tell(_Began(trace.index))
            for table in trace.batches():
                self._batch(table, trace.dropped)
                if not self._unseen:
                    return
            self.tell(_Ended(trace.dropped))
        self.tell(_Finished(captures.infos(), captures.errors))

    def advanced(self, done: int, total: int | None) -> None:
        self._tell_one(self._first, _Advanced(done, total))

    def tell(self, message: _Message) -> None:
        for pipe in list(self._unseen):
            self._tell_one(pipe, message)

    def _tell_one(self, pipe: Connection, message: _Message) -> None:
        try:
            pipe.send(message)
        except OSError:
            self._unseen.pop(pipe, None)  # it looks no more, and will say why to whoever waits for it

    def _batch(self, table: PacketTable, dropped: int | None) -> None:
        parts: list[pickle.PickleBuffer] = []
        columns = replace(table, octets=b"")
        pickled = pickle.dumps((pickle.PickleBuffer(table.octets), columns), 5, buffer_callback=parts.append)
        buffers = [part.raw() for part in parts]
        number = self._batches % SLOTS
        self._batches += 1
        self._wait_for_slot()
        places = _written(self._slots[number], buffers)
        beside = [] if places else [bytes(octets) for octets in buffers]
        self.tell(_Batch(pickled, number, places, beside, dropped))
        for pipe in self._unseen:
            self._unseen[pipe] += 1

    def _wait_for_slot(self) -> None:
        """Until all have done with what lies in the slot whose turn it is."""
        for pipe in list(self._unseen):
            try:
                while self._unseen[pipe] >= SLOTS:
                    pipe.recv()
                    self._unseen[pipe] -= 1
            except (EOFError, OSError):
                del self._unseen[pipe]


def _written(slot: memoryview, buffers: list[memoryview]) -> list[tuple[int, int]]:
    """Copies the buffers into a slot: where each begins and ends. Empty: there is no room."""
    places: list[tuple[int, int]] = []
    at = 0
    for octets in buffers:
        places.append((at, at + len(octets)))
        at += (len(octets) + LINE - 1) // LINE * LINE
    if at > len(slot):
        return []
    for (begin, end), octets in zip(places, buffers, strict=True):
        slot[begin:end] = octets
    return places


class Seen:
    """The captures as another process reads them (`pcapdiag.capture.Captures`)."""

    def __init__(self, slots: list[Arena], pipe: Connection, progress: Progress | None) -> None:
        self._slots = [memoryview(slot.buffer).toreadonly() for slot in slots]
        self._pipe = pipe
        self._progress = progress
        self._infos: tuple[CaptureInfo, ...] = ()
        self._dropped: int | None = None
        self.errors: list[tuple[str, str]] = []

    @property
    def traces(self) -> Iterator[Trace]:
        """One after the other, each with batches that die when the next one is asked for.

        Raises:
            PcapdiagError: nothing could be read because of the options, or the reader was ended from outside.
            HelperFailed: what nobody expected was raised there.
        """
        while isinstance(message := self._next(), _Began):
            batches = self._batches()
            self._dropped = None
            yield Trace(message.trace, batches, lambda: self._dropped)
            for _ in batches:  # whatever was left
                pass
        assert isinstance(message, _Finished)
        self._infos, self.errors = message

    def infos(self) -> tuple[CaptureInfo, ...]:
        """By index of the capture; complete after the batches were iterated."""
        return self._infos

    def _batches(self) -> Iterator[PacketTable]:
        while isinstance(message := self._next(), _Batch):
            self._dropped = message.dropped
            yield self._table(message)
            with suppress(OSError):  # the reader has come to its end and gone
                self._pipe.send(None)
        assert isinstance(message, _Ended)
        self._dropped = message.dropped

    def _table(self, batch: _Batch) -> PacketTable:
        slot = self._slots[batch.slot]
        buffers = [slot[begin:end] for begin, end in batch.places] or batch.buffers
        columns: PacketTable
        octets, columns = pickle.loads(batch.pickled, buffers=buffers)  # our own octets
        return replace(columns, octets=octets)

    def _next(self) -> _Message:
        """What the reader says next, but for how far it is."""
        while isinstance(message := self._received(), _Advanced):
            if self._progress is not None:
                self._progress(*message)
        if isinstance(message, Exception):
            raise message
        return message

    def _received(self) -> _Message:
        try:
            message: _Message = self._pipe.recv()
        except (EOFError, OSError):
            raise PcapdiagError(
                "the helping process that reads the captures was ended from outside, perhaps for want of memory; "
                "--processes 1 does without"
            ) from None
        return message


def _shared(size: int) -> Arena:
    """Memory that other processes see as well. On Linux it lies in no file system, which might be too small."""
    if sys.platform != "linux" or not hasattr(os, "memfd_create"):  # some builds of Python know none
        return Arena(size)
    handle = os.memfd_create("pcapdiag")
    os.ftruncate(handle, size)
    arena = Arena(size, handle)
    weakref.finalize(arena, os.close, handle)
    return arena
