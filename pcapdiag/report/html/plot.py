"""A connection's segments to a sequence/time plot: how a transfer went, and where it stopped.

One panel for each side that sent enough to see: its octets upwards, time to the right, each segment a stroke at the octets
it carried, the other side's acknowledgements a line below them (after tcptrace's time-sequence graph). Long pauses are
drawn short, so that a transfer of 100 ms is seen beside retransmissions over two minutes; the axis says what was cut.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from pcapdiag.analysis import Judged
from pcapdiag.model import Side
from pcapdiag.report.clean import duration_text
from pcapdiag.report.words import SIDE, count, sentence
from pcapdiag.tcp.connection import Connection, Odd, Segment


class Frame(NamedTuple):
    """The drawing's size, and where its axes stand."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int


FRAME = Frame(940, 252, 84, 916, 34, 206)
MARGIN = 6
"""Between the axis of octets and the first segment."""
SEGMENTS, OCTETS = 4, 4_000
"""A side that sent less in one direction has nothing to see, unless it sent something again."""
AGAIN = 2
MOST = 1_500
"""Segments drawn; of more, every odd one and some of the others."""
USUAL, SHORTEST_CAP_NS = 4, 1_000_000
"""A pause is drawn no longer than four times the usual one, or an eighth of all usual ones together if that is more."""
MOST_EVENTS = 6
LABEL_APART = 72
"""Room that a label of the time axis takes."""


class Stroke(NamedTuple):
    """A segment: where and from which height to which."""

    x: float
    y1: float
    y2: float


class Tick(NamedTuple):
    """A label of an axis, with its line."""

    at: float
    text: str
    anchor: str = "middle"


class Event(NamedTuple):
    """A FIN, a RST, an ICMP error or the end, as a line over the whole height."""

    x: float
    y: int
    anchor: str
    text: str
    kind: str


class Cut(NamedTuple):
    """A pause that is drawn shorter than it was."""

    x: float
    width: float


class Panel(NamedTuple):
    """One side's octets over time."""

    frame: Frame
    title: str
    says: str
    """The same in words."""
    new: list[Stroke]
    again: list[Stroke]
    acks: list[str]
    """Points of the line of acknowledgements."""
    heights: list[Tick]
    times: list[Tick]
    cuts: list[Cut]
    events: list[Event]


class Plot(NamedTuple):
    """The panels of a session; there may be none."""

    panels: list[Panel]
    sampled: bool


def plot(judged: Judged) -> Plot:
    """The plot of a session's transfer."""
    connection = judged.session.connection
    drawn = _thinned(connection.segments)
    sides = [side for side in Side if _worth_it(drawn, side)]
    if not sides:
        return Plot([], False)
    events = _events(judged)
    times = [segment.at.time_ns for segment in drawn] + [time for time, _, _ in events]
    scale = _Time(times)
    panels = [_panel(connection, drawn, side, scale, events) for side in sides]
    return Plot(panels, connection.sampled or len(drawn) < len(connection.segments))


def _worth_it(segments: Sequence[Segment], side: Side) -> bool:
    data = [segment for segment in segments if segment.side is side and segment.length]
    again = sum(1 for segment in data if segment.odd & Odd.RETRANSMISSION)
    return again >= AGAIN or (len(data) >= SEGMENTS and sum(segment.length for segment in data) >= OCTETS)


def _thinned(segments: Sequence[Segment]) -> Sequence[Segment]:
    if len(segments) <= MOST:
        return segments
    step = len(segments) // MOST + 1
    return [segment for number, segment in enumerate(segments) if segment.odd is not Odd.NONE or number % step == 0][
        : 2 * MOST
    ]


