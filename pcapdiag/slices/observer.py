"""The octets of one session -> a `Mask` of each side: what of them is protocol, by the word of the reader of SMTP itself.

It is the observer of every analysis that decides what a command and a reply is, also where the capture has holes or begins
midway, so that a slice is read as its capture was. It is listened to here: the lines that it takes for commands and replies are shown as
`lines` leaves them, TLS records as `tls` does, the PROXY protocol's header as `proxy` does. What it takes for content, and
what it takes for nothing, is never shown.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from enum import Enum
from functools import partial
from typing import NamedTuple

from pcapdiag.model import Moment, Side
from pcapdiag.pseudonym import Pseudonyms
from pcapdiag.redact.said import hello_answers, masker_for
from pcapdiag.slices import lines, proxy
from pcapdiag.slices.lines import Lines
from pcapdiag.slices.mask import MOST_SHOWN, Mask
from pcapdiag.slices.tls import TlsMask
from pcapdiag.smtp import grammar
from pcapdiag.smtp.clock import Marks
from pcapdiag.smtp.dialogue import Command, Dialogue, Entry, Reply
from pcapdiag.smtp.history import Entries
from pcapdiag.smtp.observer import SmtpObserver
from pcapdiag.smtp.proxy import Found, header

RECENT = 1 << 17
"""Octets of each side that are kept until the reader has decided what they are."""
TEXT_RUN = 3
"""So many lines in a row that are no commands are message text: not a word of them is shown."""
_PROXY_LONGEST = 1 << 16


class _Line(NamedTuple):
    """A line, or a reply of several, that the reader has recognised."""

    side: Side
    offset: int
    octets: bytes
    verb: bytes
    known: bool


class _Told(Entries):
    """The reader's list of what was said, which passes every new entry on."""

    def __init__(self, hear: Callable[[Entry], None]) -> None:
        super().__init__()
        self._hear = hear

    def append(self, entry: Entry, /) -> None:
        super().append(entry)
        self._hear(entry)


class _Recent:
    """The last octets of a side, by their place in the stream."""

    def __init__(self) -> None:
        self._pieces: deque[tuple[int, bytes]] = deque()
        self._octets = 0

    def add(self, offset: int, octets: bytes) -> None:
        self._pieces.append((offset, octets))
        self._octets += len(octets)
        while self._octets - len(self._pieces[0][1]) >= RECENT:
            self._octets -= len(self._pieces.popleft()[1])

    def octets(self, offset: int, end: int) -> bytes:
        """What was captured without a hole from `offset` on, at most to `end`."""
        found: list[tuple[int, bytes]] = []
        for begin, piece in reversed(self._pieces):  # what is asked for came last
            if begin < end and offset < begin + len(piece):
                found.append((begin, piece))
            if begin <= offset:
                break
        out = b""
        for begin, piece in reversed(found):
            if not begin <= offset + len(out) < begin + len(piece):
                break
            out += piece[offset + len(out) - begin : end - begin]
        return out


class _Heard(list[_Line]):
    """The lines of a session, as many as can be shown."""

    octets = 0

    def hear(self, line: _Line) -> None:
        if self.octets <= MOST_SHOWN:
            self.octets += len(line.octets)
            self.append(line)


