"""The lines of a conversation to a ladder diagram: where every arrow, word, band and pause of the drawing stands.

Client on the left, server on the right, and between them the lane of a device when it spoke or is held responsible. Time
runs down: a row a frame, and between rows room that grows with the logarithm of the time between them, so that a
millisecond and ten minutes both fit; what is long is labelled. A template draws what is said here and decides nothing;
lengths are in the drawing's own units, about a pixel each.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import log10
from typing import NamedTuple

from pcapdiag.report.clean import duration_text
from pcapdiag.report.clock import Clock
from pcapdiag.report.html.conversation import Conversation, Lane, Line, Stroke
from pcapdiag.report.html.measure import cut, wrapped

WIDTH = 940
LANES = {Lane.CLIENT: 262, Lane.MIDDLE: 592, Lane.SERVER: 922}
TOP, LINE, SHAFT, BELOW = 58, 17, 8, 15
"""Room for the hosts' names, a line of text, the arrow under it, and what follows."""
LETTER = 7.6
"""Width of a letter of a fixed-width font at 12.5 units: 0.602 em, the widest of the usual ones, and a bit."""
LONGEST_TEXT = 6
"""Lines of one rung."""
PAUSE_NS = 500_000_000
"""From here on a pause is labelled: short enough for a slow answer, long enough to leave a healthy dialogue alone."""
NO_TIME_NS = 5_000_000
"""Takes no room of its own."""
LANE_NAME = 38
"""Letters of a host's name above its lane."""
ENDED = "What ended it:"


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
    """A line of text."""

    x: int
    y: int
    anchor: str
    text: str
    label: bool
    """Our label in front of the text."""


class Rung(NamedTuple):
    """One line of the conversation."""

    y: int
    """Baseline of its time and frame number."""
    time: str
    frame: str
    tone: str
    stroke: str
    words: list[Words]
    arrow: Arrow | None
    band: tuple[int, int] | None
    """Top and height of what is marked behind it: silence, or what ended the session."""


class Pause(NamedTuple):
    """Time that passed between two rungs, drawn shorter than it was."""

    top: int
    bottom: int
    text: str


class Band(NamedTuple):
    """A stage, from its first rung to the next one's."""

    top: int
    height: int
    text: str
    odd: bool


class Rail(NamedTuple):
    """A host's line."""

    x: int
    name: str
    role: str
    anchor: str
    name_x: int
    middle: bool


class Drawing(NamedTuple):
    """A ladder diagram."""

    width: int
    height: int
    rails: list[Rail]
    bands: list[Band]
    pauses: list[Pause]
    rungs: list[Rung]


def draw(told: Conversation, clock: Clock) -> Drawing:
    """The diagram of a conversation."""
    pen = _Pen(clock)
    rungs = [pen.rung(before, line) for before, line in pairwise([None, *told.lines]) if line is not None]
    height = pen.y + 8
    return Drawing(WIDTH, height, list(_rails(told)), list(pen.bands(height)), pen.pauses, rungs)


class _Pen:
    """Goes down the page."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.y = TOP
        self.pauses: list[Pause] = []
        self._stages: list[tuple[int, str]] = []

    def rung(self, before: Line | None, line: Line) -> Rung:
        self._pass(before, line)
        if not self._stages or self._stages[-1][1] != line.stage:
            self._stages.append((self.y, line.stage))
        top, words = self.y, self._words(line)
        self.y += LINE * len(words)
        arrow = _arrow(line, self.y + SHAFT - LINE + 13)
        self.y += (SHAFT if arrow else 0) + BELOW - 6
        banded = line.end or line.stroke in (Stroke.SILENCE, Stroke.ELIDED)
        timed = line.timed and (before is None or before.at != line.at)
        return Rung(
            top + 13,
            self._clock.fine(line.at.time_ns) if timed else "",
            line.frame if timed else "",
            line.tone.value,
            line.stroke.value,
            words,
            arrow,
            (top - 3, self.y - top - 1) if banded else None,
        )

    def _pass(self, before: Line | None, line: Line) -> None:
        """Leave room for the time that passed since the line before."""
        if before is None or not line.timed:
            return
        ns = line.at.time_ns - before.until.time_ns
        if before.stroke is Stroke.SILENCE:  # has said already how long it was
            ns = 0
        room = round(7 * log10(max(1.0, ns / NO_TIME_NS)))
        if ns >= PAUSE_NS and before.stroke is not Stroke.ELIDED:
            room += 14
            self.pauses.append(Pause(self.y, self.y + room - 4, f"{duration_text(ns)} later"))
        self.y += room

    def _words(self, line: Line) -> list[Words]:
        x, anchor, room = _place(line)
        if line.whole:
            texts = wrapped(line.text, room, LONGEST_TEXT)
        else:
            first, _, rest = line.text.partition("\n")
            more = f" (+{rest.count(chr(10)) + 1} more)" if rest else ""
            texts = [cut(first, room - len(more)) + more]
        labelled = [*([(ENDED, True)] if line.end else []), *((text, False) for text in texts)]
        return [
            Words(x, self.y + 13 + LINE * number, anchor, text, label) for number, (text, label) in enumerate(labelled)
        ]

    def bands(self, height: int) -> Iterator[Band]:
        """The stages that were passed."""
        ends = [*(y for y, _ in self._stages[1:]), height + 4]
        for number, ((top, text), end) in enumerate(zip(self._stages, ends, strict=True)):
            yield Band(top - 4, end - top, text, bool(number % 2))


def _place(line: Line) -> tuple[int, str, int]:
    """Where its text stands: x, anchor, and the columns that it has."""
    if line.source is None or line.target is None:
        return LANES[Lane.MIDDLE], "middle", int((LANES[Lane.SERVER] - LANES[Lane.CLIENT] - 24) / LETTER)
    source, target = LANES[line.source], LANES[line.target]
    room = int((abs(target - source) - 24) / LETTER)
    return (source + 12, "start", room) if source < target else (source - 12, "end", room)


def _arrow(line: Line, y: int) -> Arrow | None:
    if line.source is None or line.target is None:
        return None
    x1, x2 = LANES[line.source], LANES[line.target]
    ahead = 1 if x2 > x1 else -1
    tip, back = x2 - 2 * ahead, x2 - 11 * ahead
    return Arrow(x1, back, y, f"{tip},{y} {back},{y - 4} {back},{y + 4}", x1 + 7 * ahead)


_LOOKS = {
    Lane.CLIENT: ("client", "start", -6),
    Lane.MIDDLE: ("in between", "middle", 0),
    Lane.SERVER: ("server", "end", 6),
}


def _rails(told: Conversation) -> Iterator[Rail]:
    for lane, (role, anchor, shift) in _LOOKS.items():
        if lane in told.names:
            x = LANES[lane]
            yield Rail(x, cut(told.names[lane], LANE_NAME), role, anchor, x + shift, lane is Lane.MIDDLE)
