"""Screens as text: of every size, and with what an attacker writes."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import UTC

import pytest
from rich.console import Console
from rich.screen import Screen as Whole

from pcapdiag.live.telling import Teller
from pcapdiag.live.view.board import Board, Row
from pcapdiag.live.view.report import Report
from pcapdiag.live.view.screen import Screen
from pcapdiag.model import Endpoint
from pcapdiag.pseudonym import Level, Pseudonyms
from pcapdiag.report.clock import Clock
from pcapdiag.report.options import Options
from tests.live.events import dropped, info, judged, opened, orderly, pulse

CLOCK = Clock(UTC)
SGR = re.compile(r"\x1b\[[\d;]*m")


def drawn(screen: Screen, text: object, *, colour: bool = False) -> list[str]:
    """The lines that reach the terminal."""
    with io.StringIO() as out:
        size = {"width": screen.columns, "height": screen.lines}
        console = Console(file=out, force_terminal=True, no_color=not colour, color_system="standard", **size)
        console.print(Whole(text), end="")  # type: ignore[arg-type]
        said = out.getvalue()
    lines = SGR.sub("", said).split("\n")
    assert "\x1b" not in "".join(lines)
    return lines


def full() -> Board:
    board = Board(lambda judged: judged)
    for event in (
        opened(1),
        dropped(2, final=False),
        orderly(3),
        pulse(1),
        replace(pulse(2), dropped=7, down=("eth0",)),
    ):
        board.hear(event)
    return board


def listed(columns: int, lines: int, *, unicode: bool = True) -> list[str]:
    board = full()
    screen = Screen(columns, lines, CLOCK, unicode=unicode)
    rows = board.rows(dropped_only=False)
    return drawn(screen, screen.sessions("eth0", board.numbers(), rows, 0, 2, "a note", False))


def test_a_list_of_eighty_columns() -> None:
    lines = listed(80, 24)
    assert lines[0].startswith(" pcapdiag live  eth0")
    assert "1 open  2 ended  1 dropped  100 packets/s  7 lost  down: eth0" in lines[1]
    assert any(re.search(r" server +data +likely\? +delayed", line) for line in lines[3:6])
    assert any(re.search(r" running", line) for line in lines[3:6])
    assert lines[-2].startswith(" a note")
    assert "q quit" in lines[-1]


@pytest.mark.parametrize("columns", [20, 40, 80, 81, 110, 111, 250])
@pytest.mark.parametrize("lines", [6, 7, 24, 60])
def test_it_fills_a_screen_of_any_size(columns: int, lines: int) -> None:
    told = listed(columns, lines)
    assert [len(line) for line in told] == [columns] * lines


def test_a_terminal_without_our_glyphs_gets_ascii() -> None:
    assert "".join(listed(40, 24, unicode=False)).isascii()
    assert not "".join(listed(40, 24)).isascii()


def test_ports_and_long_addresses_are_shown_where_there_is_room() -> None:
    ends = Endpoint("2001:db8:1111:2222:3333:4444:5555:6666", 49152), Endpoint("2001:db8::25", 25)
    row = Row(1, 0, *ends)
    for columns, shown in ((80, "2001:db8:1111:2222:3333:444…"), (160, f"{ends[0]} > {ends[1]}")):
        screen = Screen(columns, 24, CLOCK, unicode=True)
        board = Board(lambda judged: judged)
        assert shown in drawn(screen, screen.sessions("eth0", board.numbers(), [row], 0, None, "", False))[3]


HOSTILE = b"[bold red]x[/bold red] :smile: \x1b[2J\x1b]0;a\x07 \xe2\x80\xae"


def hostile() -> Row:
    one = dropped(2).judged
    dialogue = one.session.dialogue
    greeting = dialogue.greeting
    assert greeting is not None
    said = greeting._replace(lines=(HOSTILE,))
    entries = tuple(said if entry == greeting else entry for entry in dialogue.entries)
    session = one.session._replace(dialogue=dialogue._replace(greeting=said, helo=HOSTILE, entries=entries))
    return Row(2, 0, session.client, session.server, one._replace(session=session), ended=True, final=True)


@pytest.mark.parametrize("colour", [False, True])
def test_what_an_attacker_writes_is_text(colour: bool) -> None:
    teller = Teller(Pseudonyms(Level.NONE), Options(zone=UTC, colour=colour), info)
    report = Report(hostile(), teller)
    screen = Screen(200, 80, CLOCK, unicode=True)
    said = "\n".join(drawn(screen, screen.report(report, "\x1b[31mnote"), colour=colour))
    assert "[bold red]x[/bold red]" in said
    assert ":smile:" in said
    assert r"\x1b[2J" in said
    assert r"\u202e" in said
    assert "\u202e" not in said


def test_a_report_begins_with_the_verdict_and_the_ladder() -> None:
    teller = Teller(Pseudonyms(Level.NONE), Options(zone=UTC), info)
    one = dropped(2).judged
    report = Report(Row(2, 0, one.session.client, one.session.server, one, ended=True, final=True), teller)
    screen = Screen(80, 24, CLOCK, unicode=True)
    said = drawn(screen, screen.report(report, ""))
    assert "reset the connection" in said[1]
    assert said[3].startswith("THE CONVERSATION")
    assert any("×" in line for line in said)
    report.first = 1000
    assert all(not line.strip() for line in drawn(screen, screen.report(report, ""))[3:22])


def test_a_session_that_nobody_has_looked_at_yet_says_so() -> None:
    row = Row(1, 0, Endpoint("192.0.2.1", 1), Endpoint("192.0.2.2", 25))
    report = Report(row, Teller(Pseudonyms(Level.NONE), Options(zone=UTC), info))
    assert "once a second" in report.lines(80)[0]
    report.look(replace(row, judged=judged("delivery")))
    assert report.title.endswith("running, so far")
    assert len(report.lines(80)) > 20
