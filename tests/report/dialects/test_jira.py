"""Jira's wiki markup: after what its renderer takes for escaped, nothing is left for it to act on.

No renderer of Jira can be had here; the rule of its backslash is modelled as its source and the editor of Jira Cloud have it.
"""

from __future__ import annotations

import html
import re
from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcapdiag.report.dialects import dialect
from pcapdiag.report.document import LONGEST, Bullets, Code, Facts, Heading, Paragraph, Table, capped
from pcapdiag.report.options import Options
from pcapdiag.report.story import full
from tests.report.attacks import LINES, attacked

JIRA = dialect("jira")

EXAMPLES = [
    # said                                   # written
    ("The server said no (frame 12).", "The server said no (frame 12)."),
    ("<alice@example.org>: not sent", "<alice\\@example.org>: not sent"),
    ("2023-11-14 22:13:20 +01:00", "2023-11-14 22:13:20 \\+01:00"),
    ("MAIL-12, well-known", "MAIL\\-12, well-known"),
    ("[~admin] {code} !x.png! *b*", "\\[\\~admin\\] \\{code\\} \\!x.png\\! \\*b\\*"),
    ("http://evil.example mailto:a", "http&#58;//evil.example mailto&#58;a"),
    ("h1. x", "h1&#46; x"),
    ("\\x1b[2J \\\\", "\\x1b\\[2J &#92;&#92;"),
    ("a\\_b_", "a&#92;\\_b\\_"),
    ("a|b &amp; c & d", "a&#124;b &amp;amp; c & d"),
    (":) (y) :D (RST)", ":\\) \\(y\\) &#58;D (RST)"),
]

ESCAPED = re.compile(r"(?<!\\)\\([-#*_+?^~|%{}\[\]()!@])")
ENTITY = re.compile(r"&(?:#\d+|amp);")

ACTIVE = re.compile(
    r"[*_+?^~|%{}\[\]!@#]|\\\\|\\(?=[-#*_+?^~|%{}\[\]()!@])"
    r"|(?<![0-9A-Za-z])-|-(?![0-9A-Za-z])|\b[A-Z][A-Z0-9_]*-\d"
    r"|(?i:https?|ftp|irc|news|file):/|(?i:mailto|javascript):\S"
    r"|[:;][-']?[()]|:[DP](?![0-9A-Za-z])|\((?:[ynix/]|on|off|flag|flagoff)\)"
    r"|^\s*(?:h[1-6]|bq)\."
)
"""What Jira acts on: phrases, macros, links, images, mentions, keys, URLs, faces, blocks."""


def left_to_act_on(written: str) -> re.Match[str] | None:
    return ACTIVE.search(ENTITY.sub("Ω", ESCAPED.sub("Ω", written)))


def seen(written: str) -> str:
    """As the renderer shows it."""
    return html.unescape(ESCAPED.sub(lambda match: f"&#{ord(match[1])};", written))


@pytest.mark.parametrize(("said", "written"), EXAMPLES)
def test_escape(said: str, written: str) -> None:
    assert JIRA.escape(said) == written


@pytest.mark.parametrize("line", LINES, ids=range(len(LINES)))
def test_nothing_is_left_to_act_on(line: str) -> None:
    written = JIRA.escape(line)
    assert not left_to_act_on(written)
    assert seen(written) == line


def test_what_looks_for_markup_finds_it_where_it_is() -> None:
    assert sum(left_to_act_on(line) is not None for line in LINES) > 30


@given(
    st.lists(st.one_of(st.sampled_from(" ".join(LINES[:-2]).split()), st.text("\\*_[]{}()!|#@:;-~^&D1a/", max_size=8)))
)
def test_any_text_is_shown_as_it_is(words: list[str]) -> None:
    text = " ".join(words)
    written = JIRA.escape(text)
    assert not left_to_act_on(written), written
    assert seen(written) == text


def test_noformat_cannot_be_left() -> None:
    lines = [*LINES, "{noformat}", "{ NoFormat:x}", "{code}"]
    written = JIRA.write([Code(lines)])
    assert len(re.findall(r"\{\s*noformat", written.replace("{ ", "("))) == 2
    assert written.startswith("{noformat}\n")
    assert written.endswith("\n{noformat}\n\n")


def test_a_whole_report_is_our_blocks_and_inert_text() -> None:
    written = "".join(full(attacked(), JIRA, Options(zone=UTC)))
    pieces = re.split(r"^\{noformat\}$", written, flags=re.MULTILINE)
    assert len(pieces) % 2 == 1
    for line in "\n".join(pieces[::2]).splitlines():
        inside = re.sub(r"^(?:h[2-4]\. |[*#] )|^\*The conversation( \(× marks what ended it\))?\*$", "", line)
        for cell in re.split(r"\|+", inside):
            assert not left_to_act_on(cell), line


def test_a_table_has_as_many_cells_as_it_should() -> None:
    written = JIRA.write([Table(("a", "b"), [(line, "") for line in LINES]), Facts([("a", line) for line in LINES])])
    rows = [line for line in written.splitlines() if line]
    assert rows[0] == "||a||b||"
    assert {row.count("|") for row in rows[1 : 1 + len(LINES)]} == {3}
    assert {row.count("|") for row in rows[1 + len(LINES) :]} == {4}


def test_blocks() -> None:
    long = "x" * (LONGEST + 10)
    assert JIRA.write([Heading(1, "a"), Bullets(["b"]), Paragraph(long)]) == (
        f"h2. a\n\n* b\n\n{JIRA.escape(capped(long, LONGEST))}\n\n"
    )