class MaskingObserver(SmtpObserver):
    """Reads one session as every observer does, and keeps what may be shown of it."""

    def __init__(self, names: Pseudonyms, implicit_tls: bool = False) -> None:
        super().__init__(implicit_tls)
        self._names = names
        self.masks = {side: Mask() for side in Side}
        self._recent = {side: _Recent() for side in Side}
        self._lines = _Heard()
        self._talk = TlsMask(names, lambda side: self.masks[side].show)
        self._conversation.entries = _Told(partial(_hear, self._lines, self._recent))
        self._first: bytes | None = b""
        """The client's first octets, while they may be a PROXY header."""
        self._stray: int | None = None
        """Where the client began to speak TLS to a server that did not."""

    def data(self, side: Side, offset: int, octets: bytes, frames: Moment | Marks) -> None:
        self._recent[side].add(offset, octets)
        self.masks[side].passed(offset, octets)
        if side is Side.CLIENT and self._first is not None:
            self._look_for_proxy(offset, octets)
        strayed = self._stray
        super().data(side, offset, octets, frames)
        if side is Side.CLIENT and self._stray is not None:
            begin = self._stray if strayed is None else offset
            self._talk.feed(side, begin, self._recent[side].octets(begin, offset + len(octets)))

    def gap(self, side: Side, offset: int, length: int, reason: Enum, at: Moment) -> None:
        self.masks[side].hole()
        if side is Side.CLIENT:
            self._give_up_proxy()
            if self._stray is not None:
                self._talk.gap(side, length)
        super().gap(side, offset, length, reason, at)

    def client_records(self, offset: int, after_starttls: bool) -> bool:
        believed = super().client_records(offset, after_starttls)
        if not believed:
            self._stray = offset
            self.masks[Side.CLIENT].ciphered_from = offset
        return believed

    def tls_octets(self, side: Side, octets: bytes, offset: int) -> None:
        mask = self.masks[side]
        if mask.ciphered_from is None:
            mask.ciphered_from = offset
        self._talk.feed(side, offset, octets)
        super().tls_octets(side, octets, offset)

    def tls_gap(self, side: Side, offset: int, length: int, at: Moment) -> None:
        self._talk.gap(side, length)
        super().tls_gap(side, offset, length, at)

    def finish(self) -> Dialogue:
        self._give_up_proxy()
        unfinished = self._unfinished()
        heard = self._lines
        dialogue = super().finish()
        self._talk.finish()
        if unfinished is not None and unfinished.offset not in {
            line.offset for line in heard if line.side is Side.CLIENT
        }:
            heard.append(unfinished)
        self._show(heard, dialogue)
        return dialogue

    def _look_for_proxy(self, offset: int, octets: bytes) -> None:
        first = self._first or b""
        self._first = None
        if offset != len(first):
            return
        first += octets[:_PROXY_LONGEST]
        found = header(first)
        if found.found is Found.MORE or len(first) < found.length <= _PROXY_LONGEST:
            self._first = first
        elif found.length:
            whole = first[: found.length]
            self.masks[Side.CLIENT].show(0, whole, proxy.masked(found, whole, self._names))

    def _give_up_proxy(self) -> None:
        """What may have been a header never became whole."""
        if self._first:
            self.masks[Side.CLIENT].show(0, self._first, proxy.masked(header(self._first), self._first, self._names))
        self._first = None

    def _unfinished(self) -> _Line | None:
        """The client's last line, when it has no end: a command that is known shows its verb."""
        offset, octets = self._client.unfinished or (0, b"")
        words = grammar.command_line(octets)
        return _Line(Side.CLIENT, offset, octets, words.verb, True) if words.known else None

    def _show(self, heard: list[_Line], dialogue: Dialogue) -> None:
        """All names are known now: decide what is seen of each line."""
        text = _text_runs(heard)
        seen = Lines(masker_for(dialogue, self._names), self._conversation.secrets)
        keywords = hello_answers(dialogue)
        for number, line in enumerate(heard):
            if line.side is Side.SERVER:
                shown = seen.reply(line.octets, keywords=line.offset in keywords)
            elif line.known:
                shown = seen.command(line.verb, line.octets)
            else:
                shown = lines.unknown(b"" if number in text else line.verb, line.octets)
            self.masks[line.side].show(line.offset, line.octets, shown)


def _hear(heard: _Heard, recent: dict[Side, _Recent], entry: Entry) -> None:
    if isinstance(entry, Command):
        octets = recent[Side.CLIENT].octets(entry.offset, entry.end)
        heard.hear(_Line(Side.CLIENT, entry.offset, octets, entry.verb, entry.known))
    elif isinstance(entry, Reply):
        octets = recent[Side.SERVER].octets(entry.offset, entry.end)
        heard.hear(_Line(Side.SERVER, entry.offset, octets, b"", True))


def _text_runs(heard: Iterable[_Line]) -> frozenset[int]:
    """The places of lines that stand in a run of lines that are no commands."""
    found: list[int] = []
    run: list[int] = []
    for number, line in enumerate(heard):
        if line.side is Side.SERVER:
            continue
        if line.known:
            run = []
            continue
        run.append(number)
        if len(run) >= TEXT_RUN:
            found += run
    return frozenset(found)
