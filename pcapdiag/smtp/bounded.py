"""Lists that are cut down to their first and their last items."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

T = TypeVar("T")


def trim(items: list[Any], first: int, last: int) -> int:
    """Drop what lies between the first and the last items: how many."""
    excess = len(items) - first - last
    if excess <= 0:
        return 0
    del items[first : first + excess]
    return excess


class Bounded(list[T]):
    """A plain list to append to; `trim` now and then keeps the first `first` and the last `last` items.

    Between two trims it may grow, which keeps `append` and the making as fast as a list's own.
    """

    first: ClassVar[int] = 400
    last: ClassVar[int] = 400
    dropped = 0

    def trim(self) -> None:
        """Drop what lies between the first and the last items, and count it."""
        dropped = trim(self, self.first, self.last)
        if dropped:
            self.dropped += dropped

    @property
    def total(self) -> int:
        """How many items there were in all."""
        return len(self) + self.dropped
