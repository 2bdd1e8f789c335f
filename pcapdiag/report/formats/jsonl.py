"""``--format jsonl``: the session objects of ``json``, one a line."""

from __future__ import annotations

from collections.abc import Iterator

from pcapdiag.analysis import Analysis, KeepDialogue
from pcapdiag.report.json import dumps, session_object
from pcapdiag.report.options import Options


def render(analysis: Analysis, options: Options) -> Iterator[str]:
    """A line each."""
    paths = [info.path for info in analysis.captures]
    told = options.dialogue is not KeepDialogue.NONE
    for judged in analysis.sessions:
        yield dumps({"schema": "pcapdiag.session/1", **session_object(judged, paths, dialogue=told)}) + "\n"
