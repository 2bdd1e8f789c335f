"""The server's octets -> whole replies.

Finds lines across any cut, puts replies together, and hands them on. After a hole it starts again at the next line that
can be a reply; a reply whose end is in the hole counts as complete, because the client read it and went on.
"""

from __future__ import annotations

from typing import Protocol

from pcapdiag.model import Moment, Side
from pcapdiag.smtp.clock import Clock
from pcapdiag.smtp.conversation import Conversation
from pcapdiag.smtp.dialogue import OddKind, Reply
from pcapdiag.smtp.grammar import LINE_LIMIT, reply_line
from pcapdiag.smtp.lines import Partial
from pcapdiag.smtp.replies import ReplyReader
from pcapdiag.smtp.tls_records import looks_like_record


class Handler(Protocol):
    """Who takes the replies."""

    def replied(self, reply: Reply) -> None: ...
    def server_records(self, offset: int) -> bool: ...
    def server_speaks_clear(self) -> None: ...
    def tls_octets(self, side: Side, octets: bytes, offset: int) -> None: ...
    def tls_gap(self, side: Side, offset: int, length: int, at: Moment) -> None: ...


class ServerStream:
    """Reads one direction."""

    def __init__(self, handler: Handler, conversation: Conversation, clock: Clock) -> None:
        self._handler = handler
        self._conversation = conversation
        self._clock = clock
        self._partial = Partial()
        self._reply = ReplyReader()
        self._mode = self._peek
        self._peeked = b""
        self._skipping = False
        """After a hole: the place in the line is unknown."""
        self._continued = 0
        """Code of a reply that was cut by a hole: more lines of it may follow."""

    def feed(self, octets: bytes, offset: int) -> None:
        at, size = 0, len(octets)
        while at < size:
            at = self._mode(octets, offset, at)

    def expect_records(self) -> None:
        """STARTTLS was accepted: what follows is TLS."""
        self._mode = self._peek

    def _peek(self, octets: bytes, offset: int, at: int) -> int:
        """The first octets, or those behind the 220 to STARTTLS: TLS or text?"""
        held = self._peeked + octets[at : at + 3]
        begins = offset + at - len(self._peeked)
        verdict = looks_like_record(held)
        if verdict is None:
            self._peeked = held
            return len(octets)
        self._peeked = b""
        if verdict and self._handler.server_records(begins):
            self._mode = self._records
        else:
            self._handler.server_speaks_clear()
            self._mode = self._lines
        before = held[: offset + at - begins]
        if before:
            self._mode(before, begins, 0)
        return at

    def _records(self, octets: bytes, offset: int, at: int) -> int:
        self._handler.tls_octets(Side.SERVER, octets[at:] if at else octets, offset + at)
        return len(octets)

    def _lines(self, octets: bytes, offset: int, at: int) -> int:
        mode, size, partial = self._mode, len(octets), self._partial
        while at < size and self._mode is mode:
            end = octets.find(b"\n", at)
            if end < 0:
                partial.add(octets[at:], offset + at, self._clock(offset + at))
                return size
            if partial:
                partial.add(octets[at:end], offset + at, self._clock(offset + at))
                line, begins, start, long = partial.octets, partial.offset, partial.start, partial.length > LINE_LIMIT
                partial.clear()
            else:
                line, begins, start, long = octets[at:end], offset + at, self._clock(offset + at), end - at > LINE_LIMIT
            self._line(line[:LINE_LIMIT], start, begins, offset + end + 1, long)
            at = end + 1
        return at

    def _line(self, line: bytes, start: Moment, begins: int, end: int, long: bool) -> None:
        at = self._clock(end - 1)
        if line.endswith(b"\r"):
            line = line[:-1]
        elif not long:
            self._conversation.odd_once(OddKind.BARE_LF, at, Side.SERVER, b"")
        if long:
            self._conversation.odd_once(OddKind.LONG_LINE, at, Side.SERVER, line[:3])
        parsed = reply_line(line)
        if parsed is None:
            self._no_reply_line(line, at)
            return
        self._skipping = False
        if not self._conversation.greeted and (parsed.code == 220 or parsed.code >= 400):
            self._conversation.settle(start)
        if self._continued:
            continued, self._continued = self._continued, 0
            if parsed.code == continued and not self._conversation.outstanding:
                # The rest of a reply whose middle was in a hole; it was taken as complete then.
                self._continued = 0 if parsed.last else continued
                return
        reply = self._reply.line(parsed, start, at, begins, end, False)
        if reply is not None:
            self._handler.replied(reply)

    def _no_reply_line(self, line: bytes, at: Moment) -> None:
        if self._reply.open:
            self._reply.text(line)
        elif self._skipping:
            self._skipping = False
        elif line:
            self._conversation.odd_once(OddKind.NOT_SMTP, at, Side.SERVER, self._conversation.secrets.scrub(line[:64]))
            self._conversation.settle(at)

    def gap(self, offset: int, length: int, segment_end: bool, at: Moment) -> None:
        """A hole; `segment_end` says that it ends where a segment ended (cut by the snap length)."""
        if self._mode == self._records:
            self._handler.tls_gap(Side.SERVER, offset, length, at)
            return
        self._peeked = b""
        self._mode = self._lines
        self._skipping = not segment_end
        seen = self._reply.open or bool(self._partial)
        reply = self._unfinished(at)
        if reply is not None:
            # The code tells what was decided; the client has read all of it.
            self._continued = reply.code
            self._handler.replied(reply._replace(complete=True, cut=True, end=offset + length))
        if not seen or reply is None:
            self._conversation.server_gap(at)

    def _unfinished(self, at: Moment) -> Reply | None:
        """The reply that has begun, as far as it came."""
        partial = self._partial
        if partial:
            parsed = reply_line(partial.octets[:LINE_LIMIT].rstrip(b"\r"))
            if parsed is not None:
                end = partial.offset + partial.length
                reply = self._reply.line(parsed, partial.start, at, partial.offset, end, False)
                if reply is not None:
                    partial.clear()
                    return reply._replace(complete=False)
            partial.clear()
        return self._reply.close(at, complete=False) if self._reply.open else None

    def finish(self, at: Moment) -> None:
        """No more octets will come."""
        if self._mode == self._records or not (self._partial or self._reply.open or self._peeked):
            return
        conversation = self._conversation
        shown = conversation.secrets.scrub(self._partial.octets[:200])
        if self._partial:
            at = self._partial.start
        if not conversation.greeted:
            conversation.settle(at)
        reply = self._unfinished(at)
        if reply is not None:
            reply = conversation.cleaned(reply._replace(complete=False))
            shown = reply.text
            conversation.entries.append(reply)
            if not conversation.greeted:
                conversation.greeting = reply
        conversation.odd(OddKind.PARTIAL_REPLY, at, Side.SERVER, shown)
