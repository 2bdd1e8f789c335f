"""Textile: read by Redmine's own formatter, and looked through with Redmine's own expressions for links and macros."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from pcapdiag.report.dialects import dialect
from pcapdiag.report.document import LONGEST, Block, Bullets, Code, Facts, Heading, Numbered, Paragraph, Table, capped
from pcapdiag.report.options import Options
from pcapdiag.report.story import full
from tests.report.attacks import LINES, attacked

TEXTILE = dialect("textile")
REDMINE = Path("/usr/share/redmine")
"""Where Debian installs it."""

EXAMPLES = [
    # said                                   # written
    ("The server said no (frames 12-14).", "The server said no (frames 12-14)."),
    ("<alice@example.org>: not sent", "&#60;alice&#64;example.org&#62;: not sent"),
    ("at 22:13:20, 198.51.100.25:25", "at 22:13:20, 198.51.100.25:25"),
    ("#1 r12 commit:abc", "&#35;1 &#114;12 commit&#58;abc"),
    ("h1. x", "h1&#46; x"),
    ('ABC(x) "a":/b |c|', "ABC&#40;x) &#34;a&#34;&#58;/b &#124;c&#124;"),
    ("-del- well-known", "&#45;del&#45; well-known"),
    ("{{toc}} [[wiki]] !x.png!", "&#123;&#123;toc&#125;&#125; &#91;&#91;wiki&#93;&#93; &#33;x.png&#33;"),
]

WHERE: tuple[Callable[[str], Block], ...] = (
    Paragraph,
    lambda text: Bullets([text, text]),
    lambda text: Numbered([text]),
    lambda text: Table(("a",), [(text,), (text,)]),
    lambda text: Heading(1, text),
    lambda text: Facts([("a", text)]),
)

TAGS = {"p", "ul", "ol", "li", "table", "tr", "th", "td", "h2", "h3", "h4", "pre", "br", "strong"}


@pytest.fixture(scope="module")
def redmine() -> Callable[[Sequence[str]], list[dict[str, Any]]]:
    """What Redmine makes of each text."""
    if not shutil.which("ruby") or not REDMINE.is_dir():
        pytest.skip("Redmine is not installed (Debian: apt install redmine)")

    def read(texts: Sequence[str]) -> list[dict[str, Any]]:
        command = ["ruby", "-Eutf-8:utf-8", str(Path(__file__).with_name("redmine.rb")), str(REDMINE)]
        done = subprocess.run(
            command, input=json.dumps(list(texts)), capture_output=True, text=True, encoding="utf-8", check=True
        )
        answers: list[dict[str, Any]] = json.loads(done.stdout)
        return answers

    return read


def visible(page: str) -> str:
    return squeezed(html.unescape(re.sub(r"<[^>]+>", "", page)))


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


@pytest.mark.parametrize(("said", "written"), EXAMPLES)
def test_escape(said: str, written: str) -> None:
    assert TEXTILE.escape(said) == written


def test_a_reader_sees_what_was_said_and_nothing_else(redmine: Callable[[Sequence[str]], list[dict[str, Any]]]) -> None:
    pages = [(line, TEXTILE.write([make(line)])) for line in LINES for make in WHERE]
    for (line, written), answer in zip(pages, redmine([written for _, written in pages]), strict=True):
        assert answer["found"] == [], written
        assert answer["macros"] == [], written
        assert set(re.findall(r"</?(\w+)", answer["html"])) <= TAGS, answer["html"]
        assert squeezed(capped(" ".join(line.split()), LONGEST)) in visible(answer["html"]), written


def test_code_cannot_be_left(redmine: Callable[[Sequence[str]], list[dict[str, Any]]]) -> None:
    lines = [*LINES, "</pre>", "< / PRE >", "</code><code>", "<kbd><notextile>", "{{toc}}", "{{{{{", "}}}}"]
    answer = redmine([TEXTILE.write([Code(lines), Paragraph("after")])])[0]
    assert re.findall(r"</?(\w+)", answer["html"]) == ["pre", "pre", "p", "p"]
    assert answer["html"].endswith("<p>after</p>")
    assert answer["macros"] == []


def test_a_whole_report_holds_no_link_and_no_macro(redmine: Callable[[Sequence[str]], list[dict[str, Any]]]) -> None:
    written = "".join(full(attacked(), TEXTILE, Options(zone=UTC)))
    answer, control = redmine([written, '#1 and commit:abc, {{toc}} "x":http://evil.example'])
    assert answer["found"] == []
    assert answer["macros"] == []
    assert set(re.findall(r"</?(\w+)", answer["html"])) <= TAGS
    assert len(control["found"]) > 1, "what looks for links finds some where there are some"
    assert len(control["macros"]) == 1
