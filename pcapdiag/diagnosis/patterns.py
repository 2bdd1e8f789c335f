"""What only several sessions together show: the retry storm, and the several attempts of one delivery.

Judged sessions go in one by one, in the order in which they end; patterns come out at the end. Memory is bounded: of a
session a few facts stay (`Try`), and only the latest are held. Every pattern says what it is based on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from pcapdiag.diagnosis.attempts import AttemptFinder
from pcapdiag.diagnosis.tries import MOST_IDS, MOST_PATTERNS, Envelope, Pattern, Try, try_of
from pcapdiag.diagnosis.verdict import Verdict
from pcapdiag.model import Address, Duration, Says, Stage
from pcapdiag.session import Session

STORM = 3
"""So many failures at the same stage are a storm; two may be chance."""
HELD_STORMS = 20_000
SIZE_STEP = 128
"""Octets by which two TLS sessions with the same mail may differ: session tickets, padding, the lengths of signatures."""


def find_patterns(sessions: Iterable[tuple[int, Session, Verdict]]) -> tuple[Pattern, ...]:
    """The patterns of sessions given as (id, session, verdict)."""
    finder = PatternFinder()
    for id, session, verdict in sessions:
        finder.add(try_of(id, session, verdict))
    return finder.finish()


class PatternFinder:
    """All patterns at once, fed session by session."""

    def __init__(self) -> None:
        self._storms = StormFinder()
        self._attempts = AttemptFinder()

    def add(self, one: Try) -> None:
        """The next session that ended."""
        self._storms.add(one)
        self._attempts.add(one)

    def finish(self) -> tuple[Pattern, ...]:
        """Storms, the largest first, then deliveries in order of time."""
        return (*self._storms.finish(), *self._attempts.finish())


class _Storm:
    """The tries of one message that failed alike."""

    def __init__(self, envelope: Envelope, one: Try) -> None:
        self.envelope = envelope
        self.one = one
        self.total = 0
        self.first_ns = self.last_ns = one.began_ns
        """When the first and the last of them began."""
        self.tries: list[tuple[int, int]] = []
        """(beginning, id) of `MOST_IDS`."""

    def add(self, one: Try) -> None:
        self.first_ns = min(self.first_ns, one.began_ns)
        self.last_ns = max(self.last_ns, one.began_ns)
        self.total += 1
        if len(self.tries) < MOST_IDS:
            self.tries.append((one.began_ns, one.id))

    def pattern(self) -> Pattern:
        tries = sorted(self.tries)
        return Pattern("retry-storm", self._summary(), tuple([id for _, id in tries]), self.total)

    def _summary(self) -> Says:
        hidden = self.envelope.mail_from is None
        begun = sorted(began for began, _ in self.tries)
        gaps = [after - before for before, after in pairwise(begun)]
        return (
            Address(self.one.client),
            " tried " if hidden else " tried the same message (",
            *self.envelope.says,
            " (the envelope is hidden: that it is the same message is inferred)" if hidden else ")",
            " with ",
            Address(self.one.server),
            f" in {self.total:,} sessions, and each failed at stage {self.one.stage.value}; they began ",
            Duration(min(gaps)),
            " to ",
            Duration(max(gaps)),
            " apart, ",
            Duration((self.last_ns - self.first_ns) // (self.total - 1)),
            " on average",
        )


_Key = tuple[int, str, str, Envelope, Stage]


def _key(one: Try, envelope: Envelope) -> _Key:
    if envelope.size is not None:
        envelope = envelope._replace(size=envelope.size // SIZE_STEP)
    return one.trace, one.client, one.server, envelope, one.stage


def _keys(one: Try, envelope: Envelope) -> Iterator[_Key]:
    """Under which a storm that this try belongs to may stand: behind TLS also the sizes next to its own."""
    yield _key(one, envelope)
    if envelope.size is not None:
        for size in (envelope.size - SIZE_STEP, envelope.size + SIZE_STEP):
            yield _key(one, envelope._replace(size=size))


class StormFinder:
    """Retry storms: the same client and server, the same envelope, failing at the same stage at least `STORM` times."""

    def __init__(self) -> None:
        self._open: dict[_Key, _Storm] = {}
        self._done: list[_Storm] = []

    def add(self, one: Try) -> None:
        if one.envelope is None or not one.failed:
            return
        for key in _keys(one, one.envelope):
            if (storm := self._open.pop(key, None)) is not None:
                break
        else:
            key, storm = _key(one, one.envelope), _Storm(one.envelope, one)
        storm.add(one)
        self._open[key] = storm  # the latest stands last
        if len(self._open) > HELD_STORMS:
            self._retire(self._open.pop(next(iter(self._open))))

    def _retire(self, storm: _Storm) -> None:
        if storm.total >= STORM and len(self._done) < MOST_PATTERNS:
            self._done.append(storm)

    def finish(self) -> list[Pattern]:
        for storm in self._open.values():
            self._retire(storm)
        self._open = {}
        return [storm.pattern() for storm in sorted(self._done, key=lambda storm: (-storm.total, storm.first_ns))]


__all__ = ["Pattern", "PatternFinder", "Try", "find_patterns", "try_of"]
