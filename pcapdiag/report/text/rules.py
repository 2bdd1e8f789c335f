"""A rule's story, and the list of all rules, for ``pcapdiag explain``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pcapdiag.diagnosis.rule import Rule, RuleDoc
from pcapdiag.report.text.style import PARTY_COLOUR, Style
from pcapdiag.report.text.table import grid
from pcapdiag.report.words import PARTY

NO_TEXT = "(this Python keeps no documentation: it runs with -OO)"


def story(doc: RuleDoc, style: Style) -> Iterator[str]:
    """Everything a rule's docstring tells, under its five headings."""
    yield style.paint(f"{doc.id}  {doc.title}", "bold")
    if doc.party is None:
        yield "accompanies a verdict, accuses nobody"
    else:
        yield "names " + style.paint(PARTY[doc.party], *PARTY_COLOUR[doc.party])
    parts = {
        "What it sees": doc.sees,
        "What it means": doc.means,
        "What else looks like this": doc.lookalikes,
        "What to do": doc.what_to_do,
        "Sources": doc.sources,
    }
    for heading, text in parts.items():
        yield ""
        yield style.heading(heading)
        yield from _text(text or NO_TEXT, style)


def _text(text: str, style: Style) -> Iterator[str]:
    """Paragraphs and list items, broken anew at the page's width."""
    paragraph: list[str] = []
    for line in [*text.splitlines(), ""]:
        starts_item = line.lstrip().startswith(("* ", "- "))
        if paragraph and (starts_item or not line.strip()):
            yield from _paragraph(" ".join(paragraph), style)
            paragraph = []
        if line.strip():
            paragraph.append(line.strip())
        elif paragraph:
            yield ""


def _paragraph(text: str, style: Style) -> Iterable[str]:
    if text.startswith(("* ", "- ")):
        return style.prose(text[2:], indent="    ", first=f"  {style.glyphs.bullet} ")
    return style.prose(text, indent="  ")


def listing(rules: Iterable[Rule], style: Style) -> Iterator[str]:
    """One row a rule."""
    rows = []
    for rule in rules:
        party = style.paint(rule.party.value, *PARTY_COLOUR[rule.party]) if rule.party else ""
        rows.append((rule.id, party, style.cut(rule.title, style.width - 26)))
    yield from grid(rows, ("id", "names", "what it says"), style)
    yield ""
    yield "The whole story of one: pcapdiag explain ID"
