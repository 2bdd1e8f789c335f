"""``--format csv``: a row a session."""

from __future__ import annotations

from collections.abc import Iterator

from pcapdiag.analysis import Analysis
from pcapdiag.report import csv
from pcapdiag.report.options import Options

FOR_OTHERS = True


def render(analysis: Analysis, options: Options) -> Iterator[str]:
    """The heading, and a line a session."""
    return csv.render(analysis)
