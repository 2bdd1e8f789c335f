"""Captured batches -> events: the same tracker, observer and judge as for files, asked before they have to answer.

A session that is over lingers in the tracker, because what comes after its end may tell who ended it. The watch does not wait
that long: it has a copy of the session judged as soon as it is quiet (`Ended`, not final), and again when it has been
silent for two retransmission timeouts, at least `LINGER_NS` (final). What comes later still changes the verdict, and is
told again. So the last word about a session is always that of an offline analysis of the same packets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator
from dataclasses import dataclass
from itertools import count

from pcapdiag.analysis import Judged
from pcapdiag.capture.live import BATCH, LiveBatch, LiveCapture
from pcapdiag.diagnosis import judge
from pcapdiag.live.events import Ended, Event, Opened, Pulse
from pcapdiag.model import Endpoint, Moment, Party, Vantage
from pcapdiag.pipeline import DEFAULT_PORTS, observer_for, session_of
from pcapdiag.session import Surroundings
from pcapdiag.smtp.observer import SmtpObserver
from pcapdiag.tcp.connection import Connection
from pcapdiag.tcp.entry import Glance
from pcapdiag.tcp.tracker import LINGER_NS as LATE_NS
from pcapdiag.tcp.tracker import Tracker

SECOND = 1_000_000_000
CALM_NS = SECOND // 5
"""After the last packet of an end: the other side's close comes within a round trip."""
HASTE_NS = SECOND // 2
"""An end is told after so long, calm or not."""
LINGER_NS = 5 * SECOND
LONGEST_LINGER_NS = 240 * SECOND
"""Two times TCP_RTO_MAX of Linux; RFC 6298 (2.5) allows any maximum of 60 seconds and more."""
SILENT_NS = 60 * SECOND
"""Without news for so long, somebody should have a look."""
IDLE_NS = 1800 * SECOND
"""RFC 5321 4.5.3.2 knows no timeout above ten minutes: an open session silent for three times that is not coming back."""
HORIZON_NS = 7200 * SECOND
"""What hosts did before is forgotten: the watch may go on for months, and sessions do not."""
FEW = 2_000
"""Connections that are looked at with every batch; more of them once a second."""
MOST_LINGERING = 5_000
MOST_OPEN = 100_000


@dataclass(slots=True)
class _Watched:
    """A session that is over, or silent for long."""

    since_ns: int
    last_ns: int
    over: bool
    gap_ns: int = 0
    """Between its last two packets since then: the sender's retransmission timeout, as far as it repeats itself."""
    early: bool = False
    final_ns: int | None = None
    """Its last packet when it was told for final."""

    def look(self, glance: Glance) -> None:
        if glance.last_ns > self.last_ns:
            self.gap_ns = glance.last_ns - self.last_ns
            self.last_ns = glance.last_ns

    @property
    def linger_ns(self) -> int:
        """Two timeouts. RFC 6298 (5.5): "The host MUST set RTO <- RTO * 2 ("back off the timer")" with each repetition."""
        return min(max(LINGER_NS, 2 * 2 * self.gap_ns), LONGEST_LINGER_NS)


