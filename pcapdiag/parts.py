"""`Part`s, what each of several processes found in its share of the connections -> one `Analysis`.

Sessions stay where they were found, in the process that found them: only their digests travel, which are counted in the
order of first frames; ids are given then. A report asks each part to tell about its sessions, and weaves the answers
into one order, so the telling is shared among the processes, too.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from heapq import merge
from itertools import compress, count
from typing import Protocol, TypeVar

from pcapdiag.analysis import (
    Analysis,
    BareDigest,
    Counts,
    Digest,
    InputError,
    Judged,
    KeepDialogue,
    digest_of,
    itself,
    numbered,
    put_away,
)
from pcapdiag.model import CaptureInfo
from pcapdiag.spool import BUDGET, Spool

T = TypeVar("T")
Key = tuple[int, int, int, int, int]
"""Trace and batch in which a session began, then time, capture and frame of its first frame: in this order ids are given, by
one process or several. (Batches are the same for all; where a clock is set back, times do not tell their order.)"""

BATCH = 1 << 32
"""More connections than begin in one batch."""

DIGESTS = BUDGET // 8
"""Octets of memory for digests; a digest is about an eighth of a session."""
DIGEST = 1_000


def batch_of(number: int) -> int:
    """The batch in which a connection began, from the number that `numbers_by_batch` gave it."""
    return number // BATCH


def numbers_by_batch() -> Callable[[int], int]:
    """How a part numbers its connections: by the batch, then in their order."""
    counted = count()
    return lambda batch: batch * BATCH + next(counted)


class Part:
    """The judged sessions of one share, numbered by the batch and the order in it; their ids are given later."""

    def __init__(self, found: Iterable[Judged], keep_dialogue: KeepDialogue, shares: int) -> None:
        self._sessions: Spool[Judged] = Spool(BUDGET // shares)
        self._digests: Spool[Digest] = Spool(DIGESTS // shares)
        keys: list[tuple[Key, int]] = []
        for judged in found:
            connection = judged.session.connection
            keys.append(((connection.trace, batch_of(judged.id), *connection.first), judged.id))
            self._digests.add(judged.id, digest_of(judged), DIGEST)
            put_away(judged, self._sessions, keep_dialogue)
        self._keys = sorted(keys)
        self._ids = array("q")

    def digests(self) -> Iterator[tuple[Key, BareDigest]]:
        """Of all its sessions, in the order of their keys."""
        digests = self._digests.pick(number for _, number in self._keys)
        return ((key, digest.bare) for (key, _), digest in zip(self._keys, digests, strict=True))

    def numbered(self, ids: array[int]) -> Iterator[None]:
        """From now on its sessions have these ids, given in the order of their keys."""
        self._ids = ids
        return iter(())

    def tell(self, tell: Callable[[Judged], T], ids: Sequence[int] | None) -> Iterator[T]:
        """What `tell` says of its sessions, or of those with these ids."""
        wanted = self._ids if ids is None else ids
        places = range(len(self._keys)) if ids is None else (bisect_left(self._ids, id) for id in ids)
        found = self._sessions.pick(self._keys[place][1] for place in places)
        for id, judged in zip(wanted, found, strict=True):
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
        for which, part in enumerate(parts):
            mine = array("q", (id for id, owner in enumerate(owners, 1) if owner == which))
            for _ in part.ask(partial(Part.numbered, ids=mine)):
                pass

    def __len__(self) -> int:
        return len(self._owners)

    def __iter__(self) -> Iterator[Judged]:
        return self.each(itself)

    def each(self, tell: Callable[[Judged], T], numbers: Iterable[int] | None = None) -> Iterator[T]:
        """See `Sessions`."""
        if numbers is None:
            owners = self._owners
            answers = [part.ask(partial(Part.tell, tell=tell, ids=None)) for part in self._parts]
        else:
            ids = [id for id in numbers if 1 <= id <= len(self)]
            owners = array("H", [self._owners[id - 1] for id in ids])
            answers = [
                part.ask(partial(Part.tell, tell=tell, ids=list(compress(ids, [owner == which for owner in owners]))))
                for which, part in enumerate(self._parts)
            ]
        return (next(answers[owner]) for owner in owners)


def weave(parts: Sequence[Asked], captures: Iterable[CaptureInfo], errors: Iterable[InputError]) -> Analysis:
    """The analysis of all that the parts hold."""
    counts, owners = Counts(), array("H")
    of_parts = [_of_part(which, part) for which, part in enumerate(parts)]
    for id, (_, which, digest) in enumerate(merge(*of_parts), 1):
        owners.append(which)
        counts.add(numbered(id, digest))
    return counts.analysis(Woven(parts, owners), captures, errors)


def _of_part(which: int, part: Asked) -> Iterator[tuple[Key, int, BareDigest]]:
    """In the order of the keys, of which no two are the same."""
    return ((key, which, digest) for key, digest in part.ask(Part.digests))
