"""Lines of the server -> `Reply`: multi-line replies put together.

Knows nothing of commands: who waited for a reply is the conversation's business (`unasked` is decided there).
"""

from __future__ import annotations

from pcapdiag.model import Moment
from pcapdiag.smtp.dialogue import Reply
from pcapdiag.smtp.grammar import TEXT_LIMIT, ReplyLine, enhanced_code
from pcapdiag.smtp.lines import Line

LINES_LIMIT = 100


class ReplyReader:
    """Gathers the lines of one reply. `open` while a ``250-`` waits for its ``250``."""

    open = False
    _code = 0
    _start = Moment(0, 0, 0)
    _offset = 0
    _end = 0

    def __init__(self) -> None:
        self._lines: list[bytes] = []

    def line(self, line: Line, words: ReplyLine) -> Reply | None:
        """Add a line; the reply when it was its last."""
        code, last, text = words
        if last and not self.open:
            text = text[:TEXT_LIMIT]
            return Reply(
                code, enhanced_code(text), (text,), line.at, line.start, line.offset, line.end, True, False, False
            )
        if not self.open:
            self.open = True
            self._code, self._lines, self._start, self._offset = code, [], line.start, line.offset
        if len(self._lines) < LINES_LIMIT:
            self._lines.append(text[:TEXT_LIMIT])
        self._end = line.end
        if not last:
            return None
        # RFC 5321 4.2.1 wants one code in all lines. Where they differ, the last one is what was decided: postscreen says
        # "220-" first, to see who talks too early, and then "521 " or the true greeting.
        self._code = code
        return self.close(line.at)

    def text(self, line: bytes) -> None:
        """A line without a code inside a multi-line reply: some servers send such; it belongs to the text."""
        if len(self._lines) < LINES_LIMIT:
            self._lines.append(line[:TEXT_LIMIT])

    def close(self, at: Moment, complete: bool = True) -> Reply:
        """The reply as far as it came."""
        self.open = False
        last = self._lines[-1] if self._lines else b""
        return Reply(
            self._code,
            enhanced_code(last),
            tuple(self._lines),
            at,
            self._start,
            self._offset,
            self._end,
            complete,
            False,
            False,
        )
