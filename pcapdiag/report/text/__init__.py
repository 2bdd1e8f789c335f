"""The report for people: an `Analysis` to plain text, at a terminal or in a pipe.

It begins with the result in a paragraph, then what was read, one row per session, and the sessions that need attention
in full. Above `FEW` sessions groups stand in front of examples. Only the rows of a short list are ever collected, so a
trace of 12,000 sessions costs no more memory than one of fifty.
"""

from __future__ import annotations

from collections.abc import Iterator

from pcapdiag.analysis import Analysis, Judged, KeepDialogue
from pcapdiag.report.choice import FEW, Choice, choose
from pcapdiag.report.clock import Clock
from pcapdiag.report.options import Options
from pcapdiag.report.redaction import hidden
from pcapdiag.report.summary import in_common, lead
from pcapdiag.report.text.captures import captures
from pcapdiag.report.text.detail import Details
from pcapdiag.report.text.groups import groups_table
from pcapdiag.report.text.style import Style
from pcapdiag.report.text.table import sessions_table
from pcapdiag.report.words import count


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
        yield from self._lead(rows[0] if shown == 1 else None)
        yield from self._section("Captures", captures(self._analysis, self._style, self._clock))
        if rows:
            yield from self._section("Sessions", sessions_table(rows, self._style, self._clock), self._zone(rows))
        elif shown:
            yield from self._section(
                "Groups",
                groups_table(self._analysis.groups, self._style, self._clock),
                "sessions that ended alike; --session N tells the one to see",
            )
        yield from self._section("Across sessions", self._style.bullets(in_common(self._analysis)))
        yield from self._details(rows, shown)

    def _lead(self, only: Judged | None) -> Iterator[str]:
        for paragraph in lead(self._analysis, only=only, ports=self._options.ports):
            yield from self._style.prose(paragraph)
        if (redaction := hidden(self._analysis.redaction)) is not None:
            yield from (self._style.paint(line, "dim") for line in self._style.prose(redaction))

    def _section(self, title: str, lines: Iterator[str], remark: str = "") -> Iterator[str]:
        first = next(lines, None)
        if first is not None:
            yield ""
            yield self._style.heading(title, remark)
            yield first
            yield from lines

    def _zone(self, rows: list[Judged]) -> str:
        started = [judged.session.connection.first.time_ns for judged in rows]
        first, last = self._clock.day(min(started)), self._clock.day(max(started))
        return f"{first if first == last else f'{first} to {last}'}, times {self._clock.offset(min(started))}"

    def _details(self, rows: list[Judged], shown: int) -> Iterator[str]:
        details = Details(self._style, self._clock, self._paths)
        choice = choose(self._analysis, self._options)
        for judged in choice.sessions:
            yield ""
            yield ""
            yield from details.tell(
                judged,
                ladder=self._options.dialogue is not KeepDialogue.NONE,
                whole=judged.id in self._options.only,
                summary=shown > 1,
            )
        yield from self._others(choice, rows, shown)

    def _others(self, choice: Choice, rows: list[Judged], shown: int) -> Iterator[str]:
        """How to see what was not told."""
        hint = ""
        if choice.wanted > choice.told:
            hint = (
                f"Told in full: {choice.told:,} of {count(choice.wanted, 'session')}. Another one: --session N. "
                f"Those of one server or client: --server X, --client X. All: --details {choice.wanted}. As data: --format jsonl."
            )
        elif shown == 1 and not choice.told:
            hint = f"The whole conversation: --session {rows[0].id}"
        elif shown > choice.told:
            hint = (
                "Sessions that need no attention are not told in full: --session N tells one, --dialogue all tells all."
            )
        if hint:
            yield ""
            yield from (self._style.paint(line, "dim") for line in self._style.prose(hint))
