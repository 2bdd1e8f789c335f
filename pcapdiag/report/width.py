"""How many columns text takes where every letter is as wide as the next."""

from __future__ import annotations

import unicodedata


def columns(text: str) -> int:
    """Columns of `text` (Unicode Standard Annex 11: wide and full-width characters take two)."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
