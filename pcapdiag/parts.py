"""`Part`s, what each of several processes found in its share of the connections -> one `Analysis`.

Sessions stay where they were found, in the process that found them: only their digests travel, which are counted in the
order of first frames; ids are given then. A report asks each part to tell about its sessions, and weaves the answers
into one order, so the telling is shared among the processes, too.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from heapq import merge
from itertools import count
from typing import Protocol, TypeVar

from pcapdiag.analysis import Analysis, Counts, Digest, InputError, Judged, KeepDialogue, digest_of, put_away
from pcapdiag.model import CaptureInfo
from pcapdiag.spool import BUDGET, Spool

T = TypeVar("T")
Key = tuple[int, int, int, int]
"""Trace, time, capture and frame of a session's first frame: in this order ids are given."""

DIGESTS = BUDGET // 8
"""Octets of memory for digests; a digest is about an eighth of a session."""
DIGEST = 1_000


class Part:
    """The judged sessions of one share."""

    def __init__(self, found: Iterable[Judged], keep_dialogue: KeepDialogue, shares: int) -> None:
        self._sessions: Spool[Judged] = Spool(BUDGET // shares)
        self._digests: Spool[Digest] = Spool(DIGESTS // shares)
        keys: list[tuple[Key, int]] = []
        for judged in found:
            connection = judged.session.connection
            keys.append(((connection.trace, *connection.first), judged.id))
            self._digests.add(judged.id, digest_of(judged), DIGEST)
            put_away(judged, self._sessions, keep_dialogue)
        self._keys = sorted(keys)

    def digests(self) -> Iterator[tuple[Key, Digest]]:
        """Of all its sessions, in the order of their keys."""
        numbers = (number for _, number in self._keys)
        return zip((key for key, _ in self._keys), self._digests.pick(numbers), strict=True)

    def tell(self, places: Sequence[int], ids: Sequence[int], tell: Callable[[Judged], T]) -> Iterator[T]:
        """What `tell` says of the sessions at these places in its order, under these ids."""
        found = self._sessions.pick(self._keys[place][1] for place in places)
        for id, judged in zip(ids, found, strict=True):
            yield tell(Judged(id, judged.session, judged.verdict, judged.with_dialogue))


class Asked(Protocol):
    """A part, wherever it is."""

    def ask(self, question: Callable[[Part], Iterable[T]]) -> Iterator[T]:
        """The answers of the part to a question."""


class Here:
    """The part that this process found itself."""

    def __init__(self, part: Part) -> None:
        self._part = part

    def ask(self, question: Callable[[Part], Iterable[T]]) -> Iterator[T]:
        return iter(question(self._part))


class Woven:
    """The sessions of several parts as one (`pcapdiag.analysis.Sessions`)."""

    def __init__(self, parts: Sequence[Asked], owners: array[int]) -> None:
        self._parts = parts
        self._owners = owners
        """Which part has the session with id 1, 2, ..."""
        self._places = array("q")
        """Its place in the order of that part."""
        counts = [count() for _ in parts]
        self._places.extend(next(counts[owner]) for owner in owners)

    def __len__(self) -> int:
        return len(self._owners)

    def __iter__(self) -> Iterator[Judged]:
        return self.each(_itself)

    def each(self, tell: Callable[[Judged], T], numbers: Iterable[int] | None = None) -> Iterator[T]:
        """See `Sessions`."""
        ids = array("q", range(1, len(self) + 1) if numbers is None else numbers)
        owners = array("H", (self._owners[id - 1] for id in ids))
        answers: list[Iterator[T]] = []
        for which, part in enumerate(self._parts):
            mine = array("q", (id for id, owner in zip(ids, owners, strict=True) if owner == which))
            places = array("q", (self._places[id - 1] for id in mine))
            answers.append(part.ask(partial(Part.tell, places=places, ids=mine, tell=tell)))
        return (next(answers[owner]) for owner in owners)


def _itself(judged: Judged) -> Judged:
    return judged


def weave(parts: Sequence[Asked], captures: Iterable[CaptureInfo], errors: Iterable[InputError]) -> Analysis:
    """The analysis of all that the parts hold."""
    counts, owners = Counts(), array("H")
    of_parts = [_of_part(which, part) for which, part in enumerate(parts)]
    for id, (_, which, digest) in enumerate(merge(*of_parts, key=lambda each: each[:2]), 1):
        owners.append(which)
        counts.add(digest.numbered(id))
    return counts.analysis(Woven(parts, owners), captures, errors)


def _of_part(which: int, part: Asked) -> Iterator[tuple[Key, int, Digest]]:
    return ((key, which, digest) for key, digest in part.ask(Part.digests))
