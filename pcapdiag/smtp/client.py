"""The client's octets -> commands, message content, TLS.

At any moment the stream is in one mode (`_peek`, `_lines`, `_content`, `_chunk`, `_records`, `_ignored`), a method that
takes octets from a place and says how far it came. What the server says changes the mode through the observer.

Lines that are no commands are not believed to be anything at first: at the beginning of a capture they are kept back
(`_unsure`) until the server speaks, a command follows, or their number shows that the capture began inside a message.
"""

from __future__ import annotations

from typing import Protocol

from pcapdiag.model import Moment, Side, Stage
from pcapdiag.smtp import auth, grammar, proxy
from pcapdiag.smtp.body import DataScanner
from pcapdiag.smtp.clock import Clock
from pcapdiag.smtp.conversation import Conversation
from pcapdiag.smtp.dialogue import DOT, Body, Command, OddKind, Reply
from pcapdiag.smtp.lines import Partial
from pcapdiag.smtp.stages import LAST_CHUNK, SASL_LINE, STEPS, UNKNOWN, Kind, Step
from pcapdiag.smtp.tls_records import looks_like_record
from pcapdiag.smtp.transactions import Sent

_TEXT_RUN = 3
"""So many lines in a row that are no commands, unanswered, are message text."""


class Handler(Protocol):
    """Who decides what concerns both directions."""

    def client_records(self, offset: int, after_starttls: bool) -> bool: ...
    def tls_octets(self, side: Side, octets: bytes, offset: int) -> None: ...
    def tls_gap(self, side: Side, offset: int, length: int, at: Moment) -> None: ...


