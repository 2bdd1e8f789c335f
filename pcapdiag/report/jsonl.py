"""Sessions as JSON Lines: each the object that `pcapdiag.report.json` puts into `sessions`, with its schema named.

For log shippers and ``jq``: a line can be written as soon as its session has ended, and be read without the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from pcapdiag.analysis import Analysis, Judged
from pcapdiag.report.json import dumps, session_object


def render(analysis: Analysis, *, dialogue: bool = True) -> Iterator[str]:
    """A line a session."""
    paths = [info.path for info in analysis.captures]
    return analysis.sessions.each(partial(line, paths=paths, redaction=analysis.redaction, dialogue=dialogue))


def line(
    judged: Judged,
    paths: Sequence[str] = (),
    *,
    redaction: str = "none",
    dialogue: bool = True,
    final: bool | None = None,
) -> str:
    """One session, with its line end. `final`: whether packets may still change what is said; None where that is no question."""
    head: dict[str, object] = {"schema": "pcapdiag.session/1", "redaction": redaction}
    if final is not None:
        head["final"] = final
    return dumps(head | session_object(judged, paths, dialogue=dialogue)) + "\n"
