"""``--format text``: for people, at a terminal or in a pipe."""

from pcapdiag.report.text import render

__all__ = ["render"]
