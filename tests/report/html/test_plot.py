"""The plot of a transfer: it shows what the segments say, only where there is something to see."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from pcapdiag import analyze
from pcapdiag.analysis import Judged, KeepDialogue
from pcapdiag.model import Side
from pcapdiag.report.html.plot import FRAME, Panel, _placed, _Time, plot
from pcapdiag.tcp.connection import Odd
from tests.factories import make_connection, make_judged, make_segment

SCENES = Path(__file__).parents[3] / "captures"


def transfer(number: int, *, again: int = 0, ms: float = 1.0, silence_s: float = 0.0) -> Judged:
    """So many segments of 1,448 octets, each acknowledged, and the last one sent again so many times."""
    segments = []
    for index in range(number):
        when = 0.1 + index * 2 * ms / 1000
        segments.append(make_segment(2 * index, Side.CLIENT, when, offset=1448 * index, length=1448, new=1448))
        segments.append(make_segment(2 * index + 1, Side.SERVER, when + ms / 1000, ack=1448 * (index + 1)))
    last = segments[-1].at.time_ns
    for index in range(again):
        lost = make_segment(1000 + index, Side.CLIENT, 0, Odd.RETRANSMISSION, offset=1448 * (number - 1), length=1448)
        moment = lost.at._replace(time_ns=last + round((index + 1) * silence_s * 1e9))
        segments.append(lost._replace(at=moment))
    return make_judged(connection=make_connection(segments=tuple(segments)))


def panel(judged: Judged) -> Panel:
    (one,) = plot(judged).panels
    return one


@pytest.mark.parametrize(
    ("judged", "sides"),
    [
        (make_judged(), 0),
        (transfer(2), 0),
        (transfer(3), 0),
        (transfer(4), 1),
        (transfer(1, again=1), 0),
        (transfer(1, again=2, silence_s=1), 1),
    ],
)
def test_only_where_there_is_something_to_see(judged: Judged, sides: int) -> None:
    assert len(plot(judged).panels) == sides


def test_strokes_are_the_segments() -> None:
    shown = panel(transfer(10, again=3, silence_s=30))
    assert (len(shown.new), len(shown.again)) == (10, 3)
    assert [stroke.x for stroke in shown.new] == sorted(stroke.x for stroke in shown.new)
    for below, above in pairwise(shown.new):
        assert below.y2 == above.y1, "each begins where the one before ended"
    assert {(stroke.y1, stroke.y2) for stroke in shown.again} == {(shown.new[-1].y1, shown.new[-1].y2)}
    assert shown.new[-1].y2 == min(float(point.split(",")[1]) for point in shown.acks), "all was acknowledged"


def test_a_transfer_is_seen_beside_silence_of_minutes() -> None:
    shown = panel(transfer(40, again=4, silence_s=60))
    width = shown.new[-1].x - shown.new[0].x
    assert width > FRAME.width / 4
    assert len(shown.cuts) >= 4
    labels = [tick.text for tick in shown.times]
    assert "240 s" in labels, "and the axis says how long it really was"


def test_a_slow_transfer_is_drawn_as_slow_as_it_was() -> None:
    shown = panel(transfer(20, ms=300))
    assert shown.cuts == []


def test_it_says_the_same_in_words() -> None:
    assert "sent again" in panel(transfer(5, again=2, silence_s=1)).says
    assert "sent again" not in panel(transfer(5)).says


def test_a_sample_is_called_one() -> None:
    judged = transfer(5)
    sampled = judged._replace(
        session=judged.session._replace(connection=replace(judged.session.connection, sampled=True))
    )
    assert plot(sampled).sampled
    assert not plot(judged).sampled


@pytest.mark.parametrize("name", ["pmtu-black-hole", "path-dies-in-body", "zero-window-stall", "lossy-path-delivers"])
def test_real_transfers_stand_inside_the_axes(name: str) -> None:
    analysis = analyze([SCENES / name / "capture.pcap"], keep_dialogue=KeepDialogue.ALL)
    panels = [panel for judged in analysis.sessions for panel in plot(judged).panels]
    assert panels
    for shown in panels:
        for stroke in (*shown.new, *shown.again):
            assert FRAME.left <= stroke.x <= FRAME.right
            assert FRAME.top <= stroke.y2 < stroke.y1 <= FRAME.bottom
        places = sorted(tick.at for tick in shown.times)
        assert all(later - earlier >= 60 for earlier, later in pairwise(places)), "labels apart"


def test_no_label_of_an_event_stands_upon_another() -> None:
    """Six resets within a second, after a minute: the first given, which ended it, keeps its label, the last have none."""
    moments = [(round(60e9 + number * 1e6), f"RST client, frame {number}", "rst") for number in range(6)]
    everything = [*(round(number * 1e9) for number in range(60)), *(when for when, _, _ in moments)]
    events = list(_placed(moments, _Time(everything)))
    assert [bool(event.text) for event in events] == [True, True, False, False, False, False]
    assert events[0].y != events[1].y
