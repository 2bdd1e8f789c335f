"""`Bounded`: a list that is cut down to its first and its last items, and counts the others."""

from __future__ import annotations

from typing import ClassVar, TypeVar

T = TypeVar("T")


class Bounded(list[T]):
    """A plain list to append to; `trim` now and then keeps the first `first` and the last `last` items.

    Between two trims it may grow, which keeps `append` and the making as fast as a list's own.
    """

    first: ClassVar[int] = 400
    last: ClassVar[int] = 400
    dropped = 0

    def trim(self) -> None:
        """Drop what lies between the first and the last items."""
        excess = len(self) - self.first - self.last
        if excess > 0:
            del self[self.first : self.first + excess]
            self.dropped += excess

    @property
    def total(self) -> int:
        """How many items there were in all."""
        return len(self) + self.dropped
