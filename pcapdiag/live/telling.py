"""Events -> text: JSON lines for programs, one readable line for people, or the whole report of a session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from pcapdiag.analysis import Analysis, AnalysisBuilder, Judged, KeepDialogue
from pcapdiag.live.events import Ended
from pcapdiag.model import CaptureInfo, Party
from pcapdiag.pseudonym import Pseudonyms
from pcapdiag.redact import redact
from pcapdiag.report import formats, jsonl
from pcapdiag.report.clean import duration_text
from pcapdiag.report.clock import Clock
from pcapdiag.report.options import Options
from pcapdiag.report.telling import headline


@dataclass(frozen=True, slots=True)
class Teller:
    """How sessions are told."""

    names: Pseudonyms
    options: Options
    info: Callable[[], CaptureInfo]
    """The capture by now."""

    def json(self, ended: Ended) -> str:
        """A line of `pcapdiag.session/1`, with ``final``."""
        return self._json(ended, self.options.dialogue)

    def whole(self, ended: Ended) -> str:
        """The same with the whole conversation, whatever the reader of lines wants of it."""
        return self._json(ended, KeepDialogue.ALL)

    def _json(self, ended: Ended, keep: KeepDialogue) -> str:
        analysis = self._alone(ended.judged, keep)
        dialogue = keep is not KeepDialogue.NONE
        tell = partial(
            jsonl.line,
            paths=[analysis.captures[0].path],
            redaction=analysis.redaction,
            dialogue=dialogue,
            final=ended.final,
        )
        return next(analysis.sessions.each(tell))

    def line(self, ended: Ended) -> str:
        """``10:00:01.250  192.0.2.1:49152 > 198.51.100.25:25  dropped by the server, data (rst, likely)``"""
        judged = next(iter(self._alone(ended.judged).sessions))
        verdict, connection = judged.verdict, judged.session.connection
        sure = [verdict.how.value] if verdict.dropped_by is not Party.NOBODY else []
        if verdict.strength is not None:
            sure.append(verdict.strength.value)
        lasted = duration_text(connection.last.time_ns - connection.first.time_ns)
        how = f" ({', '.join(sure)})" if sure else ""
        state = "" if ended.final else "  [not final]"
        return (
            f"{Clock(self.options.zone).fine(verdict.end.time_ns)}  {connection.client} > {connection.server}  "
            f"{headline(verdict)}{how}, after {lasted}  {verdict.rule}{state}\n"
        )

    def report(self, ended: Ended) -> Iterator[str]:
        """The text report of the session alone."""
        analysis = self._alone(ended.judged)
        return formats.render("text", analysis, replace(self.options, only=frozenset((ended.judged.id,))))

    def shown(self, judged: Judged) -> Judged:
        """The session as it may be shown, with its whole conversation."""
        return next(iter(self._alone(judged, KeepDialogue.ALL).sessions))

    def _alone(self, judged: Judged, dialogue: KeepDialogue | None = None) -> Analysis:
        builder = AnalysisBuilder(dialogue or self.options.dialogue)
        builder.add(judged)
        return redact(builder.finish([self.info()]), self.names)
