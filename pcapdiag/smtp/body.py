"""Message content behind DATA: counted, searched for its end, never kept.

RFC 5321 4.1.1.4: "the sequence "<LF>.<LF>" [...] MUST NOT be treated as equivalent to <CRLF>.<CRLF>". Some receivers nevertheless
stop at a lone dot between bare line feeds, and a hole in the capture may have held the terminator. Whether they did
only a later reply of the server shows. So the last few octets are held while the content goes on: what stands behind such an
end is commands.
"""

from __future__ import annotations

import re
from typing import NamedTuple

TERMINATOR = b"\r\n.\r\n"
HELD_LIMIT = 4096
LOOKED_AT = 4096
"""Octets at the beginning of a message in which line feeds without CR are looked for: who sends such does so all along, and
to look at every line would cost more than all else."""
_BARE = re.compile(rb"\n(?<!\r\n)")
_LF = ord("\n")
_COMMANDS = re.compile(rb"\Z|[A-Za-z]{4}[ \r]")
"""What may stand behind a terminator in the same write: nothing, or the next command."""
_BLOCK = 4096
_HOP = 512
"""So many octets can be searched for the terminator in the time of one hop to the next dot."""


def find_terminator(octets: bytes, at: int) -> int:
    """Where the terminator begins, from place `at` on; -1 where there is none.

    Where dots are rare, as in all that is encoded in base64, it is many times faster to look at each dot only, the third
    octet of a terminator; where they are not, all five are searched for in a block, and in twice as much the next time.
    """
    find, size, block = octets.find, len(octets), _BLOCK
    while True:
        begin, credit = at, _HOP
        while (dot := find(b".", at + 2)) - begin >= credit:
            if octets[dot - 2 : dot + 3] == TERMINATOR:
                return dot - 2
            at = dot + 1
            credit += _HOP
        if dot < 0:
            return -1
        at = dot - 2
        found = find(TERMINATOR, at, at + block)
        at += block - 4
        if found >= 0 or at >= size:
            return found
        block *= 2


class End(NamedTuple):
    """Where the content may have ended."""

    content_end: int
    """Stream offset behind the content."""
    end: int
    """Stream offset behind the terminator."""


class DataScanner:
    """Finds the end of the content that begins at stream offset `start`."""

    __slots__ = ("_held", "_held_from", "_tail", "bare", "gap_end", "missing", "offset", "start")

    def __init__(self, start: int) -> None:
        self.start = start
        self.offset = start
        """Behind the last octet seen."""
        self.missing = 0
        self.gap_end: int | None = None
        """Behind the latest hole."""
        self.bare: int | None = None
        """The first line feed without CR."""
        # RFC 5321 4.1.1.4: the CRLF of the DATA line counts, so that an empty message is ".CRLF".
        self._tail = b"\r\n"
        self._held = b""
        self._held_from = start

    def scan(self, octets: bytes, offset: int, at: int) -> int:
        """Look through `octets` (at stream offset `offset`) from place `at` on: the place behind the terminator, or -1.

        The terminator is found across any cut: the last four octets of the call before are looked at again.
        """
        tail, size = self._tail, len(octets)
        found = (tail + octets[at : at + 4]).find(TERMINATOR)
        if found >= 0 and self.gap_end == offset + at and not _COMMANDS.match(octets, at + 3):
            found, self._tail = -1, b""  # a full stop at the head of a line whose beginning is in the hole
            tail = b""
        if found >= 0:
            behind = at + found + 5 - len(tail)
        else:
            found = find_terminator(octets, at)
            behind = found + 5 if found >= 0 else size
        if self.bare is None and offset + at < self.start + LOOKED_AT:
            self._look_for_bare(octets, offset, at, behind)
        self.offset = offset + behind
        if found >= 0:
            return behind
        if size - at >= HELD_LIMIT:
            self._held = octets[-HELD_LIMIT:]
            self._held_from = self.offset - HELD_LIMIT
        else:
            self._held += octets[at:]
            if len(self._held) > HELD_LIMIT:
                self._held = self._held[-HELD_LIMIT:]
                self._held_from = self.offset - HELD_LIMIT
        self._tail = octets[-4:] if size - at >= 4 else (tail + octets[at:])[-4:]
        return -1

    def _look_for_bare(self, octets: bytes, offset: int, at: int, end: int) -> None:
        """Look through `octets` (at stream offset `offset`) from place `at` to place `end`."""
        if octets[at] == _LF and (self.gap_end == offset + at or self._tail.endswith(b"\r")):
            at += 1  # its CR came before, or was in the hole
        limit = self.start + LOOKED_AT - offset
        found = _BARE.search(octets, at, end if end < limit else limit)
        if found is not None:
            self.bare = offset + found.start()

    def gap(self, offset: int, length: int) -> None:
        """A hole of `length` octets: it counts, and may have held the terminator."""
        self.missing += length
        self.gap_end = self.offset = self._held_from = offset + length
        self._held = b""
        # A segment of its own often brings the terminator, and begins behind the hole with the dot.
        self._tail = b"\r\n"

    def since(self, offset: int) -> bytes | None:
        """The octets from stream offset `offset` on; None when they are too many, or not all were captured."""
        return self._held[offset - self._held_from :] if offset >= self._held_from else None

    def bare_end(self) -> End | None:
        """The latest lone dot among the octets held that bare line feeds made no terminator: LF.LF, CRLF.LF, LF.CRLF."""
        whole = self._held_from in (self.start, self.gap_end)
        text = b"\n" + self._held if whole else self._held
        base = self._held_from - 1 if whole else self._held_from
        at = text.rfind(b"\n.")
        while at >= 0:
            behind = text[at + 2 : at + 4]
            if behind[:1] == b"\n" or behind == b"\r\n":
                return End(base + at + 1, base + at + 2 + behind.find(b"\n") + 1)
            at = text.rfind(b"\n.", 0, at)
        return None

    def octets_to(self, content_end: int) -> int:
        return content_end - self.start if content_end > self.start else 0
