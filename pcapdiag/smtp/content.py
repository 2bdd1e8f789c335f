"""Message content on its way: behind DATA until the terminator, behind BDAT by count.

Turns stretches of the client's octets into `Body` entries and the end of data, and says how far it read. Content is open
*on trust* while the reply to DATA is awaited, or while a hole may have held the terminator; `rest` is what turned out to be
commands then, for the lines' reader to read again.
"""

from __future__ import annotations

from pcapdiag.model import Moment, Side, Stage
from pcapdiag.smtp import grammar
from pcapdiag.smtp.body import DataScanner
from pcapdiag.smtp.clock import Clock
from pcapdiag.smtp.conversation import Conversation
from pcapdiag.smtp.dialogue import DOT, Body, Command, OddKind
from pcapdiag.smtp.lines import Line
from pcapdiag.smtp.makers import make_body, make_command
from pcapdiag.smtp.stages import LAST_CHUNK, STEPS, Kind
from pcapdiag.smtp.transactions import Sent

# Looked up once: members of an enumeration are slow to reach.
_DOT, _END_OF_DATA = Kind.DOT, Stage.END_OF_DATA
_DOTS = (b".\r\n", b"\r\n.\r\n")
_ENOUGH = 64
"""Octets without a line end that no command would begin with."""


