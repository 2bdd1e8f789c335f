"""The report for people: an `Analysis` to plain text, at a terminal or in a pipe.

It begins with the result in a paragraph, then what was read, one row per session, and the sessions that need attention
in full. Above `FEW` sessions groups stand in front of examples. Only the rows of a short list are ever collected, so a
trace of 12,000 sessions costs no more memory than one of fifty.
"""

from __future__ import annotations

from collections.abc import Iterator

from pcapdiag.analysis import Analysis, Judged, KeepDialogue
from pcapdiag.report.clean import plain
from pcapdiag.report.options import Options
from pcapdiag.report.text.clock import Clock
from pcapdiag.report.text.detail import Details
from pcapdiag.report.text.header import captures, lead, nothing
from pcapdiag.report.text.style import Style
from pcapdiag.report.text.table import groups_table, sessions_table
from pcapdiag.report.text.words import count

NAME = "text"

FEW = 50
"""Up to so many sessions, each has its row and those with attention are told in full."""
EXAMPLES = 20
"""Told in full where there are more."""


def render(analysis: Analysis, options: Options) -> Iterator[str]:
    """The report in pieces that end with a line feed."""
    for line in _Report(analysis, options).lines():
        yield line + "\n"


class _Report:
    def __init__(self, analysis: Analysis, options: Options) -> None:
        self._analysis = analysis
        self._options = options
        self._style = Style(width=options.width, colour=options.colour, unicode=options.unicode)
        self._clock = Clock(options.zone)
        self._paths = [info.path for info in analysis.captures]

    def lines(self) -> Iterator[str]:
        shown = len(self._analysis.sessions)
        rows = list(self._analysis.sessions) if shown <= FEW else []
        yield from self._lead(shown, rows[0] if shown == 1 else None)
        yield from self._section("Captures", captures(self._analysis, self._style, self._clock))
        if rows:
            yield from self._section("Sessions" + self._zone(rows[0]), sessions_table(rows, self._style, self._clock))
        elif shown:
            yield from self._section("Groups", groups_table(self._analysis.groups, self._style, self._clock))
        yield from self._section("Across sessions", self._patterns())
        yield from self._details(rows, shown)

    def _lead(self, shown: int, only: Judged | None) -> Iterator[str]:
        if not self._analysis.total:
            yield from nothing(self._analysis, self._style, ports=self._options.ports)
        elif not shown:
            yield from self._style.prose(
                f"No session passes your filter; there are {count(self._analysis.total, 'session')} without it."
            )
        else:
            yield from lead(self._analysis, self._style, shown=shown, only=only)

    def _section(self, title: str, lines: Iterator[str]) -> Iterator[str]:
        first = next(lines, None)
        if first is not None:
            yield ""
            yield self._style.heading(title)
            yield first
            yield from lines

    def _zone(self, first: Judged) -> str:
        started = first.session.connection.first.time_ns
        return f" ({self._clock.day(started)}, times {self._clock.offset(started)})"

    def _patterns(self) -> Iterator[str]:
        for pattern in self._analysis.patterns:
            ids = ", ".join(str(each) for each in pattern.sessions[:12])
            more = ", ..." if pattern.sessions_total > 12 else ""
            text = f"{pattern.kind}: {plain(pattern.summary, self._paths)} (sessions {ids}{more})"
            yield from self._style.bullets([text])

    def _details(self, rows: list[Judged], shown: int) -> Iterator[str]:
        told = 0
        details = Details(self._style, self._clock, self._paths)
        limit = self._limit(shown)
        for judged in self._chosen(rows, limit):
            told += 1
            asked = judged.id in self._options.only
            yield ""
            yield ""
            yield from details.tell(judged, ladder=self._options.dialogue is not KeepDialogue.NONE, whole=asked)
        yield from self._others(told, shown)

    def _limit(self, shown: int) -> int:
        if self._options.details is not None:
            return self._options.details
        return FEW if shown <= FEW else EXAMPLES

    def _wanted(self, judged: Judged) -> bool:
        return judged.verdict.attention or self._options.dialogue is KeepDialogue.ALL or judged.id in self._options.only

    def _chosen(self, rows: list[Judged], limit: int) -> Iterator[Judged]:
        """Sessions to tell: where not all can be, one of each group comes first, in order of first frames."""
        if limit <= 0:
            return
        wanted = sum(1 for judged in rows or self._analysis.sessions if self._wanted(judged))
        ids: set[int] = set()
        if wanted > limit:
            ids = self._examples(limit)
        for judged in rows or self._analysis.sessions:
            if self._wanted(judged) and (wanted <= limit or judged.id in ids):
                yield judged

    def _examples(self, limit: int) -> set[int]:
        """Ids of at most `limit` sessions: the groups' examples, largest groups first, then the first ones that come."""
        groups = sorted(self._analysis.groups, key=lambda group: -group.sessions)
        examples = {group.example for group in groups}
        ranked = {group.example: rank for rank, group in enumerate(groups)}
        candidates = [judged.id for judged in self._analysis.sessions if judged.id in examples and self._wanted(judged)]
        ids = set(sorted(candidates, key=ranked.__getitem__)[:limit])
        for judged in self._analysis.sessions:
            if len(ids) >= limit:
                break
            if self._wanted(judged):
                ids.add(judged.id)
        return ids

    def _others(self, told: int, shown: int) -> Iterator[str]:
        """How to see what was not told."""
        attention = sum(1 for judged in self._analysis.sessions if self._wanted(judged)) if shown > told else told
        hints = []
        if attention > told:
            hints.append(
                f"Told in full: {told} of {attention:,} sessions. One more: --session N. All of one server: --server ADDRESS. "
                f"More of them: --details {attention}. As data: --format jsonl."
            )
        elif shown > told and shown:
            hints.append("Sessions that ended in order are not told; --session N tells one of them.")
        for hint in hints:
            yield ""
            yield from (self._style.paint(line, "dim") for line in self._style.prose(hint))
