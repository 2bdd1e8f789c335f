"""Whole reports: what they tell, in which order, that they stay within a limit, and that memory does not grow with the trace."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC

import pytest

from pcapdiag.analysis import Analysis, KeepDialogue
from pcapdiag.report import formats
from pcapdiag.report.dialects import dialect, names
from pcapdiag.report.document import (
    LONGEST,
    Block,
    Bullets,
    Code,
    Dialect,
    Facts,
    Fold,
    Heading,
    Numbered,
    Paragraph,
    Table,
)
from pcapdiag.report.options import Options
from pcapdiag.report.story import full, tell
from pcapdiag.version import __version__
from tests.factories import make_capture, make_judged
from tests.report.attacks import attacked
from tests.report.markup_goldens import FOLDER, PAGES, page
from tests.report.stories import STORIES, analysis_of, article, many, very_many

OPTIONS = Options(zone=UTC)


class Marked(Dialect):
    """Shows which texts have been escaped."""

    def escape(self, text: str) -> str:
        return f"<{text}>"

    def heading(self, level: int, text: str) -> str:
        return f"{level} {text}"

    def paragraph(self, text: str) -> str:
        return text

    def bullets(self, items: Sequence[str]) -> str:
        return " ".join(items)

    numbered = bullets

    def facts(self, rows: Sequence[tuple[str, str]]) -> str:
        return " ".join(label + text for label, text in rows)

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        return " ".join([*header, *(cell for row in rows for cell in row)])

    def code(self, lines: Sequence[str]) -> str:
        return "\n".join(lines)

    def fold(self, title: str, inside: str) -> str:
        return f"{title} {inside}"


BLOCKS: list[tuple[Block, str]] = [
    (Heading(2, "a  b\n"), "2 <a b>"),
    (Paragraph("x" * (LONGEST + 5)), f"<{'x' * LONGEST} (+5 characters)>"),
    (Bullets(["a", "b"]), "<a> <b>"),
    (Numbered(["a", "b"]), "<a> <b>"),
    (Facts([("a", "b")]), "<a><b>"),
    (Table(("a",), [("b",)]), "<a> <b>"),
    (Code(["a  b", "c\nd"]), "a  b\nc\nd"),
    (Fold("a", [Paragraph("b"), Code(["c"])]), "<a> <b>\n\nc"),
]


@pytest.mark.parametrize(("block", "written"), BLOCKS)
def test_a_dialect_is_given_escaped_text_only(block: Block, written: str) -> None:
    assert Marked().write([block]) == written + "\n\n"


@pytest.mark.parametrize("name", PAGES)
def test_page_is_the_committed_one(name: str) -> None:
    assert page(name) == (FOLDER / name).read_bytes().decode("utf-8"), (
        "if that is meant: python -m tests.report.goldens"
    )


@pytest.mark.parametrize("name", ["markdown", "jira", "textile", "note", "csv"])
def test_what_goes_to_others_says_so(name: str) -> None:
    assert formats.for_others(name)


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("level", ["none", "mail", "all"])
def test_the_last_line_says_who_made_it_and_what_it_hides(name: str, level: str) -> None:
    last = "".join(full(article()._replace(redaction=level), dialect(name), OPTIONS)).rstrip().splitlines()[-3:]
    told = re.sub(r"\s+", " ", " ".join(last))
    assert __version__ in told
    assert {"none": "Not redacted", "mail": "queue ids and sizes are the real", "all": "IP addresses are pseudonyms"}[
        level
    ] in told


def test_the_parts_of_a_report_in_their_order() -> None:
    checksum = "0123456789abcdef" * 4
    analysis = article()._replace(captures=(make_capture(path="/home/anna/a.pcap", sha256=checksum),))
    text = "".join(full(analysis, dialect("markdown"), OPTIONS))
    parts = [
        "4 SMTP sessions",
        "### Sessions",
        "Retry storm",
        "### Session 1",
        "Why we say so",
        "```text",
        "◄─",
        "else it could",
    ]
    parts += [
        "What to do next",
        "tcpdump",
        "In Wireshark",
        "ip.addr",
        "### Session 2",
        "<details>",
        "### Captures",
        checksum,
    ]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert "/home/anna" not in text


def test_the_conversation_can_be_left_out_and_drawn_in_ascii() -> None:
    assert "The conversation" not in "".join(
        full(article(), dialect("jira"), replace(OPTIONS, dialogue=KeepDialogue.NONE))
    )
    assert "".join(full(article(), dialect("jira"), replace(OPTIONS, unicode=False))).isascii()


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("story", STORIES)
def test_no_line_of_a_drawing_is_wider_than_the_ticket(name: str, story: str) -> None:
    for blocks in tell(STORIES[story](), OPTIONS).sessions:
        for block in blocks:
            drawing = block.blocks[0] if isinstance(block, Fold) else block
            if isinstance(drawing, Code) and len(drawing.lines) > 1:
                assert max(map(len, drawing.lines)) <= 100


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("limit", [2_500, 5_000, 20_000, 65_000])
@pytest.mark.parametrize("analysis", [article(), attacked(), many()], ids=["article", "attacked", "many"])
def test_a_limit_is_kept_by_cutting_between_sessions(analysis: Analysis, limit: int, name: str) -> None:
    whole, cut = ("".join(full(analysis, dialect(name), OPTIONS, limit=most)) for most in (None, limit))
    assert len(cut) <= limit
    assert "Credentials and the text of messages are in no report." in re.sub(r"\s+", " ", cut)[-120:]
    if len(whole) <= limit:
        assert cut == whole
    else:
        assert "no room for more sessions" in re.sub(r"\s+", " ", cut)


@pytest.mark.parametrize("name", ["markdown", "jira", "textile", "note", "csv"])
def test_twelve_thousand_sessions_cost_no_more_memory_than_a_few(name: str) -> None:
    analysis = very_many(12_000 if name != "csv" else 1_000)
    list(formats.render(name, many(60), OPTIONS))
    tracemalloc.start()
    lines = sum(piece.count("\n") for piece in formats.render(name, analysis, OPTIONS))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_500_000
    assert lines == 1_001 if name == "csv" else lines < 300


def test_an_orderly_session_alone_is_told_in_a_sentence() -> None:
    text = "".join(full(analysis_of([make_judged(7)]), dialect("markdown"), OPTIONS))
    assert "### Session 7" not in text
    assert "The session with `198.51.100.25` ended after" in text
    assert "| 7 | 22:13:20 | `192.0.2.10` (`mail.example.org`) |" in text
