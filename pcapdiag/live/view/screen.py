"""Rows, or the report of a session -> the lines of a screen.

Text of the wire has been cleaned by the report, and is put into `rich.text.Text`, never into markup: ``[red]`` is four
letters in brackets. Of escape sequences only those that our own report paints with are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.text import Text

from pcapdiag.live.view.board import Numbers, Row
from pcapdiag.live.view.report import Report
from pcapdiag.model import Impact, Party
from pcapdiag.report.clean import safe_text
from pcapdiag.report.clock import Clock
from pcapdiag.report.text.style import PARTY_COLOUR, Style, columns
from pcapdiag.report.words import count

HEAD, FOOT = 3, 2
"""Lines above and below the list."""
_TIME, _STATE, _STAGE, _SURE, _MAIL = 8, 9, 11, 9, 9
_LEAST_PAIR = 15
_WIDER = 4
"""Columns for the whole of ``duplicate-risk`` and ``undetermined``, where there is room."""


class Screen:
    """Lays out for one terminal of one size."""

    def __init__(self, columns: int, lines: int, clock: Clock, *, unicode: bool) -> None:
        self.columns, self.lines = max(columns, 20), max(lines, HEAD + FOOT + 1)
        self._clock = clock
        self._style = Style(width=columns, colour=False, unicode=unicode)
        wide = columns >= 110
        widths = _STATE + _WIDER * wide, _STAGE, _SURE, _MAIL + (_WIDER + 1) * wide
        pair = max(_LEAST_PAIR, self.columns - 1 - _TIME - sum(widths) - 5)
        self._widths = (_TIME, pair, *widths)

    @property
    def room(self) -> int:
        """Rows of a list, or lines of a report."""
        return self.lines - HEAD - FOOT

    def sessions(
        self, names: str, numbers: Numbers, rows: Sequence[Row], first: int, chosen: int | None, note: str, only: bool
    ) -> Text:
        """The list. `rows` from the one numbered `first` on are shown; `chosen` is the id of the one with the bar."""
        lines = [self._bar(f"pcapdiag live  {names}", "dropped sessions only" if only else ""), self._numbers(numbers)]
        headings = ("time", "client > server", "state", "stage", "sure", "mail")
        lines.append(Text(" " + self._line(headings), style="bold"))
        lines += [self._row(row, row.id == chosen) for row in rows[first : first + self.room]]
        if not rows:
            lines.append(Text(" no session was dropped so far" if only else " no session so far", style="dim"))
        keys = f"Enter ladder  j/k move  d {'all' if only else 'dropped only'}  q quit"
        return self._whole(lines, note, keys, f"{count(len(rows), 'session')}")

    def report(self, report: Report, note: str) -> Text:
        """A session in full, from the line `Report.first` on."""
        told, first = report.lines(self.columns), report.first
        lines = [
            self._bar(report.title, ""),
            Text(self._cut(f" {report.sentence}", self.columns), style=_look(report.row)),
        ]
        lines.append(Text(""))
        # Painted by our own report, which has cleaned what is not ours.
        lines += [Text.from_ansi(line) for line in told[first : first + self.room]]
        where = f"{first + 1}-{min(len(told), first + self.room)} of {len(told)}"
        return self._whole(lines, note, "Esc back  j/k scroll  q quit", where)

    # --- Lines --------------------------------------------------------------------------------------------------------

    def _whole(self, lines: list[Text], note: str, keys: str, where: str) -> Text:
        lines += [Text("")] * (self.lines - FOOT - len(lines))
        lines.append(Text(self._cut(f" {safe_text(note)}", self.columns), style="yellow"))
        lines.append(self._bar(keys, where))
        for line in lines:
            line.truncate(self.columns, overflow="crop")
            line.no_wrap = True
        whole = Text("\n", no_wrap=True, overflow="crop", end="").join(lines)
        return whole

    def _bar(self, left: str, right: str) -> Text:
        left, right = f" {safe_text(left)}", f"{right} "
        left = self._cut(left, max(0, self.columns - columns(right) - 1))
        return Text(left + " " * (self.columns - columns(left) - columns(right)) + right, style="reverse")

    def _numbers(self, numbers: Numbers) -> Text:
        text = Text(f" {numbers.open:,} open  {numbers.ended:,} ended  ")
        text.append(f"{numbers.dropped:,} dropped", style="bold red" if numbers.dropped else "")
        text.append(f"  {numbers.a_second:,.0f} packets/s")
        lost = "?" if numbers.lost is None else f"{numbers.lost:,}"
        text.append(f"  {lost} lost", style="bold yellow" if numbers.lost else "")
        if numbers.waiting >= 1 << 20:
            text.append(f"  {numbers.waiting >> 20:,} MiB behind", style="bold yellow")
        if numbers.down:
            text.append(f"  down: {safe_text(' '.join(numbers.down))}", style="bold yellow")
        return text

    def _row(self, row: Row, chosen: bool) -> Text:
        return Text(f" {self._line(self._cells(row))}", style=f"{_look(row)} reverse" if chosen else _look(row))

    def _cells(self, row: Row) -> tuple[str, ...]:
        time = self._clock.time(row.time_ns)
        if row.judged is None:
            return time, self._pair(row), "running", "", "", ""
        verdict = row.judged.verdict
        if not row.ended:
            return time, self._pair(row), "running", verdict.stage.value, "", ""
        state = verdict.how.value if verdict.dropped_by is Party.NOBODY else verdict.dropped_by.value
        sure = (verdict.strength.value if verdict.strength else "") + ("" if row.final else "?")
        mail = "" if verdict.impact is Impact.NONE else verdict.impact.value
        if columns(mail) > self._widths[-1]:
            mail = mail.partition("-")[0]
        return time, self._pair(row), state, verdict.stage.value, sure, mail

    def _pair(self, row: Row) -> str:
        """With ports where there is room."""
        whole = f"{row.client} > {row.server}"
        return whole if columns(whole) <= self._widths[1] else f"{row.client.address} > {row.server.address}"

    def _line(self, cells: Iterable[str]) -> str:
        shown = [self._cut(text, width) for text, width in zip(cells, self._widths, strict=True)]
        return " ".join(text + " " * (width - columns(text)) for text, width in zip(shown, self._widths, strict=True))

    def _cut(self, text: str, width: int) -> str:
        return self._style.cut(text, width)


def _look(row: Row) -> str:
    if row.judged is None or not row.ended:
        return ""
    party = row.judged.verdict.dropped_by
    return " ".join((*PARTY_COLOUR[party], "bold" if row.dropped else "dim"))
