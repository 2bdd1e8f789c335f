"""Nanoseconds since the epoch as an administrator reads them, in local time with the offset."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta, tzinfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_SECOND = 253_402_214_400
"""9999-12-31: later seconds, from a broken capture clock, have no calendar date that `datetime` knows."""


class Clock:
    """Writes moments in one time zone."""

    def __init__(self, zone: tzinfo | None) -> None:
        self._zone = zone

    def _at(self, time_ns: int) -> datetime:
        seconds = max(86_400, min(time_ns // 1_000_000_000, _LAST_SECOND))
        return (_EPOCH + timedelta(seconds=seconds)).astimezone(self._zone)

    def day(self, time_ns: int) -> str:
        """``2026-11-23``"""
        return f"{self._at(time_ns):%Y-%m-%d}"

    def time(self, time_ns: int) -> str:
        """``10:00:01``"""
        return f"{self._at(time_ns):%H:%M:%S}"

    def fine(self, time_ns: int) -> str:
        """``10:00:01.250``"""
        return f"{self.time(time_ns)}.{time_ns % 1_000_000_000 // 1_000_000:03d}"

    def full(self, time_ns: int) -> str:
        """``2026-11-23 10:00:01 +01:00``"""
        return f"{self.day(time_ns)} {self.time(time_ns)} {self.offset(time_ns)}"

    def span(self, first_ns: int, last_ns: int) -> str:
        """``2026-11-23 10:00:01 to 10:14:22 +01:00``, with the second date where it differs."""
        if self.full(first_ns) == self.full(last_ns):
            return self.full(first_ns)
        first, last = self.day(first_ns), self.day(last_ns)
        until = self.time(last_ns) if first == last else f"{last} {self.time(last_ns)}"
        return f"{first} {self.time(first_ns)} to {until} {self.offset(last_ns)}"

    def offset(self, time_ns: int) -> str:
        """``+01:00``, or ``UTC``."""
        offset = self._at(time_ns).utcoffset() or timedelta()
        if not offset:
            return "UTC"
        sign, minutes = ("-", -offset) if offset < timedelta() else ("+", offset)
        hours, rest = divmod(int(minutes.total_seconds()) // 60, 60)
        return f"{sign}{hours:02d}:{rest:02d}"


When = Callable[[int], str]


def when(clock: Clock, times_ns: Iterable[int]) -> When:
    """How to tell those times: by the time of day, with the date where they are of several days."""
    days = {clock.day(ns) for ns in times_ns}
    return clock.time if len(days) <= 1 else lambda ns: f"{clock.day(ns)[5:]} {clock.time(ns)}"
