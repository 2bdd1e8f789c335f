"""What happened, in bounded lists: positions and oddities of one conversation."""

from __future__ import annotations

from pcapdiag.model import Moment, Position, Side, Stage
from pcapdiag.smtp.bounded import Bounded
from pcapdiag.smtp.dialogue import Oddity, OddKind

_ODDITIES = 50
_OCTETS = 200
_MANY = 800


class Positions:
    """The history of (stage, owing): one item for every change."""

    __slots__ = ("items", "owing", "stage")

    def __init__(self) -> None:
        self.items: Bounded[Position] = Bounded(100, 300)
        self.stage: Stage | None = None
        self.owing: Side | None = None

    def stand(self, stage: Stage, owing: Side | None, at: Moment) -> None:
        """From `at` on the dialogue stands there."""
        if stage is not self.stage or owing is not self.owing:
            self.stage, self.owing = stage, owing
            self.items.append(Position(stage, owing, at))
            if len(self.items) > _MANY:
                self.items.trim()


class Oddities:
    """What a dialogue by the book does not hold."""

    __slots__ = ("items",)

    def __init__(self) -> None:
        self.items: list[Oddity] = []

    def add(self, kind: OddKind, at: Moment, side: Side, octets: bytes) -> None:
        if len(self.items) < _ODDITIES:
            self.items.append(Oddity(kind, at, side, octets[:_OCTETS]))

    def once(self, kind: OddKind, at: Moment, side: Side, octets: bytes) -> None:
        """Note it if this side has not done it before."""
        if not any(oddity.kind is kind and oddity.side is side for oddity in self.items):
            self.add(kind, at, side, octets)
