"""Blocks of text -> markup, in any dialect that a ticket understands.

A report for a ticket is a sequence of blocks, and every word in them is plain text: cleaned (`pcapdiag.report.clean`), but
as hostile as its sender. A `Dialect` knows how one system writes a heading or a list, and how it says a text so that
nothing in it is markup. It never sees a text of a block before its own `escape` has been over it, so that no dialect can
forget to; code goes to `code` as it is, because each has its own way to keep it shut in.

It refuses to know what is told; `pcapdiag.report.story` and `pcapdiag.report.brief` do.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LONGEST = 800
"""Characters shown of one text: a sentence that quotes a whole reply has fewer, an attacker's has none."""
LONGEST_LINE = 400
"""Characters shown of a line of code: the longest is a Wireshark filter of two IPv6 addresses, 280."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; level 1 is the report's own."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Sentences."""

    text: str


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list without order."""

    items: Sequence[str]


@dataclass(frozen=True, slots=True)
class Numbered:
    """A list in order."""

    items: Sequence[str]


@dataclass(frozen=True, slots=True)
class Facts:
    """Labels with what they say; an empty label goes on with the one before."""

    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Table:
    """A row of headings, and rows below it."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Code:
    """Lines to be shown as they are: a drawing, or a line to copy."""

    lines: Sequence[str]


@dataclass(frozen=True, slots=True)
class Fold:
    """What a reader opens when he wants it; where a dialect has nothing to open, it stands under its title."""

    title: str
    blocks: Sequence[Block]


Block = Heading | Paragraph | Bullets | Numbered | Facts | Table | Code | Fold


class Dialect(ABC):
    """One way to write blocks. All but `escape` and `code` are given text that is escaped already."""

    def write(self, blocks: Iterable[Block]) -> str:
        """The markup of those blocks, each followed by what parts it from the next."""
        return "".join(self._block(block) + self.behind(block) for block in blocks)

    def behind(self, block: Block) -> str:
        """What parts a block from the next one: an empty line."""
        return "\n\n"

    def _block(self, block: Block) -> str:
        match block:
            case Heading(level, text):
                return self.heading(level, self._inline(text))
            case Paragraph(text):
                return self.paragraph(self._inline(text))
            case Bullets(items):
                return self.bullets([self._inline(item) for item in items])
            case Numbered(items):
                return self.numbered([self._inline(item) for item in items])
            case Facts(rows):
                return self.facts([(self._inline(label), self._inline(text)) for label, text in rows])
            case Table(header, rows):
                return self.table(self._cells(header), [self._cells(row) for row in rows])
            case Code(lines):
                shown = [capped(part, LONGEST_LINE) for line in lines for part in line.splitlines() or [""]]
                return self.code(shown)
            case Fold(title, blocks):
                return self.fold(self._inline(title), self.write(blocks).rstrip("\n"))

    def _inline(self, text: str) -> str:
        return self.escape(capped(" ".join(text.split()), LONGEST))

    def _cells(self, row: Sequence[str]) -> list[str]:
        return [self._inline(cell) for cell in row]

    @abstractmethod
    def escape(self, text: str) -> str:
        """One line of text such that a reader sees just it; it may stand at the beginning of a line."""

    @abstractmethod
    def heading(self, level: int, text: str) -> str:
        """See `Heading`."""

    @abstractmethod
    def paragraph(self, text: str) -> str:
        """See `Paragraph`."""

    @abstractmethod
    def bullets(self, items: Sequence[str]) -> str:
        """See `Bullets`."""

    @abstractmethod
    def numbered(self, items: Sequence[str]) -> str:
        """See `Numbered`."""

    @abstractmethod
    def facts(self, rows: Sequence[tuple[str, str]]) -> str:
        """See `Facts`."""

    @abstractmethod
    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        """See `Table`."""

    @abstractmethod
    def code(self, lines: Sequence[str]) -> str:
        """See `Code`; the lines are not escaped."""

    @abstractmethod
    def fold(self, title: str, inside: str) -> str:
        """See `Fold`; `inside` is markup."""


class Wiki(Dialect):
    """What Jira's wiki text and Textile, from which that comes, write alike."""

    def heading(self, level: int, text: str) -> str:
        return f"h{level + 1}. {text}"

    def paragraph(self, text: str) -> str:
        return text

    def bullets(self, items: Sequence[str]) -> str:
        return "\n".join(f"* {item}" for item in items)

    def numbered(self, items: Sequence[str]) -> str:
        return "\n".join(f"# {item}" for item in items)

    def fold(self, title: str, inside: str) -> str:
        return f"*{title}*\n\n{inside}"


def capped(text: str, longest: int) -> str:
    """`text`, or its beginning and how much was left out."""
    if len(text) <= longest:
        return text
    return f"{text[:longest].rstrip()} (+{len(text) - longest:,} characters)"
