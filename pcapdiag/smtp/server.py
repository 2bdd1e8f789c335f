"""The server's octets -> whole replies.

Finds lines across any cut, puts replies together, and hands them on. After a hole it starts again at the next line that
can be a reply; a reply whose end is in the hole counts as complete, because the client read it and went on.
"""

from __future__ import annotations

from pcapdiag.model import Moment, Side
from pcapdiag.smtp import orderly
from pcapdiag.smtp.clock import Clock
from pcapdiag.smtp.conversation import Conversation
from pcapdiag.smtp.dialogue import OddKind, Reply
from pcapdiag.smtp.grammar import ReplyLine, reply_line
from pcapdiag.smtp.guess import can_greet
from pcapdiag.smtp.handler import Handler
from pcapdiag.smtp.lines import Line
from pcapdiag.smtp.linewise import Linewise
from pcapdiag.smtp.makers import make_reply
from pcapdiag.smtp.replies import OpenReply, single
from pcapdiag.smtp.tls_records import RECORD_TYPES, looks_like_record


class ServerStream(Linewise):
    """Reads one direction."""

    _peeked = b""
    _skipping = False
    """After a hole: the place in the line is unknown."""

    def __init__(self, handler: Handler, conversation: Conversation, clock: Clock) -> None:
        self._handler = handler
        self._conversation = conversation
        self._clock = clock
        self._partial = None
        self._open: OpenReply | None = None
        self._mode = ServerStream._peek
        self._continued = 0
        """Code of a reply that was cut by a hole: more lines of it may follow."""

    def feed(self, octets: bytes, offset: int) -> None:
        """The next octets of the stream."""
        at, size = 0, len(octets)
        while at < size:
            read_on = self._mode
            at = read_on(self, octets, offset, at)

    def expect_records(self) -> None:
        """STARTTLS was accepted: what follows is TLS."""
        self._mode = ServerStream._peek

    def _peek(self, octets: bytes, offset: int, at: int) -> int:
        """The first octets, or those behind the 220 to STARTTLS: TLS or text?"""
        if not self._peeked and octets[at] not in RECORD_TYPES:
            self._handler.server_speaks_clear()
            self._mode = ServerStream._lines
            return at
        held = self._peeked + octets[at : at + 3]
        begins = offset + at - len(self._peeked)
        verdict = looks_like_record(held)
        if verdict is None:
            self._peeked = held
            return len(octets)
        self._peeked = b""
        if verdict:
            self._handler.server_records(begins)
            self._mode = ServerStream._records
        else:
            self._handler.server_speaks_clear()
            self._mode = ServerStream._lines
        before = held[: offset + at - begins]
        if before:
            self._mode(self, before, begins, 0)
        return at

    def _records(self, octets: bytes, offset: int, at: int) -> int:
        self._handler.tls_octets(Side.SERVER, octets[at:] if at else octets, offset + at)
        return len(octets)

    def _lines(self, octets: bytes, offset: int, at: int) -> int:
        """Replies: those by the book at the beginning of a chunk, then the others line by line."""
        moment, size = self._clock.only, len(octets)
        if at or moment is None or self._partial or self._open or self._continued or size > orderly.CHUNK_LIMIT:
            return self._one_by_one(octets, offset, at)
        conversation, handler, mode, begins = self._conversation, self._handler, self._mode, offset
        for code, enhanced, lines, length in orderly.replies(octets):
            ends = begins + length
            reply = make_reply((code, enhanced, lines, moment, moment, begins, ends, True, False, False))
            begins = ends
            self._skipping = False
            if not conversation.greeted and can_greet(code):
                conversation.settle(moment)
            handler.replied(reply)
            if self._mode is not mode:
                return begins - offset
        at = begins - offset
        return at if at == size else self._one_by_one(octets, offset, at)

    def _line(self, line: Line) -> None:
        conversation = self._conversation
        words = reply_line(line.octets)
        if words is None:
            self._no_reply_line(line.octets, line.at)
            return
        if line.bare:
            conversation.oddities.once(OddKind.BARE_LF, line.at, Side.SERVER, line.octets[:3])
        if line.long:
            conversation.oddities.once(OddKind.LONG_LINE, line.at, Side.SERVER, line.octets[:3])
        self._skipping = False
        if not conversation.greeted and can_greet(words.code):
            conversation.settle(line.start)
        if self._continued:
            continued, self._continued = self._continued, 0
            if words.code == continued and not conversation.outstanding:
                # The rest of a reply whose middle was in a hole; it was taken as complete then.
                self._continued = 0 if words.last else continued
                return
        reply = self._take(line, words)
        if reply is not None:
            self._handler.replied(reply)

    def _take(self, line: Line, words: ReplyLine) -> Reply | None:
        """Take in a line of a reply: the reply when it was its last."""
        if self._open is None:
            if words.last:
                return single(line, words)
            self._open = OpenReply(line, words)
            return None
        self._open.add(line, words)
        return self._close(line.at) if words.last else None

    def _close(self, at: Moment) -> Reply | None:
        """The reply that is open, as far as it came."""
        opened, self._open = self._open, None
        return opened.reply(at) if opened is not None else None

    def _no_reply_line(self, line: bytes, at: Moment) -> None:
        if self._open is not None:
            self._open.text(line)
        elif self._skipping:
            self._skipping = False
        elif line:
            self._conversation.alien = True
            self._conversation.oddities.once(
                OddKind.NOT_SMTP, at, Side.SERVER, self._conversation.secrets.scrub(line[:64])
            )
            self._conversation.settle(at)

    def gap(self, offset: int, length: int, segment_end: bool, at: Moment) -> None:
        """A hole; `segment_end` says that it ends where a segment ended (cut by the snap length)."""
        if self._mode is ServerStream._records:
            self._handler.tls_gap(Side.SERVER, offset, length, at)
            return
        self._peeked = b""
        self._mode = ServerStream._lines
        self._skipping = not segment_end
        begun = b"" if self._partial is None else self._partial.octets
        seen = self._open is not None or bool(begun)
        reply = self._unfinished(at)
        if reply is not None:
            # The code tells what was decided; the client has read all of it.
            self._continued = reply.code
            self._handler.replied(reply._replace(complete=True, cut=True, end=offset + length))
        if not seen or reply is None:
            self._handler.unread(begun, at)

    def _unfinished(self, at: Moment) -> Reply | None:
        """The reply that has begun, as far as it came."""
        partial, self._partial = self._partial, None
        reply = None
        if partial is not None:
            line = partial.cut(at, partial.offset + partial.length)
            words = reply_line(line.octets)
            reply = self._take(line, words) if words is not None else None
        reply = reply or self._close(at)
        return reply._replace(complete=False) if reply is not None else None

    def finish(self, at: Moment) -> None:
        """No more octets will come."""
        partial, conversation = self._partial, self._conversation
        if self._mode is ServerStream._records or not (partial or self._open or self._peeked):
            return
        shown = b""
        if partial is not None:
            at = partial.start
            shown = conversation.secrets.scrub(partial.octets[:200])
        if not conversation.greeted:
            conversation.alien |= partial is not None and partial.length > 3 and reply_line(partial.octets[:4]) is None
            conversation.settle(at)
        reply = self._unfinished(at)
        if reply is not None:
            reply = conversation.cleaned(reply._replace(complete=False))
            shown = reply.text
            conversation.entries.append(reply)
            if not conversation.greeted and not can_greet(reply.code):
                conversation.begin_midway()
            elif not conversation.greeted:
                conversation.greeting = reply
        conversation.oddities.add(OddKind.PARTIAL_REPLY, at, Side.SERVER, shown)
