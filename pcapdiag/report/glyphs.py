"""The few characters beyond letters that reports draw with, and which encodings have them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The few characters beyond letters that the report draws with."""

    rail: str
    broken_rail: str
    shaft: str
    right: str
    left: str
    cross: str
    bullet: str
    ellipsis: str
    rule: str
    arrow: str


UNICODE = Glyphs("│", "┊", "─", "►", "◄", "×", "•", "…", "─", "→")
ASCII = Glyphs("|", ":", "-", ">", "<", "x", "*", "...", "-", "->")


def can_draw(encoding: str | None) -> bool:
    """True when that encoding (None: unknown) has every glyph of the Unicode set."""
    try:
        "".join(str(getattr(UNICODE, name)) for name in Glyphs.__slots__).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
