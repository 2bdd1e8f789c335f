"""All sessions from above: a row each up to a bound, how they can be filtered, patterns, and groups where they are many."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import NamedTuple

from pcapdiag.analysis import Analysis, Group, Judged
from pcapdiag.model import How, Party, Stage, Strength
from pcapdiag.report import telling
from pcapdiag.report.clean import plain
from pcapdiag.report.clock import Clock
from pcapdiag.report.groups import ranked, server_of
from pcapdiag.report.names import greeted, helo
from pcapdiag.report.summary import MOST_IDS
from pcapdiag.report.words import HOW, PARTY, PATTERN, STAGE, STRENGTH, count, sentence

MOST_ROWS = 1_000
"""Rows of the table: what a browser sorts at once, and at most half a megabyte. Those that need attention come first."""
BATCH = 100
"""Rows written at once."""
MOST_GROUPS = 40
MOST_PATTERNS = 20


def tone(party: Party, *, attention: bool) -> str:
    """How the name of a party should strike the eye."""
    if party is Party.NOBODY:
        return "warn" if attention else "good"
    return "warn" if party is Party.UNDETERMINED else "bad"


class Row(NamedTuple):
    """One session."""

    id: int
    start: str
    at_ns: int
    client: str
    helo: str
    server: str
    greeted: str
    party: str
    """Value of `Party`."""
    party_says: str
    tone: str
    how: str
    strength: str
    stage: str
    mail: str
    attention: bool


class Choice(NamedTuple):
    """One thing to filter by, or a word of the table, and what it means."""

    value: str
    says: str


class _Kind(NamedTuple):
    """What is kept of every session: by what rows are chosen and filtered, and which words need explaining."""

    id: int
    attention: bool
    party: Party
    stage: Stage
    strength: Strength | None


class Overview:
    """The table of sessions."""

    def __init__(self, analysis: Analysis, clock: Clock) -> None:
        self._analysis = analysis
        self._clock = clock
        self.shown = 0
        kept = self._kept()
        self._ids = [kind.id for kind in kept]
        parties, stages = {kind.party for kind in kept}, {kind.stage for kind in kept}
        strengths = {kind.strength for kind in kept}
        self.parties = [Choice(party.value, PARTY[party]) for party in Party if party in parties]
        self.stages = [Choice(stage.value, STAGE[stage]) for stage in Stage if stage in stages]
        self.strengths = [Choice(sure.value, STRENGTH[sure]) for sure in Strength if sure in strengths]
        self.left_out = self.shown - len(kept)
        times = [ns for info in analysis.captures for ns in (info.first_time_ns, info.last_time_ns) if ns is not None]
        days = sorted({clock.day(ns) for ns in times})
        self._one_day = len(days) == 1
        self.when = f"on {days[0]}, times in {clock.offset(times[0])}" if self._one_day else ""

    def _kept(self) -> list[_Kind]:
        """Sessions that have a row, in order: those that need attention, and others while there is room."""
        first: dict[bool, list[_Kind]] = {True: [], False: []}
        for kind in self._analysis.sessions.each(_kind):
            self.shown += 1
            if len(first[kind.attention]) < MOST_ROWS:
                first[kind.attention].append(kind)
        return sorted([*first[True], *first[False]][:MOST_ROWS])

    @property
    def only(self) -> int | None:
        """The id of the session when there is but one."""
        return self._ids[0] if self.shown == 1 else None

    def batches(self) -> Iterator[list[Row]]:
        """The rows, some at a time."""
        rows = self._analysis.sessions.each(partial(_row, clock=self._clock, one_day=self._one_day), self._ids)
        while batch := list(islice(rows, BATCH)):
            yield batch


def _kind(judged: Judged) -> _Kind:
    verdict = judged.verdict
    return _Kind(judged.id, verdict.attention, verdict.dropped_by, verdict.stage, verdict.strength)


def _row(judged: Judged, clock: Clock, one_day: bool) -> Row:
    session, verdict = judged.session, judged.verdict
    began = session.connection.first.time_ns
    return Row(
        judged.id,
        clock.time(began) if one_day else f"{clock.day(began)} {clock.time(began)}",
        began,
        str(session.client),
        helo(session) or "",
        str(session.server),
        greeted(session) or "",
        verdict.dropped_by.value,
        PARTY[verdict.dropped_by],
        tone(verdict.dropped_by, attention=verdict.attention),
        HOW[verdict.how],
        verdict.strength.value if verdict.strength else "",
        verdict.stage.value,
        telling.mail(judged),
        verdict.attention,
    )


class Told(NamedTuple):
    """A session named somewhere; `here` when the page tells it."""

    id: int
    here: bool


class PatternView(NamedTuple):
    """What several sessions together show."""

    name: str
    says: str
    sessions: list[Told]
    more: int


def patterns(analysis: Analysis, told: frozenset[int]) -> list[PatternView]:
    """The first patterns, the largest storms before the deliveries."""
    paths = [info.path for info in analysis.captures]
    return [
        PatternView(
            PATTERN.get(pattern.kind, pattern.kind),
            sentence(plain(pattern.summary, paths)),
            [Told(id, id in told) for id in pattern.sessions[:MOST_IDS]],
            pattern.sessions_total - len(pattern.sessions[:MOST_IDS]),
        )
        for pattern in analysis.patterns[:MOST_PATTERNS]
    ]


class GroupRow(NamedTuple):
    """Sessions that ended alike on one server."""

    sessions: str
    server: str
    party: str
    tone: str
    how: str
    stage: str
    rule: str
    first: str
    last: str
    example: Told


class GroupsView(NamedTuple):
    """The largest troubles first, orderly ends last."""

    rows: list[GroupRow]
    rest: str


def groups(analysis: Analysis, clock: Clock, told: frozenset[int]) -> GroupsView:
    """See `GroupsView`."""
    ordered = ranked(analysis.groups)
    rest = ordered[MOST_GROUPS:]
    sessions = sum(group.sessions for group in rest)
    return GroupsView(
        [_group(group, clock, told) for group in ordered[:MOST_GROUPS]],
        f"And {count(len(rest), 'smaller group')} with {count(sessions, 'session')}." if rest else "",
    )


def _group(group: Group, clock: Clock, told: frozenset[int]) -> GroupRow:
    return GroupRow(
        f"{group.sessions:,}",
        server_of(group),
        PARTY[group.dropped_by],
        tone(group.dropped_by, attention=group.how is How.OPEN),
        HOW[group.how],
        group.stage.value,
        group.rule,
        f"{clock.day(group.first_ns)} {clock.time(group.first_ns)}",
        f"{clock.day(group.last_ns)} {clock.time(group.last_ns)}",
        Told(group.example, group.example in told),
    )
