"""Octets -> lines, across any cut, in bounded memory.

A line is kept up to `LINE_LIMIT` octets; what is longer is counted. `None` marks of the caller are not needed here: the
caller says in which frame the pieces came.
"""

from __future__ import annotations

from pcapdiag.model import Moment
from pcapdiag.smtp.grammar import LINE_LIMIT


class Partial:
    """The beginning of a line whose end has not come."""

    __slots__ = ("length", "octets", "offset", "start")

    def __init__(self) -> None:
        self.octets = b""
        self.length = 0
        """Octets of it so far, those beyond the limit included."""
        self.offset = 0
        self.start = Moment(0, 0, 0)

    def __bool__(self) -> bool:
        return self.length > 0

    def add(self, octets: bytes, offset: int, at: Moment) -> None:
        if not self.length:
            self.offset, self.start = offset, at
        self.length += len(octets)
        room = LINE_LIMIT + 1 - len(self.octets)
        if room > 0:
            self.octets += octets[:room]

    def clear(self) -> None:
        self.octets = b""
        self.length = 0
