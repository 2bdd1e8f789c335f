"""Textile as Redmine reads it (its `redcloth3.rb` and `application_helper.rb`, version 5.0).

Redmine reads twice. RedCloth makes HTML of phrases, links, images, tables and blocks; then Redmine's own regular expressions
go over that HTML for ``#1``, ``r123``, ``commit:abc``, ``@user``, ``user#1``, ``source:``, ``[[wiki]]`` and ``{{macro}}``. A character reference
(``&#64;``) passes through both untouched, and neither sees the character that it stands for. So every character that means
something in either is written as a reference, unless its neighbours make it harmless; letters, digits and plain
punctuation stay, so that mail with the source of a note can still be read.

Code stands in ``<pre>``, where nothing is read but the end of it: a tag that RedCloth knows there is broken up with a space, and
so are the braces of a macro, which Redmine looks for before it looks for ``<pre>``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pcapdiag.report.document import Dialect

_ACTIVE = re.compile(
    r"""[^\w\s.,'/();:\\$-]|_"""  # everything but letters, digits and plain punctuation
    r"|:(?=\S)(?!(?<=\d:)\d)"  # source:file, "text":url; not in 22:13:20
    r"|-(?![A-Za-z0-9])|(?<![A-Za-z0-9])-"  # -deleted-, --
    r"|(?<![A-Za-z0-9])r(?=\d)"  # a revision
    r"|(?<=[A-Z0-9])\("  # an acronym: ABC(what it means)
    r"|(?<=www)\."
    r"|(?<=\s)\.(?=\s)"
)

_BLOCK = re.compile(r"[a-z]+\d*[^\s.]*(\.)", re.IGNORECASE)
"""What begins a block: ``h1.``, ``bq.``, ``fn1.``, ``p(class).``"""

_OFFTAG = re.compile(r"<(?=\s*/?\s*(?:code|pre|kbd|notextile)\b)", re.IGNORECASE)
"""``OFFTAGS`` of RedCloth, opening and closing."""

_BRACES = re.compile(r"\{(?=\{)|\}(?=\})")


class _Textile(Dialect):
    def escape(self, text: str) -> str:
        written = _ACTIVE.sub(lambda match: _reference(match[0]), text)
        block = _BLOCK.match(text)
        if block and written.startswith(text[: block.start(1)]):
            return text[: block.start(1)] + _reference(".") + written[block.end(1) :]
        return written

    def heading(self, level: int, text: str) -> str:
        return f"h{level + 1}. {text}"

    def paragraph(self, text: str) -> str:
        return text

    def bullets(self, items: Sequence[str]) -> str:
        return "\n".join(f"* {item}" for item in items)

    def numbered(self, items: Sequence[str]) -> str:
        return "\n".join(f"# {item}" for item in items)

    def facts(self, rows: Sequence[tuple[str, str]]) -> str:
        return "\n".join(f"|_. {label} | {text} |" for label, text in rows)

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        first = "|" + "|".join(f"_. {cell} " for cell in header) + "|"
        return "\n".join([first, *("|" + "|".join(f" {cell} " for cell in row) + "|" for row in rows)])

    def code(self, lines: Sequence[str]) -> str:
        return "\n".join(["<pre>", *(_BRACES.sub(r"\g<0> ", _OFFTAG.sub("< ", line)) for line in lines), "</pre>"])

    def fold(self, title: str, inside: str) -> str:
        return f"*{title}*\n\n{inside}"


def _reference(character: str) -> str:
    return f"&#{ord(character)};"


DIALECT: Dialect = _Textile()
