"""The client's octets -> commands; content and TLS go to their own readers.

At any moment the stream is in one mode (`_peek`, `_lines`, `_content`, `_records`, `_ignored`), a method that takes octets
from a place and says how far it came. What the server says changes the mode through the observer.

Lines that are no commands are not believed to be anything at first: at the beginning of a capture they are kept back
(`unsure`) until the server speaks, a command follows, or their number shows that the capture began inside a message.
"""

from __future__ import annotations

from pcapdiag.model import Moment, Side
from pcapdiag.smtp import grammar, orderly, proxy
from pcapdiag.smtp.clock import Clock
from pcapdiag.smtp.content import Content
from pcapdiag.smtp.conversation import Conversation
from pcapdiag.smtp.dialogue import Command, OddKind
from pcapdiag.smtp.handler import Handler
from pcapdiag.smtp.lines import Line
from pcapdiag.smtp.linewise import Linewise
from pcapdiag.smtp.stages import SASL_LINE, STEPS, UNKNOWN, Kind
from pcapdiag.smtp.tls_records import RECORD_TYPES, looks_like_record
from pcapdiag.smtp.transactions import Sent
from pcapdiag.smtp.unknown import TEXT_RUN, is_request_or_binary, shown_verb

_SIX = len(b"DATA\r\n")
_DATA = Kind.DATA
_PEEK = 128
"""More than any PROXY v1 header."""


