"""Markdown as GitHub and GitLab read it.

Two readers must be kept from taking text for markup. The first is the parser (GitHub Flavored Markdown spec 0.29: links
6.6, images 6.7, autolinks 6.8 and 6.9, raw HTML 6.10, tables 4.10, block structure 4). Backslashes and entities stop it.
The second comes afterwards and reads the *rendered* text, in which an escaped ``@`` is an ``@`` again: GitHub's mentions,
``#1``, ``GH-1``, ``owner/repo#1``, commit SHAs of 7 to 40 hexadecimal digits and the prefixes of a repository's own (GitHub Docs,
"Autolinked references and URLs"), and GitLab's ``@all``, ``!1``, ``$1``, ``&1``, ``~label``, ``%milestone``, ``:emoji:``, ``$`math`$``,
``{+ diff +}`` and keys of a connected Jira (GitLab Docs, "GitLab Flavored Markdown"). Even GFM's own extended autolinks (6.9) find
``a&#64;b.example``, because they too look at the text after entities have become characters.

Code spans and fenced code stop both. So a word stays text only where it is plainly a word or a number, and everything else
becomes a code span, together with its neighbours of the kind. A line never begins with text from elsewhere, so there are no
GitLab quick actions (``/close``) either: such a word begins with a backtick.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape as html_escape
from typing import NamedTuple

from pcapdiag.report.document import Dialect

_AROUND = re.compile(r"""([("']*)(.*?)([.,;:!?)"']*)""")
"""Punctuation that means nothing at the beginning and at the end of a word, and the word."""

_PLAIN = re.compile(
    r"[A-Za-z]+(?:['/-][A-Za-z]+)*"  # words, also hyphenated ones, and EHLO/HELO
    r"|\d{1,6}(?:,\d{3})*(?:\.\d{1,3})?%?"  # 12, 1,203, 1.6
    r"|\d+-\d+"  # frames 15-18
    r"|\d{4}-\d\d-\d\d"
    r"|\d\d:\d\d:\d\d(?:\.\d+)?"
    r"|[+-]\d\d:\d\d"
    r"|\d{1,3}(?:\.\d{1,3}){2}"  # 2.1.5
    r"|[A-Z]{2}\d{3}|[0-9]xx|SHA-256|IPv[46]"
    r"|[×→…–]"
)
"""What is safe to be text. Host names and addresses would be, too, but read better as code."""

_REFERENCE = re.compile(r"\b[0-9a-f]{7,40}\b", re.ASCII | re.IGNORECASE)
"""A commit, in words such as ``defaced``."""

_OWN_LIST = re.compile(r"\d+[.)]")
"""At the beginning of a line an ordered list (GFM 5.2)."""


class _Markdown(Dialect):
    def escape(self, text: str) -> str:
        return " ".join(_pieces(text.split(" ")))

    def heading(self, level: int, text: str) -> str:
        return f"{'#' * (level + 1)} {text}"  # the ticket itself has the heading of level 1

    def paragraph(self, text: str) -> str:
        return text

    def bullets(self, items: Sequence[str]) -> str:
        return "\n".join(f"- {item}" for item in items)

    def numbered(self, items: Sequence[str]) -> str:
        return "\n".join(f"{number}. {item}" for number, item in enumerate(items, start=1))

    def facts(self, rows: Sequence[tuple[str, str]]) -> str:
        return "\n".join(f"- **{label}**: {text}" if label else f"  - {text}" for label, text in rows)

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        return "\n".join([_row(header), _row(["---"] * len(header)), *map(_row, rows)])

    def code(self, lines: Sequence[str]) -> str:
        fence = _fence(lines, 3)
        return "\n".join([f"{fence}text", *lines, fence])

    def fold(self, title: str, inside: str) -> str:
        return f"<details><summary>{html_escape(title)}</summary>\n\n{inside}\n\n</details>"


class _Span(NamedTuple):
    """Words that are one code span, and the punctuation around it."""

    before: str
    code: str
    behind: str

    def followed(self, by: _Span) -> _Span:
        return _Span(self.before, f"{self.code} {by.code}", by.behind)

    def __str__(self) -> str:
        """GFM 6.3: delimiters longer than any run of backticks in it, a space where it begins or ends with one."""
        fence = _fence([self.code], 1)
        pad = " " if self.code.startswith("`") or self.code.endswith("`") else ""
        return f"{self.before}{fence}{pad}{self.code}{pad}{fence}{self.behind}"


def _pieces(words: Sequence[str]) -> Iterator[str]:
    """Words as text or in code spans."""
    held: _Span | None = None
    for index, word in enumerate(words):
        span = _span(word, first=index == 0)
        if held is not None and span is not None and not held.behind and not span.before:
            held = held.followed(span)
            continue
        if held is not None:
            yield str(held)
        held = span
        if span is None:
            yield word
    if held is not None:
        yield str(held)


def _span(word: str, *, first: bool) -> _Span | None:
    """The word as code with its punctuation outside; None where it may be text. `first`: a line begins with it."""
    parts = _AROUND.fullmatch(word)
    before, core, behind = parts.groups() if parts else ("", word, "")
    if first and word and (not core or _OWN_LIST.fullmatch(word)):
        return _Span("", word, "")
    if not core or (_PLAIN.fullmatch(core) and not _REFERENCE.search(core)):
        return None
    return _Span(before, core, behind)


def _fence(lines: Sequence[str], least: int) -> str:
    runs = [len(run) for line in lines for run in re.findall("`+", line)]
    return "`" * max([least, *(run + 1 for run in runs)])


def _row(cells: Sequence[str]) -> str:
    """GFM 4.10: a pipe in a cell is escaped, "including inside other inline spans"; one as text there is never."""
    return "|" + "|".join(f" {cell.replace('|', chr(92) + '|')} " for cell in cells) + "|"


DIALECT: Dialect = _Markdown()