class Content:
    """The content that is being sent, if any. What begins alike for all stands in the class."""

    _start: Moment | None = None
    _at: Moment | None = None
    rest: tuple[int, bytes] | None = None
    """Stream offset and octets that are commands after all."""
    # Behind DATA:
    scanner: DataScanner | None = None
    """Looks for the terminator, while content is open."""
    _data: Sent | None = None
    """DATA, while its reply is awaited: what follows it is content only if that is 354."""
    _counted = 0
    """Octets of the content that earlier stretches have counted."""
    # Behind BDAT:
    chunk: Sent | None = None
    _left = 0
    _size = 0
    _missing = 0

    def __init__(self, conversation: Conversation, clock: Clock) -> None:
        self._conversation = conversation
        self._clock = clock

    @property
    def inside(self) -> bool:
        return self.scanner is not None or self.chunk is not None

    def read(self, octets: bytes, offset: int, at: int) -> int:
        """Read content from place `at` of `octets`: how far it went."""
        if self.scanner is not None:
            return self._read_data(self.scanner, octets, offset, at)
        return self._read_chunk(octets, offset, at)

    # --- Behind DATA -------------------------------------------------------------------------------------------------

    def expect(self, data: Sent) -> None:
        """DATA was sent; its reply is awaited."""
        self._data = data
        self._open(data.command.end)

    def begin(self, offset: int) -> None:
        """354 came, or the capture began inside content."""
        self._data = None
        self._open(offset)

    def began(self, first: Line, last: Line) -> None:
        """The capture began inside content: lines already read belong to it."""
        self.begin(first.offset)
        self._start, self._at = first.start, last.at
        if self.scanner is not None:
            self.scanner.offset = last.end

    def ended(self, dot: Line) -> None:
        """The last of those lines is the terminator."""
        self._end(dot.offset, dot.end, cut=dot.cut)

    def wanted(self, data: Sent | None, offset: int) -> None:
        """354. `data` is None when DATA was not captured; the content then begins at `offset`."""
        if data is None or (self.scanner is None and not data.over):
            self.begin(offset)
        self._data = None

    def refused(self, data: Sent) -> None:
        """DATA was refused: what the client had sent behind it meanwhile is commands."""
        scanner = self.scanner
        # Text that was never to be sent, of which nothing is kept: the server may quote it line by line.
        if data.over:
            self._conversation.secrets.forgotten = True
        if self._data is not data or scanner is None:
            return
        self._data = self.scanner = None
        held = scanner.since(scanner.start)
        if held is not None:
            self.rest = (scanner.start, held)
        else:
            self._conversation.secrets.forgotten = True
            self._conversation.oddities.once(OddKind.UNSTUFFED_TEXT, self._at or data.command.at, Side.CLIENT, b"")

    def ends_with(self, code: int | None) -> bool:
        """A reply came while content was open: had it ended, at a place that was not sure to be its end?

        `code` is None for a reply that was not captured.
        """
        scanner = self.scanner
        if scanner is None or code == 421:
            return False
        bare = scanner.bare_end()
        if bare is not None and self._commands_behind(scanner, bare.end):
            at = self._at or self._clock(bare.end)
            self._conversation.oddities.once(OddKind.BARE_LF, at, Side.CLIENT, b"")
            self._end(bare.content_end, bare.end, cut=False)
            return True
        if scanner.gap_end is None:
            return False
        if self._commands_behind(scanner, scanner.gap_end):
            self._end(max(scanner.start, scanner.gap_end - 3), scanner.gap_end, cut=True)
            return True
        if code is not None and code < 300:
            # More followed than commands, but a message that is accepted has ended: in an earlier hole.
            self.rest = None
            self._end(scanner.offset, scanner.offset, cut=True)
            return True
        return False

    def _commands_behind(self, scanner: DataScanner, end: int) -> bool:
        """Nothing but commands stands behind `end`: they are read again as such."""
        behind = scanner.since(end)
        if behind is None or (behind and not grammar.is_commands(behind)):
            return False
        self.rest = (end, behind)
        return True

    def stretch(self) -> None:
        """Count the content so far, before a reply that came too early or at the end."""
        scanner = self.scanner
        if scanner is not None and self._data is None and scanner.octets_to(scanner.offset) > self._counted:
            self._count(scanner, scanner.offset, complete=False)

    def _open(self, offset: int) -> None:
        self.scanner = DataScanner(offset)
        self._start = self._at = None
        self._counted = 0

    def _read_data(self, scanner: DataScanner, octets: bytes, offset: int, at: int) -> int:
        clock, known = self._clock, scanner.bare is not None
        if self._start is None:
            self._start = clock.only or clock(offset + at)
        behind = scanner.scan(octets, offset, at)
        end = scanner.offset
        self._at = clock.only or clock(end - 1)
        if scanner.bare is not None and not known:
            self._conversation.oddities.once(OddKind.BARE_LF, clock(scanner.bare), Side.CLIENT, b"")
        if self._data is not None and self._conversation.lost_replies:
            self._reply_in_hole(self._data, scanner)
            if self.scanner is None:
                return len(octets)
        if behind < 0:
            return len(octets)
        self._end(end - 3, end, cut=False)
        return behind

    def _reply_in_hole(self, data: Sent, scanner: DataScanner) -> None:
        """The reply to DATA may be in a hole of the server's octets: the next line of the client tells what it was."""
        held = scanner.since(scanner.start)
        if held is not None:
            line, ended, _ = held.partition(b"\n")
            if not ended and len(line) <= _ENOUGH:
                return
            if grammar.is_plausible(grammar.command_line(line.rstrip(b"\r"))):
                self._data = self.scanner = None
                self.rest = (scanner.start, held)
                return
        self._conversation.answer_unseen(data)
        self._data = None
        self._conversation.settle(self._start or data.command.at)

    def _count(self, scanner: DataScanner, content_end: int, complete: bool) -> None:
        """A stretch of content ends at stream offset `content_end`."""
        counted, sent = self._counted, scanner.octets_to(content_end)
        octets = sent - counted if sent > counted else 0
        at = self._at or self._clock(content_end)
        missing, scanner.missing = scanner.missing, 0
        self._conversation.content(
            make_body((at, self._start or at, octets, complete, False, missing and min(missing, octets)))
        )
        self._counted = counted + octets
        self._start = None

    def _end(self, content_end: int, end: int, cut: bool) -> None:
        conversation, scanner = self._conversation, self.scanner
        assert scanner is not None
        at = self._at or self._clock(end)
        self._count(scanner, content_end, complete=True)
        self.scanner = None
        conversation.content_open = False
        if self._data is not None:
            self._data.over = True
            self._data = None
        dot = make_command((DOT, b"", at, at, content_end, end, True, cut))
        sent = conversation.command(dot, _DOT, _END_OF_DATA)
        conversation.terminated(sent)
        conversation.settle(at)

    # --- Behind BDAT -------------------------------------------------------------------------------------------------

    def announce(self, line: Line, argument: bytes) -> None:
        """BDAT was sent. RFC 3030 2: "The message data is sent immediately after the trailing <CR> <LF>"."""
        conversation = self._conversation
        size, last = grammar.chunk_size(argument) or (0, False)
        step = LAST_CHUNK if last else STEPS[b"BDAT"]
        command = Command(b"BDAT", argument, line.at, line.start, line.offset, line.end, True, line.cut)
        sent = conversation.command(command, step.kind, step.stage)
        self._left = self._size = size
        self._missing = 0
        if size:
            sent.sent = False
            self.chunk = sent
            self._start = self._at = None
        elif last:
            conversation.terminated(sent)
        conversation.settle(line.at)

    def _read_chunk(self, octets: bytes, offset: int, at: int) -> int:
        taken = min(self._left, len(octets) - at)
        if self._start is None:
            self._start = self._clock(offset + at)
        self._at = self._clock(offset + at + taken - 1)
        self._left -= taken
        if not self._left:
            self._end_chunk(self._at)
        return at + taken

    def _end_chunk(self, at: Moment) -> None:
        sent, conversation = self.chunk, self._conversation
        assert sent is not None
        self.chunk = None
        conversation.content(Body(at, self._start or at, self._size, True, True, self._missing))
        sent.sent = True
        if sent.kind is Kind.LAST:
            conversation.terminated(sent)
        conversation.settle(at)

    # --- Holes and the end -------------------------------------------------------------------------------------------

    def gap(self, offset: int, length: int, segment_end: bool, at: Moment) -> int:
        """A hole while content is open: how many of its octets belong to the content."""
        self._start = self._start or at
        self._at = at
        if (scanner := self.scanner) is not None:
            if segment_end and self._is_terminator(scanner, offset + length):
                # Of a segment the length is known, and perhaps some octets: they are those of the terminator.
                self._end(offset + length - 3, offset + length, cut=True)
            else:
                scanner.gap(offset, length)
                if segment_end and length > _ENOUGH and self._data is not None and self._conversation.lost_replies:
                    self._reply_in_hole(self._data, scanner)
            return length
        taken = min(length, self._left)
        self._left -= taken
        self._missing += taken
        if not self._left:
            self._end_chunk(at)
        return taken

    @staticmethod
    def _is_terminator(scanner: DataScanner, end: int) -> bool:
        """Behind a segment that was cut comes one of this end that can be the terminator, as far as it was seen."""
        begin = scanner.gap_end
        seen = scanner.since(begin) if begin is not None else None
        if begin is None or seen is None:
            return False
        return any(len(dot) == end - begin and dot.startswith(seen) for dot in _DOTS)

    def finish(self) -> None:
        """No more octets will come."""
        self.stretch()
        seen = self._size - self._left
        if self.chunk is not None and seen and self._at is not None:
            self._conversation.content(Body(self._at, self._start or self._at, seen, False, True, self._missing))
