"""Text of a font of fixed width, made to fit."""

from __future__ import annotations

import textwrap

from pcapdiag.report.width import columns

__all__ = ["ELLIPSIS", "columns", "cut", "wrapped"]

ELLIPSIS = "…"


def cut(text: str, width: int) -> str:
    """At most `width` columns of it."""
    text = text[: 4 * max(width, 1)]  # combining characters without end
    if columns(text) <= width:
        return text
    kept, used = [], 1
    for character in text:
        used += columns(character)
        if used > width:
            break
        kept.append(character)
    return "".join(kept).rstrip() + ELLIPSIS


def wrapped(text: str, width: int, most: int) -> list[str]:
    """Lines of at most `width` columns, at most `most` of them; the last one says how many are left out."""
    lines = text[: 4 * width * most].split("\n")
    broken = [part for line in lines for part in textwrap.wrap(line, width, break_on_hyphens=False) or [""]]
    if len(broken) > most or len(text) > 4 * width * most:
        broken = [*broken[: most - 1], "(and more, cut here)"]
    return [cut(line, width) for line in broken]
