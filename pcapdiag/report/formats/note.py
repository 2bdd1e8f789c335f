"""``--format note``: at most 60 lines of plain text, for a ticket without markup."""

from __future__ import annotations

from collections.abc import Iterator

from pcapdiag.analysis import Analysis
from pcapdiag.report.brief import short
from pcapdiag.report.dialects import dialect
from pcapdiag.report.options import Options

FOR_OTHERS = True


def render(analysis: Analysis, options: Options) -> Iterator[str]:
    """The page, in one piece."""
    yield short(analysis, dialect("plain"), options)