class ClientStream:
    """Reads one direction."""

    def __init__(self, handler: Handler, conversation: Conversation, clock: Clock) -> None:
        self._handler = handler
        self._conversation = conversation
        self._clock = clock
        self._partial = Partial()
        self._mode = self._peek
        self._peeked = b""
        self._starttls: Sent | None = None
        self._secret_next = False
        self._skipping = False
        """After a hole: the place in the line is unknown."""
        self._unsure: list[tuple[Command, bytes]] | None = []
        """Lines kept back at the beginning of a capture; None once it is clear what they are."""
        self.unknown_run = 0
        self._end = 0
        """Behind the last octet seen."""
        # Content behind DATA:
        self._scanner: DataScanner | None = None
        self._data: Sent | None = None
        """DATA, while its reply is awaited: what follows it is content only if that is 354."""
        self._start: Moment | None = None
        self._at: Moment | None = None
        self._counted = 0
        """Octets of the content that earlier stretches have counted."""
        # Content behind BDAT:
        self.chunk_in_progress: Sent | None = None
        self._left = 0
        self._size = 0
        self._missing = 0

    def feed(self, octets: bytes, offset: int) -> None:
        at, size = 0, len(octets)
        while at < size:
            at = self._mode(octets, offset, at)
        self._end = offset + size

    # --- What the server's replies change ----------------------------------------------------------------------------

    def expect_secret(self) -> None:
        """334: the next line is a response of the AUTH exchange, whatever it looks like."""
        self._secret_next = True

    def expect_records(self) -> None:
        """STARTTLS was accepted."""
        self._starttls = None
        if self._mode == self._lines:
            self._partial.clear()
            self._mode = self._peek

    def ignore_rest(self) -> None:
        self._mode = self._ignored

    def content_wanted(self, data: Sent | None) -> None:
        """354. `data` is None when the DATA was not captured."""
        if data is None or (self._scanner is None and not data.over):
            self._partial.clear()
            self._begin_content(self._end, holding=False)
        elif self._scanner is not None:
            self._scanner.holding = self._scanner.candidate is not None
        self._data = None

    def content_refused(self, data: Sent) -> None:
        """DATA was refused: what the client had sent behind it meanwhile is commands."""
        scanner = self._scanner
        if self._data is not data or scanner is None:
            return
        self._data = self._scanner = None
        self._mode = self._lines
        held = scanner.held()
        if held is None:
            self._conversation.odd_once(OddKind.UNSTUFFED_TEXT, self._at or data.command.at, Side.CLIENT, b"")
            self._skipping = True
        elif held[1]:
            self._again(held[1], held[0])

    def ends_with(self, reply: Reply) -> bool:
        """A reply came while content was open: did it end at a place that was not sure to be its end?"""
        scanner = self._scanner
        if scanner is None or scanner.candidate is None:
            return False
        candidate, held = scanner.candidate, scanner.held()
        idle = held is not None and (not held[1] or grammar.is_commands(held[1]))
        if reply.code == 421 or not (idle or (reply.code < 300 and not candidate.bare)):
            return False
        if not idle:
            held = None
            candidate = candidate._replace(content_end=scanner.offset, end=scanner.offset)
        at = self._at or self._clock(candidate.end)
        if candidate.bare:
            self._conversation.odd_once(OddKind.BARE_LF, at, Side.CLIENT, b"")
        self._end_content(candidate.content_end, candidate.end, at, cut=not candidate.bare)
        if held is not None and held[1]:
            self._again(held[1], held[0])
        return True

    def stretch(self) -> None:
        """Count the content so far, before a reply that came too early."""
        if self._scanner is not None and self._scanner.octets_to(self._scanner.offset) > self._counted:
            self._count(self._scanner.offset, complete=False)

    def _again(self, octets: bytes, offset: int) -> None:
        """Read octets that were held back as commands."""
        at = 0
        while at < len(octets):
            at = self._mode(octets, offset, at)

    # --- The beginning -----------------------------------------------------------------------------------------------

    def _peek(self, octets: bytes, offset: int, at: int) -> int:
        """The first octets, or those behind STARTTLS: PROXY header, TLS or commands?"""
        before = len(self._peeked)
        held = self._peeked + octets[at : at + 128]
        begins = offset + at - before
        first = begins == 0 or not self._conversation.outstanding
        header = proxy.header(held) if first and not self._conversation.entries.total else None
        if header is not None and header.found in (proxy.Found.V1, proxy.Found.V2):
            return self._skip_header(header, held, octets, offset, at)
        records = looks_like_record(held[:3])
        if records is None or (header is not None and header.found is proxy.Found.MORE):
            self._peeked = held
            return at + 128 if len(octets) > at + 128 else len(octets)
        self._peeked = b""
        after_starttls = self._conversation.entries.total > 0 and self._conversation.starttls_seen
        if records and self._handler.client_records(begins, after_starttls):
            self._mode = self._records
        elif records:
            self._stray_hello(begins)
            return len(octets)
        else:
            self._mode = self._lines
        if before:
            self._again(held[:before], begins)
        return at

    def _skip_header(self, header: proxy.Header, held: bytes, octets: bytes, offset: int, at: int) -> int:
        conversation, moment = self._conversation, self._clock(offset + at)
        kind = OddKind.PROXY_V1 if header.found is proxy.Found.V1 else OddKind.PROXY_V2
        conversation.odd_once(
            kind, moment, Side.CLIENT, held[: header.length].rstrip() if kind is OddKind.PROXY_V1 else b""
        )
        conversation.settle(moment)
        behind = at + header.length - len(self._peeked)
        self._peeked = b""
        self._left = max(0, behind - len(octets))
        if self._left:
            self._mode = self._rest_of_header
        return min(behind, len(octets))

    def _rest_of_header(self, octets: bytes, offset: int, at: int) -> int:
        taken = min(self._left, len(octets) - at)
        self._left -= taken
        if not self._left:
            self._mode = self._peek
        return at + taken

    def _stray_hello(self, begins: int) -> None:
        """A TLS hello to a server that has greeted in clear: one line of junk to it."""
        moment = self._clock(begins)
        self._conversation.odd_once(OddKind.NOT_SMTP, moment, Side.CLIENT, b"TLS ClientHello")
        command = Command(b"", b"", moment, moment, begins, begins, False, False)
        self._conversation.command(command, Kind.ALONE, None)
        self._conversation.settle(moment)
        self._mode = self._ignored

    def _ignored(self, octets: bytes, offset: int, at: int) -> int:
        return len(octets)

    def _records(self, octets: bytes, offset: int, at: int) -> int:
        self._handler.tls_octets(Side.CLIENT, octets[at:] if at else octets, offset + at)
        return len(octets)

    # --- Lines -------------------------------------------------------------------------------------------------------

    def _lines(self, octets: bytes, offset: int, at: int) -> int:
        mode, size, partial = self._mode, len(octets), self._partial
        while at < size and self._mode is mode:
            end = octets.find(b"\n", at)
            if end < 0:
                partial.add(octets[at:], offset + at, self._clock(offset + at))
                return size
            if partial:
                partial.add(octets[at:end], offset + at, self._clock(offset + at))
                line, begins, start, long = (
                    partial.octets,
                    partial.offset,
                    partial.start,
                    partial.length > grammar.LINE_LIMIT,
                )
                partial.clear()
            else:
                line, begins = octets[at:end], offset + at
                start, long = self._clock(begins), end - at > grammar.LINE_LIMIT
            at = end + 1
            self._line(line[: grammar.LINE_LIMIT], start, begins, offset + at, long, False)
        return at

    def _line(self, line: bytes, start: Moment, begins: int, end: int, long: bool, cut: bool) -> None:
        conversation, at = self._conversation, self._clock(end - 1)
        bare = not (line.endswith(b"\r") or long or cut)
        if line.endswith(b"\r"):
            line = line[:-1]
        if self._secret_next:
            self._secret_next = False
            self._secret(line, at, start, begins, end, cut)
            return
        parsed = grammar.command_line(line)
        if self._skipping:
            self._skipping = False
            if not grammar.is_plausible(parsed):
                return
        if parsed.known:
            if self._unsure is not None:
                if self._unsure and not grammar.is_plausible(parsed):
                    self._keep_back(line, at, start, begins, end, cut)
                    return
                self.commit()
            if bare:
                conversation.odd_once(OddKind.BARE_LF, at, Side.CLIENT, parsed.verb)
            if long:
                conversation.odd_once(OddKind.LONG_LINE, at, Side.CLIENT, parsed.verb)
            self._known(parsed, at, start, begins, end, cut)
            return
        if self._answers_auth():
            self._secret(line, at, start, begins, end, cut)
            return
        if long:
            conversation.odd_once(OddKind.LONG_LINE, at, Side.CLIENT, b"")
        if self._unsure is not None and not grammar.is_http(line) and not grammar.is_binary(line):
            self._keep_back(line, at, start, begins, end, cut)
            return
        self.commit()
        self._unknown(line, parsed.verb, at, start, begins, end, cut)

    def _answers_auth(self) -> bool:
        """AUTH waits for its reply: a line that is no command belongs to it (its 334 may not have been captured)."""
        outstanding = self._conversation.outstanding
        return bool(outstanding) and outstanding[-1].kind in (Kind.AUTH, Kind.SASL)

    def _secret(self, line: bytes, at: Moment, start: Moment, begins: int, end: int, cut: bool) -> None:
        conversation = self._conversation
        conversation.auth_seen = True
        conversation.secrets.withhold(line)
        command = Command(b"*", b"", at, start, begins, end, True, cut)
        conversation.command(command, SASL_LINE.kind, SASL_LINE.stage)
        conversation.settle(at)

    def _known(self, parsed: grammar.Line, at: Moment, start: Moment, begins: int, end: int, cut: bool) -> None:
        conversation = self._conversation
        verb, argument, _ = parsed
        step = STEPS[verb]
        kind = step.kind
        self.unknown_run = 0
        if kind is Kind.AUTH:
            conversation.auth_seen = True
            conversation.secrets.withhold(argument.partition(b" ")[2])
            shown = auth.mechanism(argument)
            if not shown:
                conversation.secrets.withhold(argument)
            argument = shown
        elif verb == b"BURL":
            # RFC 4467: the URL carries an authorization token.
            argument = b""
        elif kind is Kind.CHUNK:
            self._chunk_announced(step, argument, at, start, begins, end, cut)
            return
        if self._starttls is not None and self._starttls.reply is None:
            conversation.odd_once(OddKind.PIPELINED_AFTER_STARTTLS, at, Side.CLIENT, verb)
        sent = conversation.command(Command(verb, argument, at, start, begins, end, True, cut), kind, step.stage)
        if kind is Kind.TLS:
            self._starttls = sent
            conversation.starttls_seen = True
            self._mode = self._peek
        elif kind is Kind.DATA:
            self._data = sent
            self._begin_content(end, holding=True)
        conversation.settle(at)

    def _unknown(self, line: bytes, verb: bytes, at: Moment, start: Moment, begins: int, end: int, cut: bool) -> None:
        """A line that is no command: show as little of it as can be, it may be text or a secret."""
        conversation = self._conversation
        if conversation.auth_seen:
            conversation.secrets.withhold(line)
        guarded = conversation.auth_seen or conversation.client_lost or not conversation.greeted
        if grammar.is_http(line):
            conversation.odd_once(OddKind.NOT_SMTP, at, Side.CLIENT, grammar.request_shown(line))
        elif guarded and not grammar.is_masked_verb(verb):
            verb = b""
        if grammar.is_binary(line):
            conversation.odd_once(OddKind.NOT_SMTP, at, Side.CLIENT, b"" if conversation.auth_seen else line[:32])
        self.unknown_run += 1
        if self.unknown_run >= _TEXT_RUN or (conversation.smtp and not verb and grammar.is_header_field(line)):
            conversation.odd_once(OddKind.UNSTUFFED_TEXT, at, Side.CLIENT, b"")
        conversation.command(Command(verb, b"", at, start, begins, end, False, cut), UNKNOWN.kind, UNKNOWN.stage)
        conversation.settle(at)

    # --- The beginning of a capture ----------------------------------------------------------------------------------

    def _keep_back(self, line: bytes, at: Moment, start: Moment, begins: int, end: int, cut: bool) -> None:
        assert self._unsure is not None
        if self._conversation.entries.total or self._conversation.greeted:
            self.commit()
            self._unknown(line, grammar.command_line(line).verb, at, start, begins, end, cut)
            return
        self._unsure.append((Command(b"", b"", at, start, begins, end, False, cut), line))
        if len(self._unsure) < _TEXT_RUN:
            return
        first = self._unsure[0][0]
        self._unsure = None
        self._conversation.begin_midway()
        self._conversation.content_open = True
        self._begin_content(first.offset, holding=False)
        self._start, self._at = first.start, at
        assert self._scanner is not None
        self._scanner.offset = end
        self._conversation.settle(first.start)

    def commit(self) -> None:
        """The lines kept back are what they seem: lines that are no commands."""
        if self._unsure is None:
            return
        kept, self._unsure = self._unsure, None
        for command, line in kept:
            verb = grammar.command_line(line).verb
            self._unknown(line, verb, command.at, command.start, command.offset, command.end, command.cut)

    # --- Content behind DATA -----------------------------------------------------------------------------------------

    def _begin_content(self, offset: int, holding: bool) -> None:
        self._scanner = DataScanner(offset, holding)
        self._start = self._at = None
        self._counted = 0
        self._mode = self._content

    def _content(self, octets: bytes, offset: int, at: int) -> int:
        scanner = self._scanner
        assert scanner is not None
        if self._start is None:
            self._start = self._clock(offset + at)
        used = scanner.scan(octets[at:] if at else octets, offset + at)
        end = scanner.offset
        self._at = self._clock(end - 1)
        if self._data is not None and self._conversation.replies_lost and not self._reply_in_hole(scanner):
            return len(octets)
        if used < 0:
            return len(octets)
        self._end_content(end - 3, end, self._at, cut=False)
        return at + used

    def _reply_in_hole(self, scanner: DataScanner) -> bool:
        """The reply to DATA may be in a hole of the server's octets: what follows tells. False: read as commands."""
        data, held = self._data, scanner.held()
        assert data is not None
        if held is not None and b"\n" not in held[1] and len(held[1]) <= 64:
            return True
        line = held[1].partition(b"\n")[0].rstrip(b"\r") if held is not None else b""
        if held is not None and grammar.is_plausible(grammar.command_line(line)):
            self._data = self._scanner = None
            self._mode = self._lines
            self._again(held[1], held[0])
            return False
        self._conversation.answer_unseen(data)
        self._data = None
        scanner.holding = scanner.candidate is not None
        self._conversation.settle(self._start or data.command.at)
        return True

    def _count(self, content_end: int, complete: bool) -> None:
        """A stretch of content ends at stream offset `content_end`."""
        scanner, at = self._scanner, self._at
        assert scanner is not None
        octets = max(0, scanner.octets_to(content_end) - self._counted)
        at = at or self._clock(content_end)
        missing, scanner.missing = scanner.missing, 0
        self._conversation.content(Body(at, self._start or at, octets, complete, False, min(missing, octets)))
        self._counted += octets
        self._start = None

    def _end_content(self, content_end: int, end: int, at: Moment, cut: bool) -> None:
        conversation = self._conversation
        self._count(content_end, complete=True)
        self._scanner = None
        self._mode = self._lines
        conversation.content_open = False
        if self._data is not None:
            self._data.over = True
            self._data = None
        dot = Command(DOT, b"", at, at, content_end, end, True, cut)
        sent = conversation.command(dot, Kind.DOT, Stage.END_OF_DATA)
        conversation.terminated(sent)
        conversation.settle(at)

    # --- Content behind BDAT -----------------------------------------------------------------------------------------

    def _chunk_announced(
        self, step: Step, argument: bytes, at: Moment, start: Moment, begins: int, end: int, cut: bool
    ) -> None:
        conversation = self._conversation
        size, last = grammar.chunk_size(argument) or (0, False)
        if last:
            step = LAST_CHUNK
        command = Command(b"BDAT", argument, at, start, begins, end, True, cut)
        sent = conversation.command(command, step.kind, step.stage)
        self._left = self._size = size
        self._missing = 0
        if size:
            sent.sent = False
            self.chunk_in_progress = sent
            self._start = self._at = None
            self._mode = self._chunk
        elif last:
            conversation.terminated(sent)
        conversation.settle(at)

    def _chunk(self, octets: bytes, offset: int, at: int) -> int:
        taken = min(self._left, len(octets) - at)
        if self._start is None:
            self._start = self._clock(offset + at)
        self._at = self._clock(offset + at + taken - 1)
        self._left -= taken
        if not self._left:
            self._end_chunk(self._at)
        return at + taken

    def _end_chunk(self, at: Moment) -> None:
        sent, conversation = self.chunk_in_progress, self._conversation
        assert sent is not None
        self._mode = self._lines
        self.chunk_in_progress = None
        conversation.content(Body(at, self._start or at, self._size, True, True, self._missing))
        sent.sent = True
        if sent.kind is Kind.LAST:
            conversation.terminated(sent)
        conversation.settle(at)

    # --- Holes and the end -------------------------------------------------------------------------------------------

    def gap(self, offset: int, length: int, segment_end: bool, at: Moment) -> None:
        """A hole; `segment_end` says that it ends where a segment ended (cut by the snap length)."""
        self._end = offset + length
        if self._mode == self._records:
            self._handler.tls_gap(Side.CLIENT, offset, length, at)
            return
        if self._mode == self._content and self._scanner is not None:
            self._start = self._start or at
            self._at = at
            self._scanner.gap(offset, length)
            return
        if self._mode == self._chunk:
            taken = min(length, self._left)
            self._start = self._start or at
            self._at = at
            self._left -= taken
            self._missing += taken
            if not self._left:
                self._end_chunk(at)
            offset, length = offset + taken, length - taken
        if length and self._mode != self._ignored:
            self._line_gap(offset, length, segment_end, at)

    def _line_gap(self, offset: int, length: int, segment_end: bool, at: Moment) -> None:
        self._peeked = b""
        self._mode = self._lines
        self._skipping = not segment_end
        self._conversation.client_gap(at)
        partial = self._partial
        if partial:
            # Its beginning was seen, so it was sent; with it perhaps others, which only the replies can tell.
            line, start, begins = partial.octets[: grammar.LINE_LIMIT], partial.start, partial.offset
            partial.clear()
            self._line(line, start, begins, offset + length, False, True)
        elif self._secret_next:
            self._secret_next = False
            self._secret(b"", at, at, offset, offset + length, True)
        elif segment_end:
            command = Command(b"", b"", at, at, offset, offset + length, False, True)
            self._conversation.command(command, UNKNOWN.kind, UNKNOWN.stage)
            self._conversation.settle(at)

    def finish(self, at: Moment) -> None:
        """No more octets will come."""
        conversation = self._conversation
        if self._mode == self._content and self._scanner is not None:
            scanner = self._scanner
            if scanner.octets_to(scanner.offset) > self._counted and self._data is None:
                self._count(scanner.offset, complete=False)
        elif self._mode == self._chunk:
            sent = self._size - self._left
            if sent:
                last = self._at or at
                conversation.content(Body(last, self._start or last, sent, False, True, self._missing))
        elif self._mode == self._lines and self._partial:
            parsed = grammar.command_line(self._partial.octets)
            shown = parsed.verb if parsed.known and not self._secret_next else b""
            conversation.odd(OddKind.PARTIAL_COMMAND, self._partial.start, Side.CLIENT, shown)
