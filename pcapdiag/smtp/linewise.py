"""Octets of one side -> its lines, one by one: what the readers of both sides have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from pcapdiag.smtp.clock import Clock
from pcapdiag.smtp.lines import Line, Partial, line_of


class Linewise(ABC):
    """A reader that takes its stream line by line as long as its mode does not change."""

    _clock: Clock
    _partial: Partial | None
    """The line that has begun, if one has."""
    _mode: Callable[..., int]
    """Who reads on: called with the reader, octets, stream offset and place; returns how far it came."""

    @abstractmethod
    def _line(self, line: Line) -> None:
        """Take in one line."""

    def _one_by_one(self, octets: bytes, offset: int, at: int) -> int:
        """Take in lines from place `at` of `octets`: how far it came."""
        size, mode = len(octets), self._mode
        while at < size and self._mode is mode:
            end = octets.find(b"\n", at)
            if end < 0:
                if self._partial is None:
                    self._partial = Partial(octets[at:], offset + at, self._clock(offset + at))
                else:
                    self._partial.add(octets[at:])
                return size
            ends = self._clock(offset + end)
            if self._partial is not None:
                line = self._partial.whole(octets[at:end], ends, offset + end + 1)
                self._partial = None
            else:
                begins = offset + at
                line = line_of(octets[at:end], self._clock(begins), ends, begins, offset + end + 1)
            at = end + 1
            self._line(line)
        return at
