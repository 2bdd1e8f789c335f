"""One session told in full: a judged session to the story that its template lays out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pcapdiag.analysis import Analysis, Judged
from pcapdiag.report import telling
from pcapdiag.report.clean import duration_text, plain, safe_text, short_name
from pcapdiag.report.clock import Clock
from pcapdiag.report.facts import community_id, session_key, wireshark_filters
from pcapdiag.report.html.conversation import Conversation, conversation, way
from pcapdiag.report.html.drawing import NARROW, WIDE, Drawing, draw
from pcapdiag.report.html.overview import tone
from pcapdiag.report.html.packets import Packets, packets
from pcapdiag.report.html.plot import Plot, plot
from pcapdiag.report.words import sentence


class Fact(NamedTuple):
    """A label and what belongs to it, a line each."""

    label: str
    lines: list[str]


class Said(NamedTuple):
    """A row of the conversation's table."""

    time: str
    after: str
    frame: str
    stage: str
    way: str
    text: str
    end: bool


class Besides(NamedTuple):
    """Something else that was seen, and what to do about it."""

    says: str
    steps: list[str]


class View(NamedTuple):
    """The session in one capture, for Wireshark."""

    name: str
    sha256: str
    filter: str
    look_at: str
    """The frame of the end; empty when it is in another capture."""


class Story(NamedTuple):
    """A session as its template lays it out."""

    id: int
    headline: str
    tone: str
    sentence: str
    """Empty where the page begins with it."""
    facts: list[Fact]
    why: list[str]
    said: list[Said]
    drawings: list[Drawing]
    """Wide and narrow."""
    legend: str
    ended: str
    """The words in front of what ended it."""
    alternative: str
    """What the drawing shows, in words."""
    plot: Plot | None
    doubts: list[str]
    besides: list[Besides]
    steps: list[str]
    next_capture: str
    packets: Packets
    views: list[View]
    community_id: str
    key: str


class Details:
    """Tells sessions of one analysis."""

    def __init__(self, analysis: Analysis, clock: Clock, *, drawn: bool) -> None:
        self._captures = analysis.captures
        self._paths = [info.path for info in analysis.captures]
        self._clock = clock
        self._drawn = drawn
        self._several = len(analysis.sessions) > 1

    def tell(self, judged: Judged, *, whole: bool) -> Story:
        """The story of a session. `whole`: its conversation with nothing left out."""
        verdict, paths = judged.verdict, self._paths
        told = conversation(judged, whole=whole)
        drawn = self._drawn and judged.with_dialogue and bool(told.lines)
        return Story(
            judged.id,
            telling.headline(verdict),
            tone(verdict.dropped_by, attention=verdict.attention),
            telling.verdict_sentence(verdict, paths) if self._several else "",
            list(self._facts(judged)),
            list(telling.why_so(verdict, paths)),
            list(self._said(told)) if drawn else [],
            [draw(told, self._clock, layout) for layout in (WIDE, NARROW)] if drawn else [],
            told.legend,
            told.ended,
            _alternative(judged, told),
            plot(judged) if drawn else None,
            list(telling.doubts(verdict, paths)),
            list(self._besides(judged)),
            telling.next_steps(verdict, paths),
            safe_text(verdict.next_capture or ""),
            packets(judged, told.lines, self._clock),
            list(self._views(judged)),
            community_id(judged.session.client, judged.session.server),
            session_key(judged.session.connection),
        )

    def _facts(self, judged: Judged) -> Iterator[Fact]:
        held: Fact | None = None
        for label, text in telling.facts(judged, self._clock, self._paths):
            if not label and held is not None:
                held.lines.append(text)
                continue
            if held is not None:
                yield held
            held = Fact(label, [text])
        if held is not None:
            yield held

    def _said(self, told: Conversation) -> Iterator[Said]:
        before: int | None = None
        for line in told.lines:
            after = "" if before is None or not line.timed else duration_text(line.at.time_ns - before)
            time = self._clock.fine(line.at.time_ns) if line.timed else ""
            yield Said(time, after, line.frame if line.timed else "", line.stage, way(line), line.text, line.end)
            before = line.at.time_ns if line.timed else before

    def _besides(self, judged: Judged) -> Iterator[Besides]:
        told = telling.besides(judged.verdict, self._paths)
        for says, finding in zip(told, judged.verdict.findings, strict=True):
            yield Besides(says, [sentence(plain(step, self._paths)) for step in finding.next_steps])

    def _views(self, judged: Judged) -> Iterator[View]:
        end = judged.verdict.end
        for capture, text in wireshark_filters(judged.session.connection):
            info = self._captures[capture]
            look_at = str(end.frame) if end.capture == capture else ""
            yield View(short_name(info.path), info.sha256 or "", text, look_at)


def _alternative(judged: Judged, told: Conversation) -> str:
    """The drawing's description for those who do not see it; the table tells the rest."""
    connection = judged.session.connection
    lasted = duration_text(connection.last.time_ns - connection.first.time_ns)
    between = " with a device in between" if len(told.names) == 3 else ""
    return (
        f"What {judged.session.client.address} and {judged.session.server.address}{between} said to each other "
        f"in {lasted}, a line a frame. The table below says the same in words."
    )