class _Drops:
    """When packets were lost: verdicts about sessions from other hours are none the worse for it."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, int]] = deque(maxlen=1000)
        self._total: int | None = None

    def note(self, total: int | None, until_ns: int) -> None:
        if total is not None and total != self._total:
            self._seen.append((until_ns, total - (self._total or 0)))
            self._total = total

    def since(self, time_ns: int) -> int | None:
        if self._total is None:
            return None
        # The kernel does not say when: it was before the batch in which it was noticed.
        return sum(number for noticed_ns, number in self._seen if noticed_ns >= time_ns)


class Watch:
    """One capture, watched."""

    def __init__(
        self, capture: LiveCapture, ports: frozenset[int] | None = DEFAULT_PORTS, captured_at: Vantage | None = None
    ) -> None:
        self.capture = capture
        self._ports = ports
        self._captured_at = captured_at
        self._numbers = count(1)
        self._drops = _Drops()
        self._events: list[Event] = []
        self._begin()

    def _begin(self) -> None:
        """A trace begins: at first, and when the clock was set."""
        self._over: list[tuple[Connection, SmtpObserver]] = []
        self._tracker: Tracker[SmtpObserver] = Tracker(
            observer_for,
            lambda connection, observer: self._over.append((connection, observer)),
            ports=self._ports,
            numbering=lambda batch: next(self._numbers),
            began=self._began,
            max_lingering=MOST_LINGERING,
            max_open=MOST_OPEN,
        )
        self._watched: dict[int, _Watched] = {}
        self._pulse_ns = 0

    def events(self, before: Callable[[LiveBatch], None] | None = None) -> Generator[Event, None, None]:
        """All there is to say until the capture ends; then, of every session that is open, that it is. `before` gets every
        batch, and only then the events that it gives rise to come."""
        for batch in self.capture.batches():
            if before is not None:
                before(batch)
            yield from self.take(batch)
        yield from self.finish()

    def take(self, batch: LiveBatch) -> Iterator[Event]:
        """What a batch gives to say."""
        if batch.clock_set_ns:
            # Times before and after cannot be compared: what is open is told, and goes on as a session met on its way.
            yield from self.finish()
            self._begin()
        self._drops.note(self.capture.dropped, batch.table.until_ns)
        self._tracker.feed(batch.table)
        self._hand_over()
        now_ns = self._tracker.until_ns
        if self.capture.waiting < BATCH:  # behind: first the packets, then the news about them
            for glance in self._tracker.glances(lingering=True):
                self._look_at_end(glance, now_ns)
        beats = now_ns - self._pulse_ns >= SECOND
        if beats or len(self._tracker) <= FEW:
            for glance in self._tracker.glances(lingering=False):
                if glance.rejected_ns >= glance.news_ns:
                    self._look_at_end(glance, now_ns)
                elif not glance.over:
                    self._look_at_silence(glance, now_ns)
        if beats:
            if now_ns // HORIZON_NS != self._pulse_ns // HORIZON_NS:
                self._tracker.hosts.forget(now_ns - HORIZON_NS)
            self._pulse_ns = now_ns
            self._events.append(self._pulse(now_ns))
        yield from self._drain()

    def finish(self) -> Iterator[Event]:
        """The capture has ended."""
        self._tracker.finish()
        self._hand_over()
        yield from self._drain()

    def so_far(self, numbers: Collection[int]) -> Iterator[Judged]:
        """Those open sessions as they stand, by their ids. Where events are taken, not in another thread."""
        for glance in self._tracker.glances(lingering=False) if numbers else ():
            if glance.serial in numbers and (judged := self._judge(*self._tracker.peek(glance.key))) is not None:
                yield judged

    # --- What is said, and when --------------------------------------------------------------------------------------

    def _look_at_end(self, glance: Glance, now_ns: int) -> None:
        """A session that is over as far as known."""
        watched = self._watched.get(glance.serial)
        if watched is None or not watched.over:
            watched = self._watched[glance.serial] = _Watched(now_ns, glance.last_ns, over=True)
        watched.look(glance)
        quiet_ns = now_ns - glance.last_ns
        if watched.final_ns != glance.last_ns and quiet_ns >= watched.linger_ns:
            self._tell(glance, watched, final=True)
        elif not watched.early and (quiet_ns >= CALM_NS or now_ns - watched.since_ns >= HASTE_NS):
            self._tell(glance, watched, final=False)

    def _look_at_silence(self, glance: Glance, now_ns: int) -> None:
        """A session that nobody has ended."""
        watched = self._watched.get(glance.serial)
        if now_ns - glance.news_ns <= SILENT_NS:
            if watched is not None:  # it was silent, or seemed over: no more
                del self._watched[glance.serial]
            return
        if watched is None or watched.over:
            watched = self._watched[glance.serial] = _Watched(now_ns, glance.last_ns, over=False)
            # Repetitions double their distance: the last one is half of all.
            watched.gap_ns = (glance.last_ns - glance.news_ns) // 2
        watched.look(glance)
        repeats = glance.last_ns > glance.news_ns or not glance.born
        quiet_ns = now_ns - glance.last_ns
        if watched.final_ns == glance.last_ns:
            if quiet_ns >= LATE_NS:
                self._tracker.give_up(glance.key)
        elif quiet_ns >= (watched.linger_ns if repeats else IDLE_NS):
            self._tell(glance, watched, final=True)
        elif not watched.early:
            self._tell(glance, watched, final=False)

    def _tell(self, glance: Glance, watched: _Watched, *, final: bool) -> None:
        judged = self._judge(*self._tracker.peek(glance.key))
        again = watched.final_ns is not None
        watched.early = True
        if final:
            watched.final_ns = glance.last_ns
        if judged is not None and (final or watched.over or judged.verdict.attention):
            self._events.append(Ended(judged, final, again))

    def _hand_over(self) -> None:
        """Sessions that the tracker has finished with: final, unless that was told already."""
        for connection, observer in self._over:
            watched = self._watched.pop(connection.serial, None)
            told_ns = watched.final_ns if watched is not None else None
            if told_ns != connection.last.time_ns:
                judged = self._judge(connection, observer)
                if judged is not None:
                    self._events.append(Ended(judged, final=True, again=told_ns is not None))
        self._over.clear()

    def _judge(self, connection: Connection, observer: SmtpObserver) -> Judged | None:
        session = session_of(connection, observer, self._ports)
        if session is None:
            return None
        drops = self._drops.since(connection.first.time_ns)
        around = Surroundings(self._tracker.hosts, self._captured_at, self._ports or DEFAULT_PORTS, drops)
        return Judged(connection.serial, session, judge(session, around))

    def _began(self, serial: int, client: Endpoint, server: Endpoint, first: Moment) -> None:
        if self._ports is not None or server.port in DEFAULT_PORTS:
            self._events.append(Opened(serial, client, server, first.time_ns))

    def _pulse(self, now_ns: int) -> Pulse:
        capture = self.capture
        return Pulse(now_ns, capture.packets, capture.dropped, capture.waiting, len(self._tracker), capture.down)

    def _drain(self) -> Iterator[Event]:
        events, self._events = self._events, []
        yield from events


def is_drop(judged: Judged) -> bool:
    """Somebody ended the session before it was done."""
    return judged.verdict.dropped_by not in (Party.NOBODY, Party.UNDETERMINED)
