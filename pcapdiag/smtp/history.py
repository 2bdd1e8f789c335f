"""What happened, in bounded lists: entries, positions and oddities of one conversation."""

from __future__ import annotations

from pcapdiag.model import Moment, Position, Side, Stage
from pcapdiag.smtp.bounded import Bounded, trim
from pcapdiag.smtp.dialogue import Entry, Missing, Oddity, OddKind
from pcapdiag.smtp.makers import make_position

_ODDITIES = 50
_OCTETS = 200
_FIRST, _LAST = 100, 300
"""Changes that are kept of a long history."""
_MANY = 800
"""Changes from which on it is cut down to these."""


class Entries(Bounded[Entry]):
    """What was said, in time order."""

    def missing(self, side: Side, octets: int, reason: str, at: Moment) -> None:
        """Note octets that the capture does not hold; of several in a row one entry."""
        latest = self[-1] if self else None
        if isinstance(latest, Missing) and latest.side is side and latest.reason == reason:
            self[-1] = Missing(at, side, latest.octets + octets, reason)
        else:
            self.append(Missing(at, side, octets, reason))


class Positions:
    """Where the dialogue stands, and how it came there: an item for every change of (stage, owing)."""

    __slots__ = ("changes", "owing", "stage")

    def __init__(self) -> None:
        self.stage: Stage | None = None
        self.owing: Side | None = None
        self.changes: list[Position] = []

    def stand(self, stage: Stage, owing: Side | None, at: Moment) -> None:
        """From `at` on the dialogue stands there."""
        if stage is not self.stage or owing is not self.owing:
            self.stage, self.owing = stage, owing
            changes = self.changes
            changes.append(make_position((stage, owing, at)))
            if len(changes) > _MANY:
                self.trim()

    def trim(self) -> None:
        """Forget the middle of the history."""
        trim(self.changes, _FIRST, _LAST)


class Oddities(list[Oddity]):
    """What a dialogue by the book does not hold."""

    def add(self, kind: OddKind, at: Moment, side: Side, octets: bytes) -> None:
        if len(self) < _ODDITIES:
            self.append(Oddity(kind, at, side, octets[:_OCTETS]))

    def once(self, kind: OddKind, at: Moment, side: Side, octets: bytes) -> None:
        """Note it if this side has not done it before."""
        if not self.has(kind, side):
            self.add(kind, at, side, octets)

    def has(self, kind: OddKind, side: Side) -> bool:
        return any(oddity.kind is kind and oddity.side is side for oddity in self)
