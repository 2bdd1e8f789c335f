"""``--format jsonl``: the session objects of ``json``, one a line."""

from __future__ import annotations

from collections.abc import Iterator

from pcapdiag.analysis import Analysis, KeepDialogue
from pcapdiag.report import jsonl
from pcapdiag.report.options import Options


def render(analysis: Analysis, options: Options) -> Iterator[str]:
    """A line each."""
    return jsonl.render(analysis, dialogue=options.dialogue is not KeepDialogue.NONE)
