"""`Spool`: things that are put away one by one and read again, in order of their numbers, as often as wanted.

They stay in memory up to a budget; from then on they are pickled to a temporary file that has no name (or vanishes when
it is closed, on Windows), so that nothing is left behind however the program ends. Of what lies in the file memory holds
sixteen octets each. What it refuses to know: what the things are.
"""

from __future__ import annotations

import pickle
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator
from heapq import merge
from types import TracebackType
from typing import IO, Generic, TypeVar

from pcapdiag.errors import SpoolFull

T = TypeVar("T")
A = TypeVar("A")

BUDGET = 80 << 20
"""Octets, as estimated by who adds. Python's objects are about as large as `AnalysisBuilder` estimates."""


class Spool(Generic[T]):
    """Numbered things, iterated in the order of their numbers.

    Several iterations may run at once and things may be added meanwhile; an iteration sees what was there when it began.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._held = 0
        self._memory: dict[int, T] = {}
        self._numbers = array("q")
        self._offsets = array("q")
        self._file: IO[bytes] | None = None
        self._end = 0

    def add(self, number: int, thing: T, octets: int) -> None:
        """Put a thing away. `octets` is roughly what it takes in memory."""
        if self._held + octets <= self._budget:
            self._held += octets
            self._memory[number] = thing
        else:
            self._write(number, thing)

    def _write(self, number: int, thing: T) -> None:
        pickled = pickle.dumps(thing, pickle.HIGHEST_PROTOCOL)
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="pcapdiag-")  # noqa: SIM115 - closed by `close`
            self._file.seek(self._end)
            self._file.write(pickled)
            self._file.flush()  # a full disk is told now, and not at some later reading
        except OSError as error:
            raise SpoolFull(
                f"the temporary file for finished sessions cannot be written ({len(self)} sessions so far, {self._end} "
                f"octets in the file): {error.strerror or error}; set TMPDIR (TEMP on Windows) to a folder with room"
            ) from error
        self._numbers.append(number)
        self._offsets.append(self._end)
        self._end += len(pickled)

    def _read(self, offset: int) -> T:
        if self._file is None:
            raise ValueError("the spool is closed")
        self._file.seek(offset)
        thing: T = pickle.load(self._file)  # our own octets, from a file that nobody else can open by name
        return thing

    def __len__(self) -> int:
        return len(self._memory) + len(self._numbers)

    def __iter__(self) -> Iterator[T]:
        numbers, offsets = self._numbers, self._offsets
        written = ((numbers[row], offsets[row]) for row in sorted(range(len(numbers)), key=numbers.__getitem__))
        for number, offset in merge(((number, -1) for number in sorted(self._memory)), written):
            yield self._memory[number] if offset < 0 else self._read(offset)

    def pick(self, numbers: Iterable[int]) -> Iterator[T]:
        """Those of the numbered things that are here, in the order asked for."""
        wanted = list(numbers)
        chosen = frozenset(wanted)
        written = {n: offset for n, offset in zip(self._numbers, self._offsets, strict=True) if n in chosen}
        for number in wanted:
            if number in self._memory:
                yield self._memory[number]
            elif number in written:
                yield self._read(written[number])

    def each(self, tell: Callable[[T], A], numbers: Iterable[int] | None = None) -> Iterator[A]:
        """What `tell` says of each thing, or of those with these numbers in the order given."""
        return map(tell, self if numbers is None else self.pick(numbers))

    @property
    def spilled(self) -> int:
        """How many lie in the file."""
        return len(self._numbers)

    def close(self) -> None:
        """Forget everything; the temporary file is gone."""
        self._memory = {}
        self._numbers = array("q")
        self._offsets = array("q")
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Spool[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
