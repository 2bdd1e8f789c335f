"""`Bounded`: a list that keeps its first and its last items, and counts the others."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Bounded(Generic[T]):
    """Keeps the first `first` and the last `last` items; memory never grows beyond that."""

    __slots__ = ("_first", "_head", "_tail", "total")

    def __init__(self, first: int, last: int) -> None:
        self._first = first
        self._head: list[T] = []
        self._tail: deque[T] = deque(maxlen=last)
        self.total = 0

    def append(self, item: T) -> None:
        self.total += 1
        if len(self._head) < self._first:
            self._head.append(item)
        else:
            self._tail.append(item)

    @property
    def latest(self) -> T | None:
        if self._tail:
            return self._tail[-1]
        return self._head[-1] if self._head else None

    def replace_latest(self, item: T) -> None:
        """Put `item` in the place of the latest one (there must be one)."""
        if self._tail:
            self._tail[-1] = item
        else:
            self._head[-1] = item

    def drop_latest(self) -> None:
        """Take the latest item back (there must be one)."""
        self.total -= 1
        if self._tail:
            self._tail.pop()
        else:
            self._head.pop()

    def items(self) -> list[T]:
        return self._head + list(self._tail) if self._tail else self._head
