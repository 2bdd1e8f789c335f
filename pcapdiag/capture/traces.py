"""Files -> traces. A trace is what one observer saw without a break: one file, or a ring of files that follow one another.

Files are grouped while they are read, because the time at which a file ends is only known at its end.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Protocol

from pcapdiag.capture.columns import Wanted
from pcapdiag.capture.files import Member
from pcapdiag.capture.frames import BLOCK
from pcapdiag.capture.merge import merged
from pcapdiag.capture.table import PacketTable
from pcapdiag.errors import CaptureError
from pcapdiag.model import CaptureInfo

Progress = Callable[[int, int | None], None]

HOUR_NS = 3600 * 1_000_000_000
PAUSE_NS = HOUR_NS
"""Files of different names that lie farther apart than this are two captures, not one."""
RING_PAUSE_NS = 24 * HOUR_NS
"""A ring (names that differ in digits only) may rest for a night."""
OVERLAP_NS = 1_000_000
"""A ring's next file may begin this much before the last one ended: packets of several queues come in disorder."""
SMALLEST_BLOCK = 1 << 20
NAMED = 5


class Captures(Protocol):
    """All inputs of one analysis, whoever reads them."""

    errors: list[tuple[str, str]]
    """(path, what is wrong with it); complete after the batches were iterated."""

    @property
    def traces(self) -> Iterator[Trace]:
        """One after the other; the next one is known when the batches of the last one were iterated."""

    def infos(self) -> tuple[CaptureInfo, ...]:
        """By index of the capture; complete after the batches were iterated."""


class Trace:
    """Batches of one trace, in time order but for the disorder of its files."""

    def __init__(self, index: int, batches: Iterator[PacketTable], dropped: Callable[[], int | None]) -> None:
        self.index = index
        self._batches = batches
        self._dropped = dropped

    def batches(self) -> Iterator[PacketTable]:
        """Once only."""
        return self._batches

    @property
    def dropped(self) -> int | None:
        """Packets that its files, as far as they were read, say were lost; None when none of them says anything."""
        return self._dropped()


class CaptureSet:
    """All inputs of one analysis, read here (`Captures`)."""

    def __init__(
        self, files: list[Member], errors: list[tuple[str, str]], wanted: Wanted, merge: bool, progress: Progress | None
    ) -> None:
        self._files = files
        self._wanted = wanted
        self._merge = merge
        self._progress = progress
        self._read: dict[str, int] = {}
        self._trace_of: dict[int, int] = {}
        totals = [file.total for file in files]
        self.total = None if None in totals else sum(total or 0 for total in totals)
        """Octets of all inputs as stored; None where one is a pipe."""
        self.errors = errors
        self.says: list[str] = []
        """Which files are one trace and which are not; complete after the batches were iterated."""

    @property
    def traces(self) -> Iterator[Trace]:
        """See `Captures`."""
        waiting = sorted(self._files, key=_first)
        index = 0
        while waiting:
            members: list[Member] = []
            batches = (self._together if self._merge else self._chain)(waiting, members)
            yield Trace(index, batches, partial(_dropped, members))
            for _ in batches:  # whatever was left: the end of this trace decides which files belong to it
                pass
            self._trace_of |= {id(file): index for file in members}
            if len(members) > 1:
                how = "are merged by time" if self._merge else "follow one another in time and are read as one trace"
                self.says.append(f"{len(members)} files {how}: {_names(members)}")
            index += 1
        if index > 1:
            says = "overlap in time, lie far apart or are of different kinds, and are read separately"
            self.says.append(f"{index} traces {says} (--merge reads them as one)")

    def infos(self) -> tuple[CaptureInfo, ...]:
        """See `Captures`."""
        return tuple(file.info()._replace(trace=self._trace_of.get(id(file), 0)) for file in self._files)

    def _chain(self, waiting: list[Member], members: list[Member]) -> Iterator[PacketTable]:
        file: Member | None = waiting[0]
        while file is not None:
            waiting.remove(file)
            members.append(file)
            yield from self._batches(file, BLOCK)
            file = _following(file, waiting)

    def _together(self, waiting: list[Member], members: list[Member]) -> Iterator[PacketTable]:
        members += waiting
        waiting.clear()
        block = max(BLOCK // len(members), SMALLEST_BLOCK)
        return merged([(_first(file), partial(self._batches, file, block)) for file in members])

    def _batches(self, file: Member, block: int) -> Iterator[PacketTable]:
        try:
            yield from file.batches(self._wanted, partial(self._advance, file), block)
        except CaptureError as error:  # it was readable a moment ago
            self.errors.append((error.path, error.says))
        problem = file.nothing_understood()
        if problem is not None:
            self.errors.append((file.path, problem))

    def _advance(self, file: Member, done: int) -> None:
        if self._progress is not None:
            self._read[file.path] = done
            self._progress(sum(self._read.values()), self.total)


def _dropped(files: Sequence[Member]) -> int | None:
    said = [file.dropped for file in files if file.dropped is not None]
    return sum(said) if said else None


def _first(file: Member) -> int:
    """Files without packets come first: they hold nothing up."""
    return -(1 << 63) if file.first_ns is None else file.first_ns


def _following(file: Member, waiting: list[Member]) -> Member | None:
    """The file that goes on where this one ended: the same link types, no overlap, no long pause; a ring's name first.

    `waiting` is in the order of first times.
    """
    end = file.last_ns
    if end is None:
        return None
    kind, ring = file.kind, _ring(file.path)
    stranger: Member | None = None
    for other in waiting[bisect_left(waiting, end - OVERLAP_NS, key=_first) :]:
        pause = _first(other) - end
        if pause > RING_PAUSE_NS:
            break
        if _ring(other.path) == ring:
            if other.kind == kind:
                return other
        elif stranger is None and pause <= PAUSE_NS and other.kind == kind:
            stranger = other
    return stranger


@lru_cache(maxsize=1 << 16)
def _ring(path: str) -> tuple[str, str]:
    """What the files of a ring have in common: the directory, and the name but for its digits."""
    return str(Path(path).parent), re.sub(r"\d+", "0", Path(path).name)


def _names(files: list[Member]) -> str:
    names = [file.path for file in files]
    return ", ".join(names if len(names) <= NAMED else [*names[: NAMED - 1], "...", names[-1]])
