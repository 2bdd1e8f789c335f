"""Message content: counted, searched for its end, never kept.

`DataScanner` reads the octets behind DATA. RFC 5321 4.1.1.4 ends them with CRLF.CRLF and nothing else: "The character
sequence "<CRLF>.<CRLF>" [...] only". Receivers in the wild also stop at a lone dot between bare line feeds, and a hole in
the capture may have held the terminator. Both are *candidates*: only a reply of the server shows that one of them
was the end. A few octets behind the latest candidate are held, because they are commands then.
"""

from __future__ import annotations

from typing import NamedTuple

TERMINATOR = b"\r\n.\r\n"
HELD_LIMIT = 4096


class Candidate(NamedTuple):
    """A place where the content may have ended."""

    content_end: int
    """Stream offset behind the content."""
    end: int
    """Stream offset behind the terminator."""
    bare: bool
    """A dot between bare line feeds; otherwise a hole in the capture."""


class DataScanner:
    """Finds the end of the content that begins at stream offset `start`."""

    __slots__ = ("_held", "_held_from", "_tail", "candidate", "holding", "missing", "offset", "start")

    def __init__(self, start: int, holding: bool) -> None:
        self.start = start
        self.holding = holding
        """Keep a few octets: it is not sure yet that this is content."""
        self.offset = start
        """Behind the last octet seen."""
        self.missing = 0
        self.candidate: Candidate | None = None
        # RFC 5321 4.1.1.4: the CRLF of the DATA line counts, so that an empty message is ".CRLF".
        self._tail = b"\r\n"
        self._held = b""
        self._held_from = start

    def scan(self, octets: bytes, offset: int) -> int:
        """Look through the next octets (at stream offset `offset`): how many of them end the content, or -1.

        The terminator is found across any cut: the last four octets of the call before are looked at again.
        """
        tail = self._tail
        joined = tail + octets[:4]
        found = joined.find(TERMINATOR)
        if found >= 0:
            used = found + 5 - len(tail)
        else:
            found = octets.find(TERMINATOR)
            used = found + 5
        if found >= 0:
            self.offset = offset + used
            return used
        if self.holding and len(self._held) <= HELD_LIMIT:
            self._held += octets[: HELD_LIMIT + 1 - len(self._held)]
        self._look_for_bare_dots(tail, octets, offset)
        self._tail = (tail + octets)[-4:] if len(octets) < 4 else octets[-4:]
        self.offset = offset + len(octets)
        return -1

    def _look_for_bare_dots(self, tail: bytes, octets: bytes, offset: int) -> None:
        """LF.LF, CRLF.LF and LF.CRLF: remember the latest one."""
        for text, base in ((tail + octets[:4], offset - len(tail)), (octets, offset)):
            at = text.find(b"\n.")
            while at >= 0:
                ending = text[at + 2 : at + 4]
                length = 1 if ending[:1] == b"\n" else 2 if ending == b"\r\n" else 0
                end = base + at + 2 + length
                if length and end > offset:
                    self._candidate(Candidate(base + at + 1, end, True), octets[end - offset :])
                at = text.find(b"\n.", at + 2)

    def gap(self, offset: int, length: int) -> None:
        """A hole of `length` octets: it counts, and may have held the terminator."""
        self.missing += length
        self.offset = offset + length
        # A segment of its own often brings the terminator, and begins behind the hole with the dot.
        self._tail = b"\r\n"
        self._candidate(Candidate(max(self.offset - 3, self.start), self.offset, False), b"")

    def _candidate(self, candidate: Candidate, behind: bytes) -> None:
        self.candidate = candidate
        self.holding = True
        self._held_from = candidate.end
        self._held = behind[: HELD_LIMIT + 1]

    def octets_to(self, content_end: int) -> int:
        return max(0, content_end - self.start)

    def held(self) -> tuple[int, bytes] | None:
        """Stream offset and octets behind the latest candidate (or behind the start); None when they are too many."""
        if len(self._held) > HELD_LIMIT:
            return None
        return self._held_from, self._held
