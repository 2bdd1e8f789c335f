"""Jira's wiki markup, as Jira Data Center and version 2 of the REST interface take it (Jira, "Text Formatting Notation Help").

A backslash makes one of ``- # * _ + ? ^ ~ | % { } [ ] ( ) ! @`` a plain character, unless another backslash stands before it
(`BackslashEscapeRendererComponent` of Atlassian's renderer, and the same list in the editor of Jira Cloud). Before anything
else a backslash shows as itself, and two are a line break. What no backslash stops is written as a character reference, which
the renderer keeps: the backslash itself, the colon of a URL (``http:``), the pipe, which would be looked for as the border of
a cell before any backslash is, and the dot of ``h1.`` and ``bq.``.

A key such as ``MAIL-12`` becomes a link, also inside ``{{monospaced}}``, so its hyphen is escaped wherever it is not between two
letters or in a date. Only ``{noformat}`` keeps everything as it is; its own name inside is broken up with a space.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pcapdiag.report.document import Dialect

_ALWAYS = frozenset("#*_+?^~%{}[]!@")

_REFERENCES = {"\\": "&#92;", "|": "&#124;", ":": "&#58;", ".": "&#46;", "&": "&amp;"}

_KEPT = re.compile(r"(?<![\w-])\d{4}-\d\d-\d\d(?![\w-])|(?<=[A-Za-z])-(?=[A-Za-z])")
"""Hyphens that are only hyphens: those of a date, and between letters."""

_BLOCK = re.compile(r"(?:h[1-6]|bq)\.", re.IGNORECASE)

_URL = re.compile(
    r"(?<=[A-Za-z]):(?=[/\\])|\b(?:mailto|news|notes|file|tel|sip|skype|xmpp|data|javascript):(?=\S)", re.IGNORECASE
)
"""What a bare URL begins with, to its colon (`UrlUtil.URL_PROTOCOLS`, and what browsers follow)."""

_FACE = re.compile(r"[:;=8][-']?[()]|:[DP](?![0-9A-Za-z])|\((?:[ynix/]|on|off|flag|flagoff)\)", re.IGNORECASE)
"""Emoticons that hold none of the characters that are always escaped: ``:)``, ``;-(``, ``:D``, ``(y)``, ``(off)``, ``(/)``."""

_ENTITY = re.compile(r"&(?=#?\w+;)")

_SHUT = re.compile(r"\{(?=\s*(?:noformat|code))", re.IGNORECASE)


class _Jira(Dialect):
    def escape(self, text: str) -> str:
        referred = _colons(text) | _block_dots(text) | {match.start() for match in _ENTITY.finditer(text)}
        bare = {at for match in _KEPT.finditer(text) for at in range(match.start(), match.end())}
        parens = {at for match in _FACE.finditer(text) for at in range(match.start(), match.end()) if text[at] in "()"}
        written: list[str] = []
        for at, character in enumerate(text):
            if at in referred or character == "|" or (character == "\\" and _active(text, at)):
                written.append(_REFERENCES[character])
            elif character in _ALWAYS or at in parens or (character == "-" and at not in bare):
                written.append("\\" + character)
            else:
                # ``;`` of a reference just written must not become half of a face
                behind_reference = character in "()" and bool(written) and written[-1].endswith(";")
                written.append("\\" + character if behind_reference else character)
        return "".join(written)

    def heading(self, level: int, text: str) -> str:
        return f"h{level + 1}. {text}"

    def paragraph(self, text: str) -> str:
        return text

    def bullets(self, items: Sequence[str]) -> str:
        return "\n".join(f"* {item}" for item in items)

    def numbered(self, items: Sequence[str]) -> str:
        return "\n".join(f"# {item}" for item in items)

    def facts(self, rows: Sequence[tuple[str, str]]) -> str:
        return "\n".join(f"||{label or ' '}|{text or ' '}|" for label, text in rows)

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        first = "||" + "||".join(header) + "||"
        return "\n".join([first, *("|" + "|".join(cell or " " for cell in row) + "|" for row in rows)])

    def code(self, lines: Sequence[str]) -> str:
        return "\n".join(["{noformat}", *(_SHUT.sub("{ ", line) for line in lines), "{noformat}"])

    def fold(self, title: str, inside: str) -> str:
        return f"*{title}*\n\n{inside}"


def _colons(text: str) -> set[int]:
    """Where the colon of a URL is, or of a face made of letters."""
    faces = {match.start() for match in _FACE.finditer(text) if match[0][-1] in "DPdp" and match[0][0] == ":"}
    return faces | {match.end() - 1 for match in _URL.finditer(text)}


def _block_dots(text: str) -> set[int]:
    match = _BLOCK.match(text)
    return {match.end() - 1} if match else set()


def _active(text: str, at: int) -> bool:
    """Whether a backslash there means more than itself: not alone, or before what it would escape."""
    beside = text[max(at - 1, 0) : at] + text[at + 1 : at + 2]
    return at + 1 == len(text) or bool(re.search(r"[^\w\s]|_", beside))


DIALECT: Dialect = _Jira()
