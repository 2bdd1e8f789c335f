"""A bounded sample of a connection's segments, kept raw and made into `Segment`s only when somebody asks."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from pcapdiag.model import Moment
from pcapdiag.tcp.connection import Odd, Segment
from pcapdiag.tcp.flow import SIDES

HEAD = 40
TAIL = 80
ODD = 400

Raw = tuple[
    int,
    int,
    int,
    int,
    int,
    int,
    int | None,
    int,
    int,
    int,
    int,
    int,
    int,
    int,
    tuple[tuple[int, int], ...],
    int,
    bool,
    int,
]
"""The fields of `Segment` as plain numbers: `at` is three of them, `side` an index, `odd` its value."""


@dataclass(slots=True)
class RawSample:
    """What was kept; calling it makes the segments."""

    rows: list[Raw]

    def __call__(self) -> tuple[Segment, ...]:
        return tuple(
            Segment(Moment(row[0], row[1], row[2]), SIDES[row[3]], *row[4:-1], odd=Odd(row[-1]))  # type: ignore[arg-type]
            for row in self.rows
        )


class Sample:
    """The first segments, the last ones, and every odd one in between up to a limit."""

    __slots__ = ("head", "left_out", "odd", "tail")

    def __init__(self) -> None:
        self.head: list[Raw] = []
        self.odd: list[Raw] = []
        self.tail: deque[Raw] = deque()
        self.left_out = False

    def add(self, row: Raw) -> None:
        """Take in one segment."""
        if len(self.head) < HEAD:
            self.head.append(row)
            return
        self.tail.append(row)
        if len(self.tail) > TAIL:
            old = self.tail.popleft()
            if old[-1] and len(self.odd) < ODD:
                self.odd.append(old)
            else:
                self.left_out = True

    def raw(self) -> RawSample:
        """All that was kept, in time order."""
        return RawSample(sorted([*self.head, *self.odd, *self.tail], key=_order))


def _order(row: Raw) -> tuple[int, int, int]:
    return row[:3]
