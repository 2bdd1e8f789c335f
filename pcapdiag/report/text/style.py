"""Words to columns: colour, glyphs, wrapping and the width that a terminal gives to a character.

What the text report, the note and the live view print passes through a `Style`, so that a pipe, an 80-column terminal and a
cp1252 console differ in one place only. It refuses to know what it prints; only the parties' colours stand here, for all who
paint them.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator

from pcapdiag.model import Party
from pcapdiag.report import width
from pcapdiag.report.glyphs import ASCII, UNICODE

NARROWEST, WIDEST = 60, 132
"""Below, lines break into rags; above, the eye loses the line."""


_SGR = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "magenta": 35, "cyan": 36}
"""ECMA-48 8.3.117, Select Graphic Rendition."""


PARTY_COLOUR: dict[Party, tuple[str, ...]] = {
    Party.CLIENT: ("red",),
    Party.SERVER: ("red",),
    Party.MIDDLEBOX: ("magenta",),
    Party.PATH: ("yellow",),
    Party.NOBODY: ("green",),
    Party.UNDETERMINED: ("cyan",),
}


_HARD_SPACE = "\x00"
"""Stands for a space at which no line breaks; cleaned text holds none."""
_BOUND = re.compile(r"(?<=\bframe) (?=\d)|(?<=\bframes) (?=\d)|(?<=\d) (?=(?:ms|s|min|h|octets?)\b)")
"""Spaces between a number and what it counts."""


_PAINT = re.compile(r"\x1b\[[\d;]*m")
"""What `Style.paint` adds: takes no column."""


class Style:
    """Lays text out for one output."""

    def __init__(self, *, width: int, colour: bool, unicode: bool) -> None:
        self.width = max(NARROWEST, min(width, WIDEST))
        self.colour = colour
        self.glyphs = UNICODE if unicode else ASCII

    def paint(self, text: str, *attributes: str) -> str:
        """`text` in those attributes, or as it is where there is no colour."""
        if not self.colour or not text.strip() or not attributes:
            return text
        return f"\x1b[{';'.join(str(_SGR[name]) for name in attributes)}m{text}\x1b[0m"

    def heading(self, text: str, remark: str = "") -> str:
        """A section of the report."""
        remark = self.cut(f"  {remark}", self.width - columns(text)) if remark else ""
        return self.paint(text.upper(), "bold") + self.paint(remark, "dim")

    def banner(self, left: str, right: str, *attributes: str) -> str:
        """A line across the page that begins a session."""
        rule = self.glyphs.rule
        right = self.cut(right, self.width - columns(left) - 10)
        fill = self.width - columns(left) - columns(right) - 8
        return self.paint(f"{rule * 2} {left} {rule * max(2, fill)} {right} {rule * 2}", *attributes)

    def prose(self, text: str, *, indent: str = "", first: str | None = None) -> list[str]:
        """Our sentences, broken at the page's width; a bullet or a number may stand in `first`."""
        lead = indent if first is None else first
        bound = _BOUND.sub(_HARD_SPACE, text)
        lines = textwrap.wrap(bound, self.width, initial_indent=lead, subsequent_indent=indent, break_on_hyphens=False)
        return [line.replace(_HARD_SPACE, " ") for line in lines] or [lead.rstrip()]

    def bullets(self, texts: Iterable[str], *, indent: str = "  ") -> Iterator[str]:
        """One item a paragraph."""
        for text in texts:
            yield from self.prose(text, indent=indent + "  ", first=f"{indent}{self.glyphs.bullet} ")

    def cut(self, text: str, width: int) -> str:
        """`text` in at most `width` columns; what is cut off shows as an ellipsis."""
        if columns(text) <= width:
            return text
        ellipsis = self.glyphs.ellipsis
        kept, used = [], len(ellipsis)
        for character in text:
            used += columns(character)
            if used > width:
                break
            kept.append(character)
        return "".join(kept).rstrip() + ellipsis


def columns(text: str) -> int:
    """Columns that a terminal gives to `text`, which may be painted."""
    return width.columns(_PAINT.sub("", text))
