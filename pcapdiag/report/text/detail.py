"""One session told in full: who dropped it and where, why we say so, the conversation, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pcapdiag.analysis import Judged
from pcapdiag.diagnosis.verdict import Verdict
from pcapdiag.report import telling
from pcapdiag.report.clock import Clock
from pcapdiag.report.names import hosts
from pcapdiag.report.rungs import Rung, rungs
from pcapdiag.report.text.ladder import Ladder
from pcapdiag.report.text.style import PARTY_COLOUR, Style

LABEL = 12


class Details:
    """Tells sessions of one analysis."""

    def __init__(self, style: Style, clock: Clock, paths: Sequence[str]) -> None:
        self._style = style
        self._clock = clock
        self._paths = paths

    def tell(self, judged: Judged, *, ladder: bool, whole: bool, summary: bool) -> Iterator[str]:
        """The lines about one session.

        `ladder`: with its conversation; `whole`: nothing of that left out; `summary`: with the sentence that the report
        of a single session begins with anyway.
        """
        verdict, paths, bullets = judged.verdict, self._paths, self._style.bullets
        colour = PARTY_COLOUR[verdict.dropped_by]
        yield self._style.banner(f"Session {judged.id}", telling.headline(verdict), "bold", *colour)
        yield ""
        if summary:
            yield from self._style.prose(telling.verdict_sentence(verdict, paths))
            yield ""
        yield from self._facts(judged)
        yield from self._section("Why we say so", bullets(telling.why_so(verdict, paths)))
        if ladder:
            yield from self.conversation(judged, whole=whole)
        yield from self._section("What else it could be", bullets(telling.doubts(verdict, paths)))
        yield from self._section("Seen besides", bullets(telling.besides(verdict, paths)))
        yield from self._section("What to do next", self._steps(verdict))
        yield from self._section("In Wireshark", self._filters(judged))

    def conversation(self, judged: Judged, *, whole: bool) -> Iterator[str]:
        """Its ladder; nothing where the dialogue was not kept."""
        if judged.with_dialogue:
            told = rungs(judged)
            remark = f"{self._style.glyphs.cross} marks what ended it" if any(rung.end for rung in told) else ""
            yield from self._section("The conversation", self._ladder(judged, told, whole=whole), remark)

    def _section(self, title: str, lines: Iterable[str], remark: str = "") -> Iterator[str]:
        """A titled part; nothing at all when it would be empty."""
        body = list(lines)
        if body:
            yield ""
            yield self._style.heading(title, remark)
            yield from body

    def _facts(self, judged: Judged) -> Iterator[str]:
        indent = " " * (LABEL + 2)
        for label, text in telling.facts(judged, self._clock, self._paths):
            attributes = PARTY_COLOUR[judged.verdict.dropped_by] if label == telling.DROPPED_BY else ()
            for number, line in enumerate(self._style.prose(text, indent=indent, first=indent)):
                lead = self._style.paint(f"  {label:<{LABEL}}", "dim") if number == 0 else indent
                yield lead + self._style.paint(line[LABEL + 2 :], *attributes)

    def _ladder(self, judged: Judged, told: Sequence[Rung], *, whole: bool) -> Iterator[str]:
        session = judged.session
        connection = session.connection
        drawn = Ladder(self._style, self._clock, several_files=connection.first.capture != connection.last.capture)
        client, server = hosts(session)
        yield from drawn.draw(told, client, server, whole=whole)

    def _steps(self, verdict: Verdict) -> Iterator[str]:
        steps = telling.next_steps(verdict, self._paths)
        for number, step in enumerate(steps, start=1):
            yield from self._style.prose(step, indent="     ", first=f"  {number}. ")
        if verdict.next_capture:
            yield f"     {verdict.next_capture}"

    def _filters(self, judged: Judged) -> Iterator[str]:
        for text, name in telling.filters(judged, self._paths):
            yield f"  {text}" + (f"  ({name})" if name else "")