class _Time:
    """Nanoseconds to x. A pause counts as long as it was up to a cap, so that everything has room."""

    def __init__(self, times_ns: Sequence[int]) -> None:
        self._times = sorted(set(times_ns)) or [0]
        gaps = [later - earlier for earlier, later in pairwise(self._times)]
        usual = USUAL * sorted(gaps)[len(gaps) // 2] if gaps else 0
        cap = max(usual, sum(gap for gap in gaps if gap <= usual) // 8, SHORTEST_CAP_NS)
        steps = [min(gap, cap) for gap in gaps]
        unit = (FRAME.right - FRAME.left - 2 * MARGIN) / max(1, sum(steps))
        self._xs = [float(FRAME.left + MARGIN)]
        for step in steps:
            self._xs.append(self._xs[-1] + step * unit)
        self.cuts = [
            Cut(round(x1, 1), round(x2 - x1, 1))
            for gap, (x1, x2) in zip(gaps, pairwise(self._xs), strict=True)
            if gap > 2 * cap
        ]

    def x(self, time_ns: int) -> float:
        """Where a moment stands that the scale was made of."""
        return round(self._xs[max(0, bisect_right(self._times, time_ns) - 1)], 1)

    def ticks(self) -> Iterator[Tick]:
        """Labels of the axis: the ends of what was cut first, since there the time jumps, then whatever has room."""
        took = self._times[-1] - self._times[0]
        wanted = [(self._xs[0], 0, "start"), (self._xs[-1], took, "end")]
        jumps = {cut.x for cut in self.cuts} | {round(cut.x + cut.width, 1) for cut in self.cuts}
        at = list(zip(self._xs, self._times, strict=True))
        wanted += [(x, ns - self._times[0], "middle") for x, ns in at if round(x, 1) in jumps]
        wanted += [(x, ns - self._times[0], "middle") for x, ns in at]
        placed: list[float] = []
        for x, ns, anchor in wanted:
            if all(abs(x - other) >= LABEL_APART for other in placed):
                placed.append(x)
                yield Tick(round(x, 1), duration_text(ns) if ns else "0", anchor)


class _Height:
    """Octets to y."""

    def __init__(self, most: int) -> None:
        self._most = max(1, most)

    def y(self, octets: int) -> float:
        room = FRAME.bottom - FRAME.top
        return round(FRAME.bottom - room * max(0, min(octets, self._most)) / self._most, 1)

    def ticks(self) -> list[Tick]:
        step = _round_step(self._most)
        return [Tick(self.y(octets), f"{octets:,}", "end") for octets in range(0, self._most + 1, step)]


def _round_step(most: int) -> int:
    """1, 2 or 5 times a power of ten, such that three to six labels do."""
    step = 1
    while True:
        for factor in (1, 2, 5):
            if most / (step * factor) <= 5:
                return step * factor
        step *= 10


def _panel(
    connection: Connection,
    segments: Sequence[Segment],
    side: Side,
    time: _Time,
    events: Sequence[tuple[int, str, str]],
) -> Panel:
    data = [segment for segment in segments if segment.side is side and segment.length]
    height = _Height(max(segment.offset + segment.length for segment in data))

    def strokes(again: bool) -> list[Stroke]:
        return [
            Stroke(time.x(each.at.time_ns), height.y(each.offset), height.y(each.offset + each.length))
            for each in data
            if bool(each.odd & Odd.RETRANSMISSION) is again
        ]

    return Panel(
        FRAME,
        f"{SIDE[side].removeprefix('the ').capitalize()}'s octets over time",
        _in_words(connection, data, side),
        strokes(False),
        strokes(True),
        list(_acks(segments, side, time, height)),
        height.ticks(),
        list(time.ticks()),
        time.cuts,
        list(_placed(events, time)),
    )


def _acks(segments: Sequence[Segment], side: Side, time: _Time, height: _Height) -> Iterator[str]:
    """A staircase of what the other side had acknowledged."""
    level = None
    for segment in segments:
        if segment.side is side or segment.ack is None or (level is not None and segment.ack < level):
            continue
        x = time.x(segment.at.time_ns)
        if level is not None:
            yield f"{x},{height.y(level)}"
        level = segment.ack
        yield f"{x},{height.y(level)}"
    if level is not None:
        yield f"{FRAME.right - MARGIN},{height.y(level)}"


def _in_words(connection: Connection, data: Sequence[Segment], side: Side) -> str:
    half = connection.half(side)
    again = [segment for segment in data if segment.odd & Odd.RETRANSMISSION]
    new = [segment for segment in data if not segment.odd & Odd.RETRANSMISSION] or data
    took = duration_text(new[-1].at.time_ns - new[0].at.time_ns)
    text = f"{SIDE[side]} sent {count(half.octets, 'octet')} in {took}; {SIDE[side.other]} acknowledged {half.acked:,} of them"
    if again:
        text += f"; {count(len(again), 'segment was', 'segments were')} sent again"
    return sentence(text)


def _events(judged: Judged) -> list[tuple[int, str, str]]:
    """(when, words, kind) of what closed or disturbed the connection."""
    connection, end = judged.session.connection, judged.verdict.end
    found = [(fin.at, f"FIN {fin.side.value}", "fin") for fin in connection.closing.fins]
    found += [(reset.at, f"RST {reset.claimed.value}", "rst") for reset in connection.closing.resets]
    found += [(at, "ICMP", "icmp") for at, _ in connection.icmp]
    found.sort(key=lambda each: (each[0] != end, each[0]))
    kept = sorted(found[:MOST_EVENTS])
    return [(at.time_ns, f"{words}, frame {at.frame}", kind) for at, words, kind in kept]


def _placed(events: Sequence[tuple[int, str, str]], time: _Time) -> Iterator[Event]:
    """Their lines; labels stand in two rows, on the side that has room."""
    for number, (ns, text, kind) in enumerate(events):
        x = time.x(ns)
        left = x > FRAME.width / 2
        yield Event(x, 12 + 13 * (number % 2), "end" if left else "start", text, kind)


__all__ = ["FRAME", "Panel", "Plot", "plot"]
