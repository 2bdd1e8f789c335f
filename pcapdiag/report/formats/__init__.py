"""The words behind ``--format``: one module each, found by its name, imported when it is used.

A format is a module with `render(analysis, options)`, which yields the report piece by piece, so that 12,000 sessions
need no more memory than one. A new format is a new file here; nothing else changes.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pcapdiag.analysis import Analysis
    from pcapdiag.report.options import Options


def names() -> list[str]:
    """The formats there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def render(name: str, analysis: Analysis, options: Options) -> Iterator[str]:
    """The report in that format, in pieces."""
    pieces: Iterator[str] = importlib.import_module(f"{__name__}.{name}").render(analysis, options)
    return pieces
