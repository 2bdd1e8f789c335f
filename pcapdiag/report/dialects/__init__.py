"""The dialects of markup that tickets are written in: one module each, found by its name.

A dialect is a module with `DIALECT`. A new one is a new file here, and one in ``report/formats`` if people shall ask for it.
"""

from __future__ import annotations

import importlib
import pkgutil

from pcapdiag.report.document import Dialect


def names() -> list[str]:
    """The dialects there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def dialect(name: str) -> Dialect:
    """The dialect of that name."""
    found: Dialect = importlib.import_module(f"{__name__}.{name}").DIALECT
    return found
