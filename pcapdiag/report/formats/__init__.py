"""The words behind ``--format``: one module each, found by its name, imported when it is used.

A format is a module with `render(analysis, options)`, which yields the report piece by piece, so that 12,000 sessions
need no more memory than one. `FOR_OTHERS` in a module says that its reports go to somebody else: unless told otherwise
they are redacted, and they name the captures by checksum. A new format is a new file here; nothing else changes.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pcapdiag.analysis import Analysis
    from pcapdiag.report.options import Options


def names() -> list[str]:
    """The formats there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def for_others(name: str) -> bool:
    """Whether reports in that format leave this machine."""
    return bool(getattr(_module(name), "FOR_OTHERS", False))


def render(name: str, analysis: Analysis, options: Options) -> Iterator[str]:
    """The report in that format, in pieces."""
    pieces: Iterator[str] = _module(name).render(analysis, options)
    return pieces


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name}")
