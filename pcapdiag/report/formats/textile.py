"""``--format textile``: the whole report for a ticket in Redmine (Textile)."""

from __future__ import annotations

from collections.abc import Iterator

from pcapdiag.analysis import Analysis
from pcapdiag.report.dialects import dialect
from pcapdiag.report.options import Options
from pcapdiag.report.story import full

FOR_OTHERS = True


def render(analysis: Analysis, options: Options) -> Iterator[str]:
    """Session by session."""
    return full(analysis, dialect("textile"), options)
