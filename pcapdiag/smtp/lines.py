"""Octets -> lines, across any cut, in bounded memory.

A line is kept up to `LINE_LIMIT` octets; what is longer is counted and noted as `long`.
"""

from __future__ import annotations

from typing import NamedTuple

from pcapdiag.model import Moment
from pcapdiag.smtp.grammar import LINE_LIMIT

_KEPT = LINE_LIMIT + 1


class Line(NamedTuple):
    """One line of a stream."""

    octets: bytes
    """Without its line end; at most `LINE_LIMIT`."""
    start: Moment
    at: Moment
    """Frame of its line end."""
    offset: int
    end: int
    """Stream offset behind its line end."""
    bare: bool = False
    """It ended in LF without CR."""
    long: bool = False
    cut: bool = False
    """Its end is in a hole."""


def line_of(octets: bytes, start: Moment, at: Moment, offset: int, end: int) -> Line:
    """The line with `octets` before its LF. RFC 5321 2.3.8: lines end in CRLF and nothing else; receivers take LF, too."""
    if len(octets) > LINE_LIMIT:
        return Line(octets[:LINE_LIMIT], start, at, offset, end, False, True)
    if octets.endswith(b"\r"):
        return Line(octets[:-1], start, at, offset, end)
    return Line(octets, start, at, offset, end, True)


class Partial:
    """The beginning of a line whose end has not come."""

    __slots__ = ("length", "octets", "offset", "start")

    def __init__(self, octets: bytes, offset: int, start: Moment) -> None:
        self.octets = octets[:_KEPT]
        """As far as `LINE_LIMIT`, and one more, which shows that it is too long."""
        self.length = len(octets)
        """Octets of it so far, those beyond the limit included."""
        self.offset = offset
        self.start = start

    def add(self, octets: bytes) -> None:
        self.length += len(octets)
        self.octets += octets[: _KEPT - len(self.octets)]

    def whole(self, octets: bytes, at: Moment, end: int) -> Line:
        """The line that `octets` complete."""
        self.add(octets)
        return line_of(self.octets, self.start, at, self.offset, end)

    def cut(self, at: Moment, end: int) -> Line:
        """The line as far as it came before a hole that reaches to `end`."""
        return Line(self.octets[:LINE_LIMIT].rstrip(b"\r"), self.start, at, self.offset, end, cut=True)
