"""No markup at all: text of at most 100 columns, as a ticket system without markup, a mail or a pager shows it."""

from __future__ import annotations

from collections.abc import Sequence

from pcapdiag.report.document import Block, Dialect, Heading
from pcapdiag.report.text.style import Style, columns

WIDTH = 100


class _Plain(Dialect):
    def __init__(self) -> None:
        self._style = Style(width=WIDTH, colour=False, unicode=False)

    def escape(self, text: str) -> str:
        return text

    def behind(self, block: Block) -> str:
        """A heading stands upon what it heads: lines are few."""
        return "\n" if isinstance(block, Heading) and block.level > 1 else "\n\n"

    def heading(self, level: int, text: str) -> str:
        return f"{text}:" if level > 2 else text.upper()

    def paragraph(self, text: str) -> str:
        """Hanging: what a stranger said stands at the beginning of no line, where mail gateways look for commands."""
        return "\n".join(self._style.prose(text, indent="  ", first="" if text[:1].isalnum() else "  "))

    def bullets(self, items: Sequence[str]) -> str:
        return "\n".join(self._style.bullets(items, indent=""))

    def numbered(self, items: Sequence[str]) -> str:
        lines: list[str] = []
        for number, item in enumerate(items, start=1):
            lines += self._style.prose(item, indent="   ", first=f"{number}. ")
        return "\n".join(lines)

    def facts(self, rows: Sequence[tuple[str, str]]) -> str:
        wide = max((columns(label) for label, _ in rows), default=0) + 2
        lines: list[str] = []
        for label, text in rows:
            lines += self._style.prose(text, indent=" " * wide, first=label + " " * (wide - columns(label)))
        return "\n".join(lines)

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        """A line a row: the columns of a proportional font would not stand below one another."""
        return "\n".join(self._style.bullets([", ".join(cell for cell in row if cell) for row in rows], indent=""))

    def code(self, lines: Sequence[str]) -> str:
        return "\n".join(f"  {line}" for line in lines)

    def fold(self, title: str, inside: str) -> str:
        return f"{title}\n\n{inside}"


DIALECT: Dialect = _Plain()
