"""`Bounded`: a list that is cut down to its first and its last items, and counts the others."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


class Bounded(list[T]):
    """A plain list to append to; `trim` now and then keeps the first `first` and the last `last` items.

    Between two trims it may grow, which keeps `append` as fast as a list's own.
    """

    __slots__ = ("_first", "_last", "dropped")

    def __init__(self, first: int, last: int) -> None:
        super().__init__()
        self._first = first
        self._last = last
        self.dropped = 0

    def trim(self) -> None:
        """Drop what lies between the first and the last items."""
        excess = len(self) - self._first - self._last
        if excess > 0:
            del self[self._first : self._first + excess]
            self.dropped += excess

    @property
    def total(self) -> int:
        """How many items there were in all."""
        return len(self) + self.dropped
