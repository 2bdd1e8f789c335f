"""Reports for tickets as they are committed in ``golden/``, beside the pages of `tests.report.goldens`, which writes them too."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

from pcapdiag.report.formats import render
from pcapdiag.report.options import Options
from tests.report.stories import STORIES

FOLDER = Path(__file__).with_name("golden")

PAGES = {
    "article.md": ("article", "markdown"),
    "article.jira": ("article", "jira"),
    "article.textile": ("article", "textile"),
    "article.note": ("article", "note"),
    "article.csv": ("article", "csv"),
    "hostile.md": ("hostile", "markdown"),
    "hostile.jira": ("hostile", "jira"),
    "hostile.textile": ("hostile", "textile"),
    "hostile.note": ("hostile", "note"),
    "hostile.csv": ("hostile", "csv"),
    "many.md": ("many", "markdown"),
    "many.note": ("many", "note"),
    "nothing.md": ("nothing", "markdown"),
    "tls_refused.note": ("tls_refused", "note"),
}
"""File -> story and format."""


def page(name: str) -> str:
    """One page as the program writes it now."""
    story, form = PAGES[name]
    return "".join(render(form, STORIES[story](), Options(zone=UTC, ports=(25, 465, 587, 2525))))


def pages() -> Iterator[tuple[Path, bytes]]:
    """The file of every page, and what it should hold."""
    for name in PAGES:
        yield FOLDER / name, page(name).encode("utf-8")
