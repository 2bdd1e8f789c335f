"""One session told in full: who dropped it and where, why we say so, the conversation, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pcapdiag.analysis import Judged
from pcapdiag.diagnosis.verdict import Evidence, Finding, Verdict
from pcapdiag.model import Moment, Party, Says
from pcapdiag.report.clean import duration_text, plain, short_name
from pcapdiag.report.facts import wireshark_filters
from pcapdiag.report.text.clock import Clock
from pcapdiag.report.text.ladder import Ladder, Rung
from pcapdiag.report.text.mail import messages
from pcapdiag.report.text.names import beside, greeted, helo
from pcapdiag.report.text.rungs import rungs
from pcapdiag.report.text.style import Style
from pcapdiag.report.text.words import HOW, IMPACT, PARTY, PARTY_COLOUR, SIDE, VANTAGE, listed, sentence, where

MOST_FRAMES = 8
"""Frames named behind one sentence of evidence."""
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
        verdict = judged.verdict
        colour = PARTY_COLOUR[verdict.dropped_by]
        yield self._style.banner(f"Session {judged.id}", self._headline(verdict), "bold", *colour)
        yield ""
        if summary:
            yield from self._style.prose(sentence(self._plain(verdict.summary)))
            yield ""
        yield from self._facts(judged)
        yield from self._section("Why we say so", self._evidence(verdict.evidence))
        if ladder and judged.with_dialogue:
            told = rungs(judged)
            remark = f"{self._style.glyphs.cross} marks what ended it" if any(rung.end for rung in told) else ""
            yield from self._section("The conversation", self._ladder(judged, told, whole=whole), remark)
        yield from self._section("What else it could be", self._doubts(verdict))
        yield from self._section("Seen besides", self._findings(verdict.findings))
        yield from self._section("What to do next", self._steps(verdict))
        yield from self._section("In Wireshark", self._filters(judged))

    def _headline(self, verdict: Verdict) -> str:
        if verdict.dropped_by is Party.NOBODY:
            return f"{verdict.how.value}, {verdict.stage.value}"
        if verdict.dropped_by is Party.UNDETERMINED:
            return f"dropped by: undetermined, {verdict.stage.value}"
        return f"dropped by {PARTY[verdict.dropped_by]}, {verdict.stage.value}"

    def _section(self, title: str, lines: Iterable[str], remark: str = "") -> Iterator[str]:
        """A titled part; nothing at all when it would be empty."""
        body = list(lines)
        if body:
            yield ""
            yield self._style.heading(title, remark)
            yield from body

    def _plain(self, says: Says) -> str:
        return plain(says, self._paths)

    def _fact(self, label: str, text: str, *attributes: str) -> Iterator[str]:
        for number, line in enumerate(self._style.prose(text, indent=" " * (LABEL + 2), first=" " * (LABEL + 2))):
            lead = self._style.paint(f"  {label:<{LABEL}}", "dim") if number == 0 else " " * (LABEL + 2)
            yield lead + self._style.paint(line[LABEL + 2 :], *attributes)

    def _facts(self, judged: Judged) -> Iterator[str]:
        session, verdict = judged.session, judged.verdict
        connection = session.connection
        yield from self._fact("client", beside(str(session.client), helo(session)))
        yield from self._fact("server", beside(str(session.server), greeted(session)))
        lasted = duration_text(connection.last.time_ns - connection.first.time_ns)
        yield from self._fact("time", f"{self._clock.full(connection.first.time_ns)}, lasted {lasted}")
        yield from self._fact("dropped by", self._who(judged), *PARTY_COLOUR[verdict.dropped_by])
        yield from self._fact("stage", self._where(verdict))
        if verdict.stalled_by is not None:
            yield from self._fact("held up by", PARTY[verdict.stalled_by])
        yield from self._fact("mail", IMPACT[verdict.impact])
        for line in messages(session):
            yield from self._fact("", line)
        if verdict.vantage is not None:
            seen = "".join(": " + self._plain(each.says) for each in verdict.vantage_evidence[:1])
            yield from self._fact("captured", VANTAGE[verdict.vantage] + seen)
        why = self._plain(verdict.why).removeprefix(f"{verdict.rule}: ")
        yield from self._fact("rule", f"{verdict.rule}, {why} (pcapdiag explain {verdict.rule})")

    def _who(self, judged: Judged) -> str:
        verdict, session = judged.verdict, judged.session
        address = {Party.CLIENT: session.client.address, Party.SERVER: session.server.address}.get(verdict.dropped_by)
        who = PARTY[verdict.dropped_by] + (f" {address}" if address else "")
        how = HOW[verdict.how]
        sure = f"; {verdict.strength.value}" if verdict.strength else ""
        also = (
            f"; could also be {listed([PARTY[party] for party in verdict.could_also_be])}"
            if verdict.could_also_be
            else ""
        )
        joined = f"{who}: {how}" if verdict.dropped_by in (Party.NOBODY, Party.UNDETERMINED) else f"{who}, by {how}"
        return joined + sure + also

    def _where(self, verdict: Verdict) -> str:
        text = f"{verdict.stage.value}: {where(verdict.stage, verdict.owing)}"
        if verdict.owing is not None:
            text += f"; it was {SIDE[verdict.owing]}'s turn"
            if verdict.waited_ns is not None:
                text += f", for {duration_text(verdict.waited_ns)}"
        return text

    def _evidence(self, evidence: Sequence[Evidence]) -> Iterable[str]:
        return self._style.bullets(self._sentence(each) for each in evidence)

    def _sentence(self, evidence: Evidence) -> str:
        return sentence(self._plain(evidence.says), self._frames(evidence))

    def _frames(self, evidence: Evidence) -> str:
        """Frames that the sentence itself does not name."""
        named = {part for part in evidence.says if isinstance(part, Moment)}
        if not evidence.frames or named.issuperset(evidence.frames):
            return ""
        total = evidence.frames_total or len(evidence.frames)
        captures = sorted({at.capture for at in evidence.frames})
        texts = []
        for capture in captures:
            numbers = [at.frame for at in evidence.frames if at.capture == capture]
            word = "frame" if len(numbers) == 1 else "frames"
            of = f" of {short_name(self._paths[capture])}" if len(self._paths) > 1 else ""
            texts.append(f"{word} {runs(numbers)}{of}")
        more = f"; {total:,} in all" if total > MOST_FRAMES else ""
        return f" ({', '.join(texts)}{more})"

    def _ladder(self, judged: Judged, told: Sequence[Rung], *, whole: bool) -> Iterator[str]:
        session = judged.session
        connection = session.connection
        drawn = Ladder(self._style, self._clock, several_files=connection.first.capture != connection.last.capture)
        client, server = helo(session) or session.client.address, greeted(session) or session.server.address
        yield from drawn.draw(told, client, server, whole=whole)

    def _doubts(self, verdict: Verdict) -> Iterator[str]:
        yield from self._evidence(verdict.against)
        yield from self._findings(verdict.others)

    def _findings(self, findings: Sequence[Finding]) -> Iterator[str]:
        for finding in findings:
            frames = tuple(sorted({at for each in finding.evidence for at in each.frames}))
            shown = self._frames(Evidence(finding.summary, frames)).strip(" ()")
            behind = f" ({finding.rule}{': ' if shown else ''}{shown})"
            yield from self._style.bullets([sentence(self._plain(finding.summary), behind)])

    def _steps(self, verdict: Verdict) -> Iterator[str]:
        steps = [sentence(self._plain(step)) for step in verdict.next_steps]
        for number, step in enumerate(dict.fromkeys(steps), start=1):
            yield from self._style.prose(step, indent="     ", first=f"  {number}. ")
        if verdict.next_capture:
            if not steps or not steps[-1].endswith(":"):
                yield "  The capture that would settle it:"
            yield f"     {verdict.next_capture}"

    def _filters(self, judged: Judged) -> Iterator[str]:
        filters = wireshark_filters(judged.session.connection)
        for capture, text in filters:
            name = f"  ({short_name(self._paths[capture])})" if len(self._paths) > 1 else ""
            yield f"  {text}{name}"


def runs(numbers: Sequence[int]) -> str:
    """``12, 15-18, 40, ...``: at most `MOST_FRAMES` items, neighbours joined."""
    texts: list[str] = []
    ordered = sorted(set(numbers))
    start = 0
    while start < len(ordered) and len(texts) < MOST_FRAMES:
        stop = start
        while stop + 1 < len(ordered) and ordered[stop + 1] == ordered[stop] + 1:
            stop += 1
        texts.append(str(ordered[start]) if stop == start else f"{ordered[start]}-{ordered[stop]}")
        start = stop + 1
    return ", ".join(texts) + (", ..." if start < len(ordered) else "")
