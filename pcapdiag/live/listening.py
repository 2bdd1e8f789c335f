"""Who hears events, and the two that are always there: one counts, one says what hurts the capture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from pcapdiag.live.events import Ended, Event, Pulse
from pcapdiag.live.sparing import Once
from pcapdiag.live.watch import is_drop


class Listener(Protocol):
    """Shows, saves or counts what the watch says. It must not block for long: the packets wait meanwhile."""

    def hear(self, event: Event) -> None: ...


class Tally:
    """Counts sessions, each once."""

    def __init__(self, count: int | None, until_drop: bool) -> None:
        self._count = count
        self._until_drop = until_drop
        self._counted, self._counted_drops = Once(), Once()
        self.sessions = self.dropped = 0

    def hear(self, event: Event) -> None:
        if isinstance(event, Ended) and event.final:
            self.sessions += self._counted.first(event.judged.id)
            # Perhaps only now: what was silent for long, and told as open, may be dropped later.
            self.dropped += is_drop(event.judged) and self._counted_drops.first(event.judged.id)

    @property
    def enough(self) -> bool:
        """All was said that was asked for."""
        return self.sessions == self._count or (self._until_drop and self.dropped > 0)


class Grumbler:
    """Says what hurts the capture, once each time it changes."""

    def __init__(self, complain: Callable[[str], None]) -> None:
        self._complain = complain
        self._down: tuple[str, ...] = ()
        self._dropped = 0

    def hear(self, event: Event) -> None:
        if not isinstance(event, Pulse):
            return
        for name in event.down:
            if name not in self._down:
                self._complain(f"the interface {name} is down: waiting for it to come back")
        for name in self._down:
            if name not in event.down:
                self._complain(f"the interface {name} is back")
        dropped = event.dropped or 0
        if dropped > self._dropped:
            self._complain(
                f"the kernel dropped {dropped - self._dropped} packets ({dropped} in all), because we were too slow: verdicts "
                "about sessions of this time are weaker"
            )
        self._down, self._dropped = event.down, dropped
