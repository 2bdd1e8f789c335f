"""CSV: a row a session, which any reader takes apart again, and in which no spreadsheet finds a formula."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcapdiag.analysis import Analysis
from pcapdiag.report.csv import COLUMNS, LONGEST
from pcapdiag.report.formats import render
from pcapdiag.report.options import Options
from tests.factories import make_capture, make_dialogue, make_judged, make_reply
from tests.report.attacks import attacked
from tests.report.stories import STORIES, analysis_of, article

FORMULA = re.compile(r"[\s'\"]*[=+\-@＝＋－＠\t\r]")
NUMBER = re.compile(r"-?\d+(\.\d+)?(e[+-]\d+)?")


def written(analysis: Analysis) -> str:
    return "".join(render("csv", analysis, Options(zone=UTC)))


def rows(analysis: Analysis) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(written(analysis), newline=""), strict=True))


def restored(cell: str) -> str:
    """What a reader gets who does as the documentation says."""
    return re.sub(r"(^|;)'", r"\1", cell)


def said(text: bytes) -> dict[str, str]:
    """The row of a session whose greeting is that."""
    return rows(analysis_of([make_judged(dialogue=make_dialogue(greeting=make_reply(220, text, 4, 0.1)))]))[0]


CELLS = [
    # on the wire            # in the cell
    (b"mx.example.net", "mx.example.net"),
    (b"=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
    (b"+1", "'+1"),
    (b"-1", "'-1"),
    (b"@SUM(1)", "'@SUM(1)"),
    (b" =1", "' =1"),
    (b'"=1', "'\"=1"),
    (b"'=1", "''=1"),
    (b"'tis", "''tis"),
    ("＝1".encode(), "'＝1"),
    (b"\t=1", "\\x09=1"),
    (b"a;=1;b; @x", "a;'=1;b;' @x"),
    (b'a, "b"', 'a, "b"'),
]


@pytest.mark.parametrize(("wire", "cell"), CELLS)
def test_cell(wire: bytes, cell: str) -> None:
    assert said(wire)["greeting.text"] == cell


@given(st.text(";'\"=+-@\t a1,＝", max_size=30))
def test_no_formula_and_nothing_is_lost(text: str) -> None:
    cell = said(text.encode())["greeting.text"]
    assert not any(FORMULA.match(part) for part in (cell, *cell.split(";")) if not part.startswith("'"))
    assert restored(cell) == text.replace("\t", "\\x09")


def test_every_cell_of_a_hostile_story_is_inert_for_any_separator() -> None:
    text = written(attacked())
    for line in csv.reader(io.StringIO(text, newline=""), strict=True):
        assert len(line) == len(COLUMNS)
        for cell in line:
            assert not FORMULA.match(cell) or cell.startswith("'") or NUMBER.fullmatch(cell), cell
            assert len(cell) < LONGEST + 100
    for line in text.split("\r\n"):
        for cell in line.split(";"):
            assert not FORMULA.match(cell) or cell.startswith("'"), cell


@pytest.mark.parametrize("story", STORIES)
def test_a_row_a_session_a_line_a_row(story: str) -> None:
    analysis = STORIES[story]()
    text = written(analysis)
    assert text.count("\r\n") == len(analysis.sessions) + 1
    assert "\n" not in text.replace("\r\n", "")
    assert text.startswith("redaction,id,key,")


def test_it_says_what_json_says() -> None:
    told = json.loads("".join(render("json", article(), Options())))["sessions"]
    for row, session in zip(rows(article()), told, strict=True):
        for name, cell in row.items():
            assert_same(cell, list(values(session | {"redaction": "none", "captures": {}}, name.split("."))), name)


def values(thing: object, names: list[str]) -> Iterator[object]:
    if isinstance(thing, list):
        for each in thing:
            yield from values(each, names)
    elif not names:
        yield thing
    elif isinstance(thing, dict):
        yield from values(thing.get(names[0]), names[1:])


def assert_same(cell: str, values: list[object], name: str) -> None:
    if name == "captures.path":
        assert cell == "a.pcap"
    elif len(values) == 1 and isinstance(values[0], (int, float)) and not isinstance(values[0], bool):
        assert float(cell) == values[0]
    else:
        words = [
            {None: "", True: "true", False: "false"}.get(each, each)
            if each is None or isinstance(each, bool)
            else str(each)
            for each in values
        ]
        assert restored(cell) == " ".join(map(str, words)).replace("\n", "\\n")


def test_redaction_and_checksum_stand_in_every_row() -> None:
    analysis = article()._replace(
        redaction="mail", captures=(make_capture(path="/home/anna/a.pcap", sha256="0a" * 32),)
    )
    assert {(row["redaction"], row["captures.path"], row["captures.sha256"]) for row in rows(analysis)} == {
        ("mail", "a.pcap", "0a" * 32)
    }
