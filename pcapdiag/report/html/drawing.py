"""The lines of a conversation to a ladder diagram: where every arrow, word, band and pause of the drawing stands.

Client on the left, server on the right, and between them the lane of a device when it spoke or is held responsible. Time
runs down: a row a frame, and between rows room that grows with the logarithm of the time between them, so that a
millisecond and ten minutes both fit; what is long is labelled. There are two layouts, for a desk and for a phone. A
template draws what is said here and decides nothing; lengths are in the drawing's own units, about a pixel each.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import log10
from typing import NamedTuple

from pcapdiag.report.clean import duration_text
from pcapdiag.report.clock import Clock
from pcapdiag.report.html.conversation import END, Conversation, Lane, Line, Stroke
from pcapdiag.report.html.measure import cut, wrapped
from pcapdiag.report.words import count

TOP, LINE, SHAFT, BELOW = 58, 17, 4, 9
"""Room for the hosts' names, a line of text, the arrow under it, and what follows."""
LETTER = 7.6
"""Width of a letter of a fixed-width font at 12.5 units: 0.602 em, the widest of the usual ones, and a bit."""
LONGEST_TEXT = 6
"""Lines of one rung."""
PAUSE_NS = 500_000_000
"""From here on a pause is labelled: short enough for a slow answer, long enough to leave a healthy dialogue alone."""
NO_TIME_NS = 5_000_000
"""Takes no room of its own."""


class Layout(NamedTuple):
    """Where things stand from left to right."""

    name: str
    width: int
    lanes: dict[Lane, int]
    beside: bool
    """Stages, times and frame numbers have columns of their own; else they stand in lines of their own."""
    host: tuple[int, int]
    """Letters of a host's name above its lane, where there are two lanes and where there are three."""


WIDE = Layout("wide", 940, {Lane.CLIENT: 262, Lane.MIDDLE: 592, Lane.SERVER: 922}, True, (38, 38))
NARROW = Layout("narrow", 340, {Lane.CLIENT: 7, Lane.MIDDLE: 170, Lane.SERVER: 333}, False, (21, 13))
"""As wide as a phone's page, one to one."""
TIME_AT, FRAME_AT, MARKS_AT = 196, 246, 104
"""Right edges of times and frame numbers, and where marks begin, beside the lanes."""


class Arrow(NamedTuple):
    """From whom to whom, at which height."""

    x1: int
    x2: int
    y: int
    head: str
    """The points of its head."""
    bar: int
    """Where the bar of a FIN stands."""


class Words(NamedTuple):
    """A line of text, and what it is: ``word``, ``label``, ``when``, ``frame``, ``pause``, ``stage``, ``role``, ``name``."""

    kind: str
    x: int
    y: int
    anchor: str
    text: str


class Mark(NamedTuple):
    """A tinted rectangle behind a rung."""

    kind: str
    x: int
    y: int
    width: int
    height: int


class Rung(NamedTuple):
    """One line of the conversation."""

    tone: str
    stroke: str
    words: list[Words]
    arrow: Arrow | None


class Rail(NamedTuple):
    """A host's line."""

    x: int
    middle: bool


class Pause(NamedTuple):
    """Where the rails are torn, because time passed that is drawn shorter than it was."""

    top: int
    bottom: int


class Drawing(NamedTuple):
    """A ladder diagram."""

    layout: str
    width: int
    height: int
    bands: list[Mark]
    ends: list[Mark]
    """Behind the rails."""
    rails: list[Rail]
    pauses: list[Pause]
    breaks: list[Mark]
    """Over the rails: silence, and what is left out."""
    notes: list[Words]
    rungs: list[Rung]


def draw(told: Conversation, clock: Clock, layout: Layout) -> Drawing:
    """The diagram of a conversation."""
    pen = _Pen(clock, layout, told.ended)
    pen.notes += _names(told, layout)
    rungs = [pen.rung(before, line) for before, line in pairwise([None, *told.lines]) if line is not None]
    height = pen.y + 8
    rails = [Rail(layout.lanes[lane], lane is Lane.MIDDLE) for lane in Lane if lane in told.names]
    bands = list(pen.bands(height))
    return Drawing(layout.name, layout.width, height, bands, pen.ends, rails, pen.pauses, pen.breaks, pen.notes, rungs)


