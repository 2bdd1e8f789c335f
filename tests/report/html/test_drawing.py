"""The ladder diagram: who speaks from which lane, that words fit between the lanes, and that time can be seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from itertools import pairwise
from pathlib import Path

import pytest

from pcapdiag import analyze
from pcapdiag.analysis import Judged, KeepDialogue
from pcapdiag.model import Party, Side
from pcapdiag.report.clock import Clock
from pcapdiag.report.html.conversation import HEAD, TAIL, Lane, Line, Stroke, conversation
from pcapdiag.report.html.drawing import LETTER, NARROW, WIDE, Drawing, Layout, draw
from pcapdiag.report.html.measure import columns, cut, wrapped
from pcapdiag.tcp.connection import Odd
from tests.factories import at, make_command, make_connection, make_dialogue, make_judged, make_segment
from tests.report.stories import STORIES, black_hole, gateway_reset

SCENES = Path(__file__).parents[3] / "captures"
CLOCK = Clock(UTC)
LAYOUTS = pytest.mark.parametrize("layout", [WIDE, NARROW], ids=lambda layout: layout.name)


def scene(name: str) -> Judged:
    """The first session of a sample capture."""
    return next(iter(analyze([SCENES / name / "capture.pcap"], keep_dialogue=KeepDialogue.ALL).sessions))


def lines(judged: Judged) -> list[Line]:
    return conversation(judged, whole=False).lines


def ended(judged: Judged) -> Line:
    """The line that ended it."""
    (line,) = [line for line in lines(judged) if line.end]
    return line


def drawn(judged: Judged, layout: Layout = WIDE) -> Drawing:
    return draw(conversation(judged, whole=False), CLOCK, layout)


def stories() -> list[Judged]:
    return [judged for story in STORIES.values() for judged in list(story().sessions)[:3]]


@pytest.mark.parametrize(
    ("name", "source", "target"),
    [
        ("article-499-no-routing-hosts", Lane.SERVER, Lane.CLIENT),
        ("client-fin-in-body", Lane.CLIENT, Lane.SERVER),
        ("rst-to-both-ends", Lane.MIDDLE, Lane.CLIENT),  # it bears the server's address; the verdict says a device
        ("bare-rst-odd-ttl-in-body", Lane.MIDDLE, Lane.CLIENT),
        ("icmp-host-unreachable-in-body", Lane.MIDDLE, Lane.CLIENT),
        ("icmp-prohibited-at-connect-ipv6", Lane.MIDDLE, Lane.CLIENT),
        ("path-dies-in-body", Lane.CLIENT, Lane.SERVER),
    ],
)
def test_what_ended_it_comes_from_whom_the_verdict_names(name: str, source: Lane, target: Lane) -> None:
    line = ended(scene(name))
    assert (line.source, line.target) == (source, target)


def test_an_icmp_error_is_drawn_from_its_sender() -> None:
    told = conversation(scene("icmp-host-unreachable-in-body"), whole=False)
    assert told.names[Lane.MIDDLE] == "203.0.113.9"


def test_no_lane_for_a_device_that_is_not_there() -> None:
    assert Lane.MIDDLE not in conversation(gateway_reset(), whole=False).names


def test_a_host_that_sends_the_error_itself_has_its_own_lane() -> None:
    (judged,) = black_hole().sessions
    (moment, error), *_ = judged.session.connection.icmp
    own = error._replace(sender=judged.session.server.address)
    connection = replace(judged.session.connection, icmp=((moment, own),), segments=())
    line = next(
        line
        for line in lines(judged._replace(session=judged.session._replace(connection=connection)))
        if "ICMP" in line.text
    )
    assert (line.source, line.target) == (Lane.SERVER, Lane.CLIENT)


def test_a_close_that_a_device_made_is_said_to_bear_anothers_name() -> None:
    judged = gateway_reset()
    forged = judged._replace(verdict=judged.verdict._replace(dropped_by=Party.MIDDLEBOX))
    assert ended(forged).source is Lane.MIDDLE
    assert ended(forged).text.endswith("in the name of the server")


def test_stages_follow_the_conversation() -> None:
    stages = [line.stage for line in lines(scene("article-499-no-routing-hosts"))]
    assert list(dict.fromkeys(stages)) == ["connect", "greeting", "ehlo", "mail", "rcpt", "data", "body"]


def test_strokes_say_without_colour_what_is_unusual() -> None:
    (judged,) = black_hole().sessions
    strokes = {line.stroke for line in lines(judged)}
    assert {Stroke.AGAIN, Stroke.MISSING, Stroke.ELIDED} <= strokes
    legend = conversation(judged, whole=False).legend
    assert "dashed" in legend
    assert "dotted" in legend
    assert "RST" not in legend


def test_a_long_conversation_is_told_from_both_ends() -> None:
    noops = tuple(make_command(b"NOOP", b"%d" % number, 20 + number, 4 + number) for number in range(200))
    long = make_judged(dialogue=make_dialogue(entries=noops))
    told = lines(long)
    assert len(told) == HEAD + TAIL + 1
    assert "more lines, frames" in told[HEAD].text
    assert len(conversation(long, whole=True).lines) > 200


@LAYOUTS
@pytest.mark.parametrize("judged", stories(), ids=lambda judged: judged.verdict.rule)
def test_everything_stands_on_the_drawing_in_order(judged: Judged, layout: Layout) -> None:
    drawing = drawn(judged, layout)
    tops = [rung.words[0].y for rung in drawing.rungs]
    assert tops == sorted(tops)
    for rung in drawing.rungs:
        for word in rung.words:
            assert 0 <= word.x <= drawing.width
            assert word.y < drawing.height
        if rung.arrow:
            assert max(word.y for word in rung.words) < rung.arrow.y
    for above, below in pairwise(drawing.rungs):
        if above.arrow:
            assert above.arrow.y < min(word.y for word in below.words) - 8, "no arrow through the words below it"


@LAYOUTS
@pytest.mark.parametrize("judged", stories(), ids=lambda judged: judged.verdict.rule)
def test_words_fit_between_the_lanes(judged: Judged, layout: Layout) -> None:
    room = layout.lanes[Lane.SERVER] - layout.lanes[Lane.CLIENT]
    for rung in drawn(judged, layout).rungs:
        for word in rung.words:
            if word.kind == "word":
                assert columns(word.text) * LETTER <= room


def test_longer_pauses_take_more_room_and_are_labelled() -> None:
    def gap(seconds: float) -> tuple[int, list[str]]:
        noops = (make_command(b"NOOP", b"1", 20, 4.0), make_command(b"NOOP", b"2", 21, 4.0 + seconds))
        drawing = drawn(make_judged(dialogue=make_dialogue(entries=noops), connection=make_connection(segments=())))
        first, second = [rung for rung in drawing.rungs if rung.words[-1].text.startswith("NOOP")]
        return second.words[0].y - first.words[0].y, [note.text for note in drawing.notes if note.kind == "pause"]

    rooms = [gap(seconds)[0] for seconds in (0.001, 0.1, 0.6, 9.0)]
    assert rooms == sorted(set(rooms))
    assert "600 ms later" in gap(0.6)[1]
    assert "100 ms later" not in gap(0.1)[1]


def test_a_run_of_retransmissions_says_how_long_it_took() -> None:
    again = tuple(make_segment(30 + n, Side.CLIENT, 4.0 + n, Odd.RETRANSMISSION, length=100) for n in range(4))
    connection = make_connection(segments=again, last=at(33, 40))
    pauses = [note.text for note in drawn(make_judged(connection=connection)).notes if note.kind == "pause"]
    assert "for 3 s" in pauses


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("", 10, [""]),
        ("one two", 10, ["one two"]),
        ("one two three", 7, ["one two", "three"]),
        ("x" * 25, 10, ["x" * 10, "x" * 10, "x" * 5]),
        ("one\ntwo", 10, ["one", "two"]),
        ("x " * 500, 10, ["x x x x x", "x x x x x", "(and more…"]),
    ],
)
def test_text_is_wrapped(text: str, width: int, lines: list[str]) -> None:
    assert wrapped(text, width, 3) == lines


def test_wide_letters_count_twice() -> None:
    assert columns("\u4f60\u597d") == 4
    assert cut("\u4f60\u597d\u4f60", 5) == "\u4f60\u597d…"
