"""Lines of the server -> `Reply`: multi-line replies put together.

Knows nothing of commands: who waited for a reply is the conversation's business (`unasked` is decided there).
"""

from __future__ import annotations

from pcapdiag.model import Moment
from pcapdiag.smtp.dialogue import Reply
from pcapdiag.smtp.grammar import TEXT_LIMIT, ReplyLine, enhanced_code
from pcapdiag.smtp.lines import Line
from pcapdiag.smtp.makers import make_reply

LINES_LIMIT = 100


def single(line: Line, words: ReplyLine) -> Reply:
    """The reply that is one line."""
    text = words.text[:TEXT_LIMIT]
    return make_reply(
        (words.code, enhanced_code(text), (text,), line.at, line.start, line.offset, line.end, True, False, False)
    )


class OpenReply:
    """A reply that has begun: a ``250-`` waits for its ``250``."""

    def __init__(self, line: Line, words: ReplyLine) -> None:
        """`line` is its first."""
        self._lines: list[bytes] = []
        self._code = words.code
        self._start = line.start
        self._offset = line.offset
        self.add(line, words)

    def add(self, line: Line, words: ReplyLine) -> None:
        """Its next line."""
        if words.last:
            # RFC 5321 4.2.1 wants one code in all lines. Where they differ, the last one is what was decided: postscreen
            # says "220-" first, to see who talks too early, and then "521 " or the true greeting.
            self._code = words.code
        self._end = line.end
        self.text(words.text)

    def text(self, line: bytes) -> None:
        """A line without a code: some servers send such inside a reply; it belongs to the text."""
        if len(self._lines) < LINES_LIMIT:
            self._lines.append(line[:TEXT_LIMIT])

    def reply(self, at: Moment) -> Reply:
        """The reply as far as it came, to the frame `at`."""
        lines = self._lines
        return make_reply(
            (
                self._code,
                enhanced_code(lines[-1]),
                tuple(lines),
                at,
                self._start,
                self._offset,
                self._end,
                True,
                False,
                False,
            )
        )
