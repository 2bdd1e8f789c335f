"""The small parts that the text report is made of."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone

import pytest

from pcapdiag.model import Moment, Side, Stage
from pcapdiag.report.clock import Clock
from pcapdiag.report.glyphs import can_draw
from pcapdiag.report.rungs import Rung
from pcapdiag.report.telling import runs
from pcapdiag.report.text.ladder import Ladder
from pcapdiag.report.text.style import Style, columns
from pcapdiag.report.words import count, listed, sentence, where
from tests.factories import T0, at


def style(width: int = 80, *, unicode: bool = True) -> Style:
    return Style(width=width, colour=False, unicode=unicode)


@pytest.mark.parametrize(
    ("text", "width"), [("", 0), ("mail", 4), ("поча", 4), ("郵便", 4), ("e\u0301", 1), ("\x1b[31mred\x1b[0m", 3)]
)
def test_columns(text: str, width: int) -> None:
    assert columns(text) == width


@pytest.mark.parametrize(
    ("text", "width", "cut"), [("abcdef", 6, "abcdef"), ("abcdefg", 6, "abcde…"), ("郵便受け", 6, "郵便…")]
)
def test_cut(text: str, width: int, cut: str) -> None:
    assert style().cut(text, width) == cut
    assert columns(cut) <= width


def test_prose_keeps_a_number_with_its_noun() -> None:
    text = "the server reset the connection in this place of the page, which is frame 12, after 10 ms"
    for width in range(60, 90):
        for line in style(width).prose(text):
            assert not line.endswith(("frame", "10"))


@pytest.mark.parametrize(
    ("encoding", "able"), [("utf-8", True), ("cp1252", False), ("ascii", False), (None, False), ("runic", False)]
)
def test_can_draw(encoding: str | None, able: bool) -> None:
    assert can_draw(encoding) is able


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ([7], "7"),
        ([1, 2, 3, 9], "1-3, 9"),
        ([5, 4, 4], "4-5"),
        (list(range(1, 40, 2)), "1, 3, 5, 7, 9, 11, 13, 15, ..."),
    ],
)
def test_runs(numbers: list[int], text: str) -> None:
    assert runs(numbers) == text


@pytest.mark.parametrize(
    ("offset", "text"),
    [
        (timedelta(0), "2023-11-14 22:13:20 UTC"),
        (timedelta(hours=5, minutes=30), "2023-11-15 03:43:20 +05:30"),
        (timedelta(hours=-3, minutes=-30), "2023-11-14 18:43:20 -03:30"),
    ],
)
def test_clock(offset: timedelta, text: str) -> None:
    assert Clock(timezone(offset)).full(T0) == text


def test_clock_spans() -> None:
    clock, day = Clock(UTC), 86_400 * 10**9
    assert clock.span(T0, T0 + 10) == "2023-11-14 22:13:20 UTC"
    assert clock.span(T0, T0 + 10**9) == "2023-11-14 22:13:20 to 22:13:21 UTC"
    assert clock.span(T0, T0 + day) == "2023-11-14 22:13:20 to 2023-11-15 22:13:20 UTC"


@pytest.mark.parametrize("time_ns", [-(2**63), 0, 2**63 - 1, 2**70])
def test_clock_survives_broken_clocks(time_ns: int) -> None:
    Clock(None).full(time_ns)
    Clock(UTC).fine(time_ns)


def test_words() -> None:
    assert count(1, "session") == "1 session"
    assert count(12_000, "session") == "12,000 sessions"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert sentence("it said: no") == "It said: no."
    assert sentence("it said so.", " (frame 3)") == "It said so (frame 3)."
    assert sentence("while it happens again:") == "While it happens again:"


def test_the_stage_says_on_which_side_of_the_reply() -> None:
    assert where(Stage.END_OF_DATA, Side.SERVER) == "after the final dot, before the reply to the message"
    assert where(Stage.END_OF_DATA, Side.CLIENT) == "after the reply to the message, before the next command"
    assert where(Stage.BODY, Side.CLIENT) == "in the message's text, after the go-ahead (354)"


def draw(*rungs: Rung, whole: bool = False, width: int = 80) -> list[str]:
    ladder = Ladder(style(width), Clock(UTC), several_files=False)
    return list(ladder.draw(rungs, "client.example", "server.example", whole=whole))


def test_ladder_points_from_speaker_to_listener() -> None:
    _, asked, said = draw(Rung(at(1), Side.CLIENT, "EHLO a"), Rung(at(2, 0.5), Side.SERVER, "250 b"))
    assert asked.startswith("  22:13:20.000               1  │ EHLO a ──")
    assert asked.endswith("──► │")
    assert said.startswith("  22:13:20.500    500 ms     2  │ ◄──")
    assert said.endswith("── 250 b │")


def test_ladder_tells_what_came_in_one_frame_under_one_time() -> None:
    _, _, second = draw(Rung(at(1), Side.CLIENT, "MAIL"), Rung(at(1), Side.CLIENT, "RCPT"))
    assert second.strip().startswith("│ RCPT")


def test_ladder_marks_the_end_and_the_silence() -> None:
    lines = draw(
        Rung(at(1), Side.CLIENT, "DATA"),
        Rung(at(1), None, "12 s of silence", timed=False),
        Rung(at(2, 12), Side.SERVER, "RST", end=True),
    )
    assert "┊" in lines[2]
    assert "12 s     2 ×│ ◄" in lines[3]


def test_ladder_tells_a_refusal_in_full_and_other_replies_in_a_line() -> None:
    text = "\n".join(["550 no", *(f"because of reason {number} " + "and more " * 8 for number in range(9))])
    assert len(draw(Rung(at(1), Side.SERVER, text))) == 2
    told = draw(Rung(at(1), Side.SERVER, text, whole=True))
    assert len(told) == 6
    assert "(+24 lines)" in told[-1]
    assert {columns(line) for line in told[1:]} == {80}


def test_long_ladder_is_told_from_both_ends() -> None:
    rungs = [Rung(at(number, number), Side.CLIENT, f"NOOP {number}") for number in range(1, 101)]
    lines = draw(*rungs)
    assert any("60 more, frames 15 to 74" in line for line in lines)
    assert "NOOP 14 " in lines[14]
    assert "NOOP 75 " in lines[16]
    assert len(draw(*rungs, whole=True)) == 101


def test_ladder_over_several_files_names_them() -> None:
    ladder = Ladder(style(), Clock(UTC), several_files=True)
    lines = list(ladder.draw([Rung(Moment(T0, 1, 38), Side.CLIENT, "QUIT")], "a", "b", whole=True))
    assert " 1:38 " in lines[1]
