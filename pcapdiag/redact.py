"""`Analysis` -> the same `Analysis` in pseudonyms, before any renderer sees it."""

from __future__ import annotations

from dataclasses import replace

from pcapdiag.analysis import Analysis
from pcapdiag.pseudonym import Pseudonyms


def redact(analysis: Analysis, names: Pseudonyms) -> Analysis:
    """The analysis as somebody else may read it."""
    return replace(analysis, redaction=names.level.value)