class ClientStream(Linewise):
    """Reads one direction. What most streams never change stands in the class."""

    _peeked = b""
    _header_left = 0
    """Octets of a PROXY header still to come."""
    unknown_run = 0
    """Lines in a row that were no commands, since the server last spoke."""
    _end = 0
    """Behind the last octet read."""
    _six: Sent | None = None
    """A line of six octets that was not captured: DATA or QUIT."""

    def __init__(self, handler: Handler, conversation: Conversation, clock: Clock) -> None:
        self._handler = handler
        self._conversation = conversation
        self._clock = clock
        self.content = Content(conversation, clock)
        self._partial = None
        # A function and not a method: bound to its object it would be a circle that only the collector can free.
        self._mode = ClientStream._peek
        self._starttls: Sent | None = None
        self._secret_next = False
        self._skipping = False
        """After a hole: the place in the line is unknown."""
        self.unsure: list[Line] | None = []
        """Lines kept back at the beginning of a capture; None once it is clear what they are."""

    def feed(self, octets: bytes, offset: int) -> None:
        """The next octets of the stream, or again some of it that were held back."""
        at, size = 0, len(octets)
        while at < size:
            read_on = self._mode
            at = read_on(self, octets, offset, at)
        self._end = offset + size

    @property
    def unfinished(self) -> tuple[int, bytes] | None:
        """Stream offset and octets of a command line that has begun."""
        partial = self._partial
        if self._mode is not ClientStream._lines or partial is None or self._secret_next:
            return None
        return partial.offset, partial.octets

    # --- What the server's replies change ----------------------------------------------------------------------------

    def expect_secret(self) -> None:
        """334: the next line is a response of the AUTH exchange, whatever it looks like."""
        self._secret_next = True

    def expect_records(self) -> None:
        """STARTTLS was accepted."""
        self._starttls = None
        if self._mode is ClientStream._lines:
            self._partial = None
            self._mode = ClientStream._peek

    def ignore_rest(self) -> None:
        """What this side sends cannot mean anything to the server."""
        self._mode = ClientStream._ignored

    def content_wanted(self, data: Sent | None) -> None:
        """354. `data` is None when the DATA was not captured."""
        self.content.wanted(data, self._end)
        if self.content.inside:
            self._partial = None
            self._mode = ClientStream._content

    def content_refused(self, data: Sent | None) -> None:
        """DATA was refused; `data` is None when it was not captured."""
        if data is not None:
            self.content.refused(data)
            self._after_content()

    def content_ends_with(self, code: int | None) -> bool:
        """A reply (None: one that was not captured) came while content was open: had it ended?"""
        ended = self.content.ends_with(code)
        self._after_content()
        return ended

    def content_so_far(self) -> None:
        """Count the content so far: a reply comes before its end."""
        self.content.stretch()

    # --- The beginning -----------------------------------------------------------------------------------------------

    def _peek(self, octets: bytes, offset: int, at: int) -> int:
        """The first octets, or those behind STARTTLS: PROXY header, TLS or commands?"""
        if self._conversation.entries and not self._peeked and octets[at] not in RECORD_TYPES:
            self._mode = ClientStream._lines
            return at
        held = self._peeked + octets[at : at + _PEEK]
        begins = offset + at - len(self._peeked)
        header = proxy.NONE if self._conversation.entries.total else proxy.header(held)
        if header.length:
            return self._skip_header(header, held, octets, offset, at)
        records = looks_like_record(held[:3])
        if records is None or header.found is proxy.Found.MORE:
            self._peeked = held
            return len(octets)
        self._peeked = b""
        if not records:
            self._mode = ClientStream._lines
        elif self._handler.client_records(begins, self._conversation.starttls_seen):
            self._mode = ClientStream._records
        else:
            self._stray_hello(begins)
        if begins < offset + at:
            self.feed(held[: offset + at - begins], begins)
        return at

    def _skip_header(self, header: proxy.Header, held: bytes, octets: bytes, offset: int, at: int) -> int:
        conversation, moment = self._conversation, self._clock(offset + at)
        first = header.found is proxy.Found.V1
        kind, shown = (OddKind.PROXY_V1, held[: header.length].rstrip()) if first else (OddKind.PROXY_V2, b"")
        conversation.oddities.once(kind, moment, Side.CLIENT, shown)
        conversation.settle(moment)
        behind = at + header.length - len(self._peeked)
        self._peeked = b""
        self._header_left = max(0, behind - len(octets))
        if self._header_left:
            self._mode = ClientStream._rest_of_header
        return min(behind, len(octets))

    def _rest_of_header(self, octets: bytes, offset: int, at: int) -> int:
        taken = min(self._header_left, len(octets) - at)
        self._header_left -= taken
        if not self._header_left:
            self._mode = ClientStream._peek
        return at + taken

    def _stray_hello(self, begins: int) -> None:
        """A TLS hello to a server that has greeted in clear: one line of junk to it."""
        moment = self._clock(begins)
        self._conversation.oddities.once(OddKind.NOT_SMTP, moment, Side.CLIENT, b"TLS ClientHello")
        self._mode = ClientStream._ignored
        self._send(Line(b"", moment, moment, begins, begins), b"", b"", known=False)

    # --- Other modes -------------------------------------------------------------------------------------------------

    def _ignored(self, octets: bytes, offset: int, at: int) -> int:
        return len(octets)

    def _records(self, octets: bytes, offset: int, at: int) -> int:
        self._handler.tls_octets(Side.CLIENT, octets[at:] if at else octets, offset + at)
        return len(octets)

    def _content(self, octets: bytes, offset: int, at: int) -> int:
        content = self.content
        at = content.read(octets, offset, at)
        if content.scanner is None and content.chunk is None:
            self._after_content()
        return at

    def _after_content(self) -> None:
        """Content ended, or was none: read on with lines, and first what had been taken for it."""
        reader = self.content
        if reader.inside or self._mode is not ClientStream._content:
            return
        self._mode = ClientStream._lines
        if reader.rest is not None:
            (offset, octets), reader.rest = reader.rest, None
            self.feed(octets, offset)

    # --- Lines -------------------------------------------------------------------------------------------------------

    def _lines(self, octets: bytes, offset: int, at: int) -> int:
        """Commands: those by the book at the beginning of a chunk, then the others one by one."""
        moment, conversation = self._clock.only, self._conversation
        odd = self._partial or self._secret_next or self._skipping or self._starttls or self.unsure is not None
        if at or moment is None or odd or not conversation.greeted or conversation.lost_replies:
            return self._one_by_one(octets, offset, at)
        sent = orderly.take_commands(conversation, octets, offset, moment)
        if sent is not None:
            self.unknown_run = 0
            at = sent.command.end - offset
            if sent.kind is _DATA:
                self.content.expect(sent)
                self._mode = ClientStream._content
                return at
        return at if at == len(octets) else self._one_by_one(octets, offset, at)

    def _line(self, line: Line) -> None:
        if self._secret_next:
            self._secret(line)
            return
        words = grammar.command_line(line.octets)
        if self._skipping:
            # After a hole only a line that must be a command shows where lines begin.
            self._skipping = False
            if not grammar.is_plausible(words):
                return
        if words.known:
            self._known(line, words)
        elif self._answers_auth():
            self._secret(line)
        else:
            self._unknown(line, words)

    def _send(self, line: Line, verb: bytes, argument: bytes, known: bool = True) -> Sent:
        """A command for the conversation."""
        conversation = self._conversation
        kind, stage = SASL_LINE if verb == b"*" else STEPS.get(verb, UNKNOWN)
        _, start, at, offset, end, bare, long, cut = line
        if bare:
            conversation.oddities.once(OddKind.BARE_LF, at, Side.CLIENT, verb)
        if long:
            conversation.oddities.once(OddKind.LONG_LINE, at, Side.CLIENT, verb)
        sent = conversation.command(Command(verb, argument, at, start, offset, end, known, cut), kind, stage)
        conversation.settle(at)
        return sent

    def _known(self, line: Line, words: grammar.Words) -> None:
        if self.unsure is not None:
            if not self._conversation.greeted and not grammar.is_plausible(words):
                self._keep_back(line)
                return
            self.commit()
        verb, argument, _ = words
        conversation = self._conversation
        kind = STEPS[verb].kind
        self.unknown_run = 0
        if self._starttls is not None and self._starttls.reply is None:
            conversation.oddities.once(OddKind.PIPELINED_AFTER_STARTTLS, line.at, Side.CLIENT, verb)
        if kind is Kind.AUTH:
            conversation.auth_seen = True
            argument = conversation.secrets.shown(argument)
        elif argument and not grammar.is_argument(verb, argument):
            conversation.secrets.unread(argument)
            argument = b""
        if kind is Kind.CHUNK:
            self.content.announce(line, argument)
            if self.content.inside:
                self._mode = ClientStream._content
            return
        sent = self._send(line, verb, argument)
        if kind is Kind.TLS:
            self._starttls = sent
            conversation.starttls_seen = True
            self._mode = ClientStream._peek
        elif kind is Kind.DATA:
            self.content.expect(sent)
            self._mode = ClientStream._content

    def _answers_auth(self) -> bool:
        """AUTH waits for its reply: a line that is no command belongs to it (its 334 may not have been captured)."""
        outstanding = self._conversation.outstanding
        return bool(outstanding) and outstanding[-1].kind in (Kind.AUTH, Kind.SASL)

    def _secret(self, line: Line) -> None:
        """A line of an AUTH exchange."""
        self._secret_next = False
        self.commit()
        self._conversation.auth_seen = True
        self._conversation.secrets.withhold(line.octets)
        self._send(line, b"*", b"")

    def _unknown(self, line: Line, words: grammar.Words) -> None:
        """A line that is no command; at the beginning of a capture it may be message text."""
        if self.unsure is not None:
            if not is_request_or_binary(line.octets):
                self._keep_back(line)
                return
            self.commit()
        self.unknown_run += bool(line.octets) or not line.cut  # a line of which nothing was captured is no text
        self._send(line, shown_verb(self._conversation, line, words, self.unknown_run), b"", known=False)

    # --- The beginning of a capture ----------------------------------------------------------------------------------

    def _keep_back(self, line: Line) -> None:
        """A line at the beginning that is no command, or does not look like one that follows such lines."""
        unsure = self.unsure
        conversation = self._conversation
        if unsure is None or conversation.anything_said or conversation.greeted:
            self.commit()
            self._unknown(line, grammar.command_line(line.octets))
            return
        unsure.append(line)
        dot = line.octets == b"." and len(unsure) > 1
        if len(unsure) < TEXT_RUN and not dot:
            return
        self.unsure = None
        conversation.begin_midway()
        conversation.content_open = True
        self.content.began(unsure[0], line)
        if dot:
            self.content.ended(line)
            return
        self._mode = ClientStream._content
        conversation.settle(unsure[0].start)

    def commit(self) -> None:
        """The lines kept back are what they seem: lines that are no commands, but for a first one that begins like one."""
        if self.unsure is None:
            return
        kept, self.unsure = self.unsure, None
        for line in kept:
            words = grammar.command_line(line.octets)
            if words.known and line is kept[0]:
                self._known(line, words)
            else:
                self._unknown(line, words)

    # --- Holes and the end -------------------------------------------------------------------------------------------

    def gap(self, offset: int, length: int, segment_end: bool, at: Moment) -> None:
        """A hole; `segment_end` says that it ends where a segment ended (cut by the snap length)."""
        self._end = offset + length
        if self._mode is ClientStream._records:
            self._handler.tls_gap(Side.CLIENT, offset, length, at)
            return
        if self._mode is ClientStream._content:
            taken = self.content.gap(offset, length, segment_end, at)
            self._after_content()
            offset, length = offset + taken, length - taken
        if length and self._mode is not ClientStream._ignored:
            self._line_gap(offset, offset + length, segment_end, at)

    def _line_gap(self, offset: int, end: int, segment_end: bool, at: Moment) -> None:
        """A hole between or inside commands."""
        self._peeked = b""
        self._mode = ClientStream._lines
        self._skipping = False
        self._conversation.client_gap(at)
        if self._partial is not None:
            # Its beginning was seen, so it was sent; perhaps others with it, which only the replies can tell.
            line, self._partial = self._partial.cut(at, end), None
            whole = grammar.begun_verb(line.octets, end - line.offset) if segment_end and not self._secret_next else b""
            self._line(line._replace(octets=whole) if whole else line)
        elif self._secret_next:
            self._line(Line(b"", at, at, offset, end, cut=True))
        elif segment_end:
            self._unseen_line(Line(b"", at, at, offset, end, cut=True))
        self._skipping = not segment_end

    def _unseen_line(self, line: Line) -> None:
        """A segment of which only the headers were captured: its length may tell what it was."""
        length, conversation = line.end - line.offset, self._conversation
        if self._six is not None and length > _SIX and self._six not in conversation.outstanding:
            # Six octets, an answer, and then much more: DATA, 354 and the message.
            self._six = None
            conversation.content_open = True
            self.content.begin(line.offset)
            self._mode = ClientStream._content
            conversation.settle(line.at)
            self.content.gap(line.offset, length, True, line.at)
            return
        if length == _SIX and conversation.message_ended:
            self._send(line, b"QUIT", b"")
            return
        self._line(line)
        self._six = conversation.outstanding[-1] if length == _SIX and conversation.outstanding else None

    def finish(self) -> None:
        """No more octets will come."""
        self.content.finish()
        partial, conversation = self._partial, self._conversation
        if self._mode is not ClientStream._lines or partial is None:
            return
        if grammar.is_binary(partial.octets) and not conversation.auth_seen:
            conversation.oddities.once(OddKind.NOT_SMTP, partial.start, Side.CLIENT, partial.octets[:32])
            return
        words = grammar.command_line(partial.octets)
        shown = words.verb if words.known and not self._secret_next else b""
        conversation.oddities.add(OddKind.PARTIAL_COMMAND, partial.start, Side.CLIENT, shown)
