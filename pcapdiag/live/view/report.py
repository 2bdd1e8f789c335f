"""A session of the list -> its report in lines, as the text report tells it, with the whole conversation in front."""

from __future__ import annotations

from pcapdiag.analysis import Judged
from pcapdiag.live.telling import Teller
from pcapdiag.live.view.board import Row
from pcapdiag.report.clock import Clock
from pcapdiag.report.telling import verdict_sentence
from pcapdiag.report.text.detail import Details
from pcapdiag.report.text.style import Style


class Report:
    """What is on the screen of one session, and from which line on."""

    def __init__(self, row: Row, teller: Teller) -> None:
        self.row, self.first = row, 0
        self._teller = teller
        self._told: list[str] = []
        self._told_of: Judged | None = None
        self._told_width = 0

    def look(self, row: Row | None) -> None:
        """Its row by now; None: it is no longer kept, and stays as it was."""
        self.row = row or self.row

    @property
    def title(self) -> str:
        """``session 3  192.0.2.1:49152 > 198.51.100.25:25``"""
        state = "" if self.row.final else "  not final" if self.row.ended else "  running, so far"
        return f"session {self.row.id}  {self.row.client} > {self.row.server}{state}"

    @property
    def sentence(self) -> str:
        """The verdict."""
        return "" if self.row.judged is None else verdict_sentence(self.row.judged.verdict, ())

    def lines(self, width: int) -> list[str]:
        """For so many columns."""
        judged = self.row.judged
        if judged is None:
            return ["A moment, please: it is looked at once a second."]
        if self._told_of is not judged or self._told_width != width:
            options = self._teller.options
            style = Style(width=width, colour=options.colour, unicode=options.unicode)
            details = Details(style, Clock(options.zone), [self._teller.info().path])
            ladder = list(details.conversation(judged, whole=True))[1:]
            self._told = [*ladder, "", *details.tell(judged, ladder=False, whole=True, summary=True)]
            self._told_of, self._told_width = judged, width
        return self._told
