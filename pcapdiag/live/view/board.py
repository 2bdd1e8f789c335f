"""Events -> what there is to see: rows of sessions, the last news first, and the numbers above them.

Written by the thread that watches and read by the one that draws. Bounded: the oldest finished sessions go, dropped ones for
the sake of other dropped ones only; of a flood of connections the first so many are rows, all are counted.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from pcapdiag.analysis import Judged
from pcapdiag.live.events import Ended, Event, Opened, Pulse
from pcapdiag.live.watch import is_drop
from pcapdiag.model import Endpoint, How

MOST_RUNNING = 1_000
MOST_FINISHED = 300
"""Rows of dropped sessions, and as many of others."""
MOST_WEIGHT = 60_000
"""Entries and segments that all finished rows of a kind keep for their ladders: about 20 MiB."""
MOST_FATES = 20_000
MOST_NOTES = 20


@dataclass(frozen=True, slots=True)
class Row:
    """A session in the list."""

    id: int
    time_ns: int
    """Of its last news: its end, or its beginning."""
    client: Endpoint
    server: Endpoint
    judged: Judged | None = None
    """As it is to be shown; of a running session as it stood a moment ago, None where nobody looked."""
    ended: bool = False
    final: bool = False

    @property
    def dropped(self) -> bool:
        return self.ended and self.judged is not None and is_drop(self.judged)


@dataclass(frozen=True, slots=True)
class Numbers:
    """What the watch has come to."""

    ended: int = 0
    dropped: int = 0
    open: int = 0
    packets: int = 0
    a_second: float = 0.0
    """Packets, over the last seconds."""
    lost: int | None = None
    waiting: int = 0
    down: tuple[str, ...] = ()


class _Shelf:
    """Finished rows of one kind, the oldest news first."""

    def __init__(self) -> None:
        self.rows: OrderedDict[int, Row] = OrderedDict()
        self._weight = 0

    def put(self, row: Row) -> None:
        self.take(row.id)
        self.rows[row.id] = row
        self._weight += _weight(row)
        while len(self.rows) > MOST_FINISHED or (self._weight > MOST_WEIGHT and len(self.rows) > 1):
            self.take(next(iter(self.rows)))

    def take(self, number: int) -> None:
        if (row := self.rows.pop(number, None)) is not None:
            self._weight -= _weight(row)


def _weight(row: Row) -> int:
    assert row.judged is not None
    session = row.judged.session
    return len(session.dialogue.entries) + len(session.connection.segments)


class Board:
    """See the head of the module."""

    def __init__(
        self, hidden: Callable[[Judged], Judged], address: Callable[[str], str] = lambda address: address
    ) -> None:
        """`hidden` makes of a session what may be shown of it, and `address` of an IP address."""
        self._hidden, self._address = hidden, address
        self._lock = threading.Lock()
        self._running: OrderedDict[int, Row] = OrderedDict()
        self._dropped, self._others = _Shelf(), _Shelf()
        self._pulses: deque[Pulse] = deque(maxlen=6)
        self._fates: OrderedDict[int, bool] = OrderedDict()
        """Of sessions that were counted as ended: whether as dropped. A later verdict may say otherwise."""
        self._ended = self._drops = 0
        self._notes: deque[str] = deque(maxlen=MOST_NOTES)
        self.version = 0
        """Grows with everything new."""

    def hear(self, event: Event) -> None:
        """See `Listener`."""
        row = self._row(event)
        with self._lock:
            self.version += 1
            if isinstance(event, Pulse):
                self._pulses.append(event)
            elif row is not None and row.ended:
                self._end(row)
            elif row is not None and len(self._running) < MOST_RUNNING:
                self._running[row.id] = row

    def _row(self, event: Event) -> Row | None:
        if isinstance(event, Opened):
            return Row(event.id, event.time_ns, self._end_of(event.client), self._end_of(event.server))
        if isinstance(event, Ended):
            judged = self._hidden(event.judged)
            session = judged.session
            return Row(judged.id, judged.verdict.end.time_ns, session.client, session.server, judged, True, event.final)
        return None

    def _end_of(self, end: Endpoint) -> Endpoint:
        return Endpoint(self._address(end.address), end.port)

    def _end(self, row: Row) -> None:
        self._running.pop(row.id, None)
        shelf, other = (self._dropped, self._others) if row.dropped else (self._others, self._dropped)
        other.take(row.id)
        shelf.put(row)
        assert row.judged is not None
        if row.final or row.judged.verdict.how is not How.OPEN:  # else it is only silent
            before = self._fates.pop(row.id, None)
            self._fates[row.id] = row.dropped
            self._ended += before is None
            self._drops += row.dropped - bool(before)
            if len(self._fates) > MOST_FATES:
                self._fates.popitem(last=False)

    def look(self, judged: Judged) -> None:
        """A running session as it stands."""
        judged = self._hidden(judged)
        with self._lock:
            if (row := self._running.get(judged.id)) is not None:
                self._running[judged.id] = replace(row, judged=judged)
                self.version += 1

    def row(self, number: int) -> Row | None:
        """The session with that id."""
        with self._lock:
            for rows in self._running, self._dropped.rows, self._others.rows:
                if (row := rows.get(number)) is not None:
                    return row
        return None

    def note(self, text: str) -> None:
        """A line that is not about a session."""
        with self._lock:
            self._notes.append(text)
            self.version += 1

    @property
    def notes(self) -> list[str]:
        with self._lock:
            return list(self._notes)

    def rows(self, *, dropped_only: bool) -> list[Row]:
        """The last news first."""
        with self._lock:
            rows = list(self._dropped.rows.values())
            if not dropped_only:
                rows += self._others.rows.values()
                rows += self._running.values()
        return sorted(rows, key=lambda row: (row.time_ns, row.id), reverse=True)

    def numbers(self) -> Numbers:
        """Of the capture as of the last pulse."""
        with self._lock:
            pulses = list(self._pulses)
            ended, dropped, running = self._ended, self._drops, len(self._running)
        if not pulses:
            return Numbers(ended, dropped, running)
        first, last = pulses[0], pulses[-1]
        span_ns = last.time_ns - first.time_ns
        rate = (last.packets - first.packets) / (span_ns / 1e9) if span_ns > 0 else 0.0
        # The watch follows those that are over for a while; of too many that run not all are rows.
        running = running if running < MOST_RUNNING else last.open
        return Numbers(ended, dropped, running, last.packets, rate, last.dropped, last.waiting, last.down)
