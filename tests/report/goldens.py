"""The pages of `stories` as they are committed in ``golden/``: read them as prose, they are the report.

`python -m tests.report.goldens` writes them anew; the difference is for the reviewer.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

from pcapdiag.report.formats import render
from pcapdiag.report.options import Options
from tests.report import markup_goldens
from tests.report.stories import STORIES

FOLDER = Path(__file__).with_name("golden")

PAGES = {
    "article-80": ("article", Options(zone=UTC, width=80)),
    "article-120": ("article", Options(zone=UTC, width=120)),
    "article-60-ascii": ("article", Options(zone=UTC, width=60, unicode=False)),
    "article-colour": ("article", Options(zone=UTC, width=80, colour=True)),
    "hostile-80": ("hostile", Options(zone=UTC, width=80)),
    "black_hole-80": ("black_hole", Options(zone=UTC, width=80)),
    "tls_refused-120": ("tls_refused", Options(zone=UTC, width=120)),
    "nothing-80": ("nothing", Options(zone=UTC, width=80, ports=(25, 465, 587, 2525))),
    "many-80": ("many", Options(zone=UTC, width=80)),
}


def page(name: str) -> str:
    """One page as the program writes it now."""
    story, options = PAGES[name]
    return "".join(render("text", STORIES[story](), options))


def pages() -> Iterator[tuple[Path, bytes]]:
    """The file of every page, and what it should hold."""
    for name in PAGES:
        yield FOLDER / f"{name}.txt", page(name).encode("utf-8")
    yield from markup_goldens.pages()


def rewrite() -> None:
    """Make the files say what the program says now."""
    FOLDER.mkdir(exist_ok=True)
    for path, octets in pages():
        path.write_bytes(octets)


if __name__ == "__main__":
    rewrite()
