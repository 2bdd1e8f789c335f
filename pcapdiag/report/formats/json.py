"""``--format json``: one object that holds the whole analysis."""

from __future__ import annotations

from collections.abc import Iterator

from pcapdiag.analysis import Analysis, KeepDialogue
from pcapdiag.report import json
from pcapdiag.report.options import Options


def render(analysis: Analysis, options: Options) -> Iterator[str]:
    """Pieces of the object's text."""
    return json.render(analysis, dialogue=options.dialogue is not KeepDialogue.NONE)
