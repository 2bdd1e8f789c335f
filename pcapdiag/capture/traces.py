"""Files -> traces. A trace is what one observer saw without a break: one file, or a ring of files that follow one another.

Files are grouped while they are read, because when a file ends is only known at its end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from pcapdiag.capture.columns import Wanted
from pcapdiag.capture.files import CaptureFile
from pcapdiag.capture.table import PacketTable
from pcapdiag.model import CaptureInfo

Progress = Callable[[int, int | None], None]

HOUR_NS = 3600 * 1_000_000_000
OVERLAP_NS = 1_000_000
"""A ring's next file may begin this much before the last one ended: packets of several queues come in disorder."""


class Trace:
    """Batches of one trace, in time order but for the disorder of its files."""

    def __init__(self, index: int, batches: Iterator[PacketTable]) -> None:
        self.index = index
        self._batches = batches

    def batches(self) -> Iterator[PacketTable]:
        """Once only."""
        return self._batches


class CaptureSet:
    """All inputs of one analysis."""

    def __init__(
        self, files: list[CaptureFile], errors: list[tuple[str, str]], wanted: Wanted, progress: Progress | None
    ) -> None:
        self._files = files
        self._wanted = wanted
        self._progress = progress
        self._done = 0
        totals = [file.total for file in files]
        self._total = None if None in totals else sum(total or 0 for total in totals)
        self.errors = errors
        """(path, what is wrong with it); complete after the batches were iterated."""
        self.says: list[str] = []
        """Which files are one trace and which are not; complete after the batches were iterated."""

    @property
    def traces(self) -> Iterator[Trace]:
        """One after the other; the next one is known when the batches of the last one were iterated."""
        waiting = sorted(self._files, key=lambda file: (file.first_ns is None, file.first_ns or 0))
        index = 0
        while waiting:
            members: list[CaptureFile] = []
            batches = self._chain(waiting, members, index)
            yield Trace(index, batches)
            for _ in batches:  # whatever was left: the end of this trace decides which files belong to it
                pass
            if len(members) > 1:
                names = ", ".join(file.path for file in members)
                self.says.append(f"{len(members)} files follow one another in time and are read as one trace: {names}")
            index += 1
        if index > 1:
            self.says.append(f"{index} traces overlap in time or lie far apart and are read separately (--merge joins them)")

    def infos(self) -> tuple[CaptureInfo, ...]:
        return tuple(file.info() for file in self._files)

    def _chain(self, waiting: list[CaptureFile], members: list[CaptureFile], index: int) -> Iterator[PacketTable]:
        file: CaptureFile | None = waiting.pop(0)
        while file is not None:
            file.trace = index
            members.append(file)
            yield from self._read(file)
            file = _following(file, waiting)
            if file is not None:
                waiting.remove(file)

    def _read(self, file: CaptureFile) -> Iterator[PacketTable]:
        yield from file.batches(self._wanted, self._advance if self._progress is not None else None)
        self._done += file.total or 0
        problem = file.nothing_understood()
        if problem is not None:
            self.errors.append((file.path, problem))

    def _advance(self, done: int) -> None:
        if self._progress is not None:
            self._progress(self._done + done, self._total)


def _following(file: CaptureFile, waiting: list[CaptureFile]) -> CaptureFile | None:
    """The file that goes on where this one ended: the same link types, no overlap, no long pause; a ring's name first."""
    end = file.last_ns
    if end is None:
        return None
    near = [
        other
        for other in waiting
        if other.first_ns is not None
        and -OVERLAP_NS <= other.first_ns - end <= (24 if _ring(other) == _ring(file) else 1) * HOUR_NS
        and other.links == file.links
    ]
    return min(near, key=lambda other: (_ring(other) != _ring(file), other.first_ns), default=None)


def _ring(file: CaptureFile) -> tuple[str, str]:
    """What the files of a ring have in common: the directory, and the name but for its digits."""
    path = Path(file.path)
    return str(path.parent), re.sub(r"\d+", "0", path.name)
