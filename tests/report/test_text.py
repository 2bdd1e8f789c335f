"""The text report: its pages, and what no page may ever do."""

from __future__ import annotations

import re
import tracemalloc
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from pcapdiag.analysis import Analysis, KeepDialogue
from pcapdiag.report.formats import names, render
from pcapdiag.report.options import Options
from pcapdiag.report.text.style import columns
from tests.factories import make_judged
from tests.report.goldens import FOLDER, PAGES, page
from tests.report.stories import HOSTILE, STORIES, analysis_of, article, hostile, many, very_many

UNBREAKABLE = re.compile(r"tcpdump|\.addr == ")
"""Lines to copy into another program: longer than any page."""


def text(analysis: Analysis, **options: object) -> str:
    return "".join(render("text", analysis, Options(**({"zone": UTC} | options))))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", PAGES)
def test_page_is_the_committed_one(name: str) -> None:
    golden = (FOLDER / f"{name}.txt").read_bytes().decode("utf-8")
    assert page(name) == golden, "if that is meant: python -m tests.report.goldens"


def test_every_golden_has_its_page() -> None:
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(PAGES)


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize("story", STORIES)
def test_no_line_is_wider_than_the_page(story: str, unicode: bool, width: int) -> None:
    for line in text(STORIES[story](), width=width, unicode=unicode).splitlines():
        if not UNBREAKABLE.search(line):
            assert columns(line) <= width, line


@pytest.mark.parametrize("story", STORIES)
def test_ascii_pages_are_ascii(story: str) -> None:
    page = text(STORIES[story](), unicode=False)
    assert page.encode("ascii", "replace").decode() == page or story == "hostile"


@pytest.mark.parametrize("colour", [True, False])
def test_nothing_from_the_wire_reaches_the_terminal_raw(colour: bool) -> None:
    page = text(hostile(), colour=colour)
    ours = re.compile(r"\x1b\[(?:0|1|2|3[1-6])(?:;(?:1|2|3[1-6]))?m")
    left = ours.sub("", page) if colour else page
    assert not [char for char in left if not char.isprintable() and char != "\n"]
    assert "\\x1b[2J" in page
    assert HOSTILE.decode("latin-1") not in page


def test_colour_is_only_where_it_was_asked_for() -> None:
    assert "\x1b" not in text(article())
    coloured = text(article(), colour=True)
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == text(article())


def test_times_are_local_with_their_offset() -> None:
    page = text(article(), zone=ZoneInfo("Asia/Kolkata"))
    assert "times +05:30" in page
    assert "2023-11-15 03:43:20 +05:30" in page


def test_asked_for_by_id_an_orderly_session_is_told_whole() -> None:
    page = text(analysis_of([make_judged(7)]), only=frozenset({7}), dialogue=KeepDialogue.ALL)
    assert "Session 7" in page
    assert "221 2.0.0 Bye" in page


def test_without_dialogue_there_is_no_ladder() -> None:
    assert "THE CONVERSATION" in text(article())
    assert "THE CONVERSATION" not in text(article(), dialogue=KeepDialogue.NONE)


def test_many_sessions_are_groups_and_examples_of_each_kind() -> None:
    page = text(many(60))
    assert "GROUPS" in page
    assert page.count("── Session") == 3
    assert "Told in full: 3 of 40 sessions." in page
    assert text(many(60), details=30).count("── Session") == 30
    assert text(many(60), details=0).count("── Session") == 0


def test_twelve_thousand_sessions_cost_no_more_memory_than_a_few() -> None:
    analysis = very_many(12_000)
    tracemalloc.start()
    page = text(analysis)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000
    assert len(page.splitlines()) < 250


def test_formats_are_the_files_of_their_directory() -> None:
    assert {"text", "json", "jsonl"} <= set(names())
