"""``--format html``: one self-contained page for people who have never heard of pcapdiag."""

from pcapdiag.report.html import render

FOR_OTHERS = True
"""It goes into tickets and to other companies."""

__all__ = ["FOR_OTHERS", "render"]