class _Pen:
    """Goes down the page."""

    def __init__(self, clock: Clock, layout: Layout, ended: str) -> None:
        self._clock = clock
        self._ended = ended
        self._layout = layout
        self.y = TOP
        self.ends: list[Mark] = []
        self.breaks: list[Mark] = []
        self.pauses: list[Pause] = []
        self.notes: list[Words] = []
        self._stages: list[tuple[int, str]] = []

    def rung(self, before: Line | None, line: Line) -> Rung:
        """Draw a line and stand below it."""
        self._pass(before, line)
        self._stage(line)
        top = self.y
        words = [*self._stamp(before, line), *self._words(line)]
        arrow = _arrow(line, self.y + SHAFT, self._layout)
        self.y += (SHAFT if arrow else 0) + BELOW
        self._last(line)
        self._mark(line, top - 3, self.y - top - 1)
        return Rung(line.tone.value, line.stroke.value, words, arrow)

    def _pass(self, before: Line | None, line: Line) -> None:
        """Leave room for the time that passed since the line before."""
        if before is None or not line.timed:
            return
        ns = line.at.time_ns - before.until.time_ns
        if before.stroke is Stroke.SILENCE:  # has said already how long it was
            ns = 0
        if ns >= PAUSE_NS and before.stroke is not Stroke.ELIDED:
            self._pause(f"{duration_text(ns)} later", _room(ns) + 14)
        else:
            self.y += _room(ns)

    def _last(self, line: Line) -> None:
        """Leave room for the time that a run of retransmissions took."""
        ns = line.until.time_ns - line.at.time_ns
        if ns >= PAUSE_NS and line.stroke is not Stroke.ELIDED:
            self._pause(f"for {duration_text(ns)}", 22)

    def _pause(self, text: str, room: int) -> None:
        middle = self.y + (room - 4) // 2 + 4
        self.pauses.append(Pause(self.y - 3, self.y + room - 4))
        if self._layout.beside:
            self.notes.append(Words("pause", TIME_AT, middle, "end", text))
        else:
            self.notes.append(Words("pause", self._layout.width // 2, middle, "middle", text))
        self.y += room

    def _stage(self, line: Line) -> None:
        if self._stages and self._stages[-1][1] == line.stage:
            return
        self._stages.append((self.y, line.stage))
        if self._layout.beside:
            self.notes.append(Words("stage", 10, self.y + 13, "start", line.stage))
        else:
            self.notes.append(Words("stage", self._layout.width // 2, self.y + 13, "middle", line.stage))
            self.y += LINE + 4

    def _stamp(self, before: Line | None, line: Line) -> Iterator[Words]:
        """Its time and its frame number, once for what came in one frame."""
        if not line.timed or (before is not None and before.at == line.at):
            return
        time = self._clock.fine(line.at.time_ns)
        if self._layout.beside:
            yield Words("when", TIME_AT, self.y + 13, "end", time)
            yield Words("frame", FRAME_AT, self.y + 13, "end", line.frame)
        else:
            x, anchor, _ = _place(line, self._layout)
            yield Words("when", x, self.y + 13, anchor, f"frame {line.frame}, {time}")
            self.y += LINE

    def _words(self, line: Line) -> Iterator[Words]:
        x, anchor, room = _place(line, self._layout)
        if line.end:
            yield Words("label", x, self.y + 13, anchor, self._ended)
            self.y += LINE
        for text in _texts(line, room):
            yield Words("word", x, self.y + 13, anchor, text)
            self.y += LINE

    def _mark(self, line: Line, top: int, height: int) -> None:
        left = MARKS_AT if self._layout.beside else 0
        width = self._layout.width - left - 4
        if line.end:
            self.ends.append(Mark("calm" if self._ended == END else "ended", left, top, width, height))
        elif line.stroke in (Stroke.SILENCE, Stroke.ELIDED):
            self.breaks.append(Mark(line.stroke.value, left, top, width, height))

    def bands(self, height: int) -> Iterator[Mark]:
        """The stages that were passed, every other one tinted."""
        ends = [*(y for y, _ in self._stages[1:]), height + 4]
        for number, ((top, _), end) in enumerate(zip(self._stages, ends, strict=True)):
            yield Mark("odd" if number % 2 else "even", 0, top - 4, self._layout.width, end - top)


def _room(ns: int) -> int:
    return round(7 * log10(max(1.0, ns / NO_TIME_NS)))


def _texts(line: Line, room: int) -> list[str]:
    """Its text in lines: refusals and the like whole, the rest in one."""
    if line.whole:
        return wrapped(line.text, room, LONGEST_TEXT)
    first, _, rest = line.text.partition("\n")
    more = f" (+{count(rest.count(chr(10)) + 1, 'line')})" if rest else ""
    return [cut(first, room - len(more)) + more]


def _place(line: Line, layout: Layout) -> tuple[int, str, int]:
    """Where its text stands: x, anchor, and the letters that have room."""
    lanes = layout.lanes
    whole = lanes[Lane.SERVER] - lanes[Lane.CLIENT]
    margin = 12 if layout.beside else 8
    if line.source is None or line.target is None:
        return lanes[Lane.MIDDLE], "middle", int((whole - 2 * margin) / LETTER)
    source, target = lanes[line.source], lanes[line.target]
    span = abs(target - source) if layout.beside else whole  # a phone has no room to spare beside a short arrow
    room = int((span - 2 * margin) / LETTER)
    right = source < target
    if not layout.beside and Lane.MIDDLE in (line.source, line.target):
        return (target - margin, "end", room) if right else (target + margin, "start", room)
    return (source + margin, "start", room) if right else (source - margin, "end", room)


def _arrow(line: Line, y: int, layout: Layout) -> Arrow | None:
    if line.source is None or line.target is None:
        return None
    x1, x2 = layout.lanes[line.source], layout.lanes[line.target]
    ahead = 1 if x2 > x1 else -1
    tip, back = x2 - 2 * ahead, x2 - 11 * ahead
    return Arrow(x1, back, y, f"{tip},{y} {back},{y - 4} {back},{y + 4}", x1 + 7 * ahead)


_LOOKS = {
    Lane.CLIENT: ("client", "start", -6),
    Lane.MIDDLE: ("in between", "middle", 0),
    Lane.SERVER: ("server", "end", 6),
}


def _names(told: Conversation, layout: Layout) -> Iterator[Words]:
    """What stands above the lanes."""
    for lane, (role, anchor, shift) in _LOOKS.items():
        if lane in told.names:
            x = layout.lanes[lane] + shift
            room = layout.host[len(told.names) - 2]
            yield Words("role", x, 16, anchor, role)
            yield Words("name", x, 36, anchor, cut(told.names[lane], room))
