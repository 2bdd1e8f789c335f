"""Markdown: what a reader sees is what was said, and neither the parser nor what reads after it finds anything to act on."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from pcapdiag.report.dialects import dialect
from pcapdiag.report.document import (
    LONGEST,
    Block,
    Bullets,
    Code,
    Facts,
    Fold,
    Heading,
    Numbered,
    Paragraph,
    Table,
    capped,
)
from pcapdiag.report.options import Options
from pcapdiag.report.story import full
from tests.report.attacks import LINES, attacked

MARKDOWN = dialect("markdown")

EXAMPLES = [
    # said                                   # written
    ("The server said no (frames 12-14).", "The server said no (frames 12-14)."),
    ("from 198.51.100.25, port 25", "from `198.51.100.25`, port 25"),
    ("<alice@example.org> to <bob@example.net>: not sent", "`<alice@example.org>` to `<bob@example.net>`: not sent"),
    ("22:13:20 +01:00, 2.1.5, 1,203 octets", "22:13:20 +01:00, 2.1.5, 1,203 octets"),
    ("@all #1 (MAIL-12)", "`@all #1` (`MAIL-12`)"),
    ("code ` and ```", "code `` ` `` and ```` ``` ````"),
    ("deadbeef, defaced, facade", "`deadbeef`, `defaced`, facade"),
    ("1. not a list", "`1.` not a list"),
    ("/close", "`/close`"),
    ("a|b", "`a|b`"),
]

WHERE: dict[str, Callable[[str], Block]] = {
    "paragraph": Paragraph,
    "bullet": lambda text: Bullets([text]),
    "number": lambda text: Numbered([text]),
    "cell": lambda text: Table(("",), [(text,)]),
    "heading": lambda text: Heading(2, text),
    "fact": lambda text: Facts([("", text)]),
}

TAGS = {"p", "ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td", "h2", "h3", "h4", "code", "strong", "pre"}

REFERENCES = re.compile(
    r"@\w|[#!$&~%^]\w|(?i:\bGH-\d)|\b[A-Za-z][A-Za-z0-9]*-\d(?<!SHA-2)|\b[0-9a-f]{7,40}\b|:[\w+-]+:(?<!:\d\d:)|://|\bwww\.|[{\[][+-]|\[\["
)
"""What GitHub and GitLab look for in text that has been rendered, outside of code."""


def rendered(markdown: str) -> str:
    return str(MarkdownIt("gfm-like").render(markdown))


def github(markdown: str) -> str:
    """As GitHub's own parser renders it, before anything is taken away."""
    extensions = ("autolink", "table", "strikethrough", "tasklist", "footnotes")
    command = ["cmark-gfm", "--unsafe", *(word for name in extensions for word in ("-e", name))]
    return subprocess.run(command, input=markdown, capture_output=True, text=True, encoding="utf-8", check=True).stdout


def visible(page: str) -> str:
    return one_line(html.unescape(re.sub(r"<[^>]+>", " ", page)))


def one_line(text: str) -> str:
    return re.sub(r"\s+", "", text)


def outside_code(page: str) -> str:
    return html.unescape(re.sub(r"<code.*?</code>|<[^>]+>", " ", page, flags=re.DOTALL))


@pytest.mark.parametrize(("said", "written"), EXAMPLES)
def test_escape(said: str, written: str) -> None:
    assert MARKDOWN.escape(said) == written


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("line", LINES, ids=range(len(LINES)))
def test_a_reader_sees_what_was_said_and_nothing_else(line: str, where: str) -> None:
    page = rendered(MARKDOWN.write([WHERE[where](line)]))
    assert visible(page).removeprefix(":") == one_line(capped(" ".join(line.split()), LONGEST)).removeprefix(":")
    assert set(re.findall(r"</?(\w+)", page)) <= TAGS
    assert not REFERENCES.search(outside_code(page))


@given(
    st.lists(st.one_of(st.sampled_from(" ".join(LINES[:-2]).split()), st.text(" `*_[]()<>|\\#@!:/.-~$&a1", max_size=8)))
)
def test_nothing_that_is_said_becomes_markup(words: list[str]) -> None:
    text = " ".join(words)
    for block in (Paragraph(text), Table(("",), [(text, text)])):
        page = rendered(MARKDOWN.write([block]))
        assert set(re.findall(r"</?(\w+)", page)) <= TAGS
        assert one_line(capped(" ".join(text.split()), LONGEST)) in visible(page)
        assert not REFERENCES.search(outside_code(page))


@pytest.mark.skipif(not shutil.which("cmark-gfm"), reason="cmark-gfm is not installed (Debian: apt install cmark-gfm)")
def test_github_s_own_parser_agrees() -> None:
    for line in LINES:
        page = github(MARKDOWN.write([make(line) for make in WHERE.values()]))
        assert set(re.findall(r"</?(\w+)", page)) <= TAGS, line
        assert visible(page).count(one_line(capped(" ".join(line.split()), LONGEST))) >= len(WHERE), line
    assert "<a href" in github("a&#64;b.example www.example.org")  # entities alone would not have done


def test_code_cannot_be_left() -> None:
    lines = [*LINES, "```", "`````` x", "</code></pre>"]
    markdown = MARKDOWN.write([Code(lines)])
    tokens = MarkdownIt("gfm-like").parse(markdown)
    assert [token.type for token in tokens] == ["fence"]
    assert tokens[0].content.count("\n") == len(lines)


def test_a_whole_report_holds_no_link_no_image_no_html_but_our_own() -> None:
    markdown = "".join(full(attacked(), MARKDOWN, Options(zone=UTC)))
    kinds = set()
    for token in MarkdownIt("gfm-like").parse(markdown):
        for each in [token, *(token.children or [])]:
            kinds.add(each.type)
            if each.type == "html_block":
                assert re.fullmatch(
                    r"(<details><summary>The conversation( \(× marks what ended it\))?</summary>|</details>)\n",
                    each.content,
                )
    assert kinds.isdisjoint({"link_open", "image", "html_inline", "s_open", "em_open", "blockquote_open", "hr"})
    assert not REFERENCES.search(outside_code(rendered(markdown)))
    assert not [line for line in markdown.splitlines() if line.startswith(("/", "@", "::"))]


def test_a_fold_opens_to_blocks() -> None:
    page = rendered(MARKDOWN.write([Fold("The conversation", [Code(["a", "", "b"])]), Paragraph("after")]))
    assert re.sub(r"\s+", " ", page).strip() == (
        "<details><summary>The conversation</summary> "
        '<pre><code class="language-text">a b </code></pre> </details> <p>after</p>'
    )
