"""Octets of one side -> TLS records, across any cut and over holes.

A record is a header of five octets (RFC 8446 5.1: type, version, length) and a fragment. Only headers are followed; of a
fragment the first octets are kept, for hellos and alerts. A hole inside a fragment is counted; one that swallows a header
loses the place, and the next four octets that can only be a header find it again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from pcapdiag.making import maker
from pcapdiag.model import Moment

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION, HEARTBEAT = 20, 21, 22, 23, 24

RECORD_TYPES = (CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION)
"""First octets with which a side may begin to speak TLS."""

HEADER = 5
_KEPT = 4096
"""Octets of a hello that are looked at."""
# RFC 8446 5.2: "The length MUST NOT exceed 2^14 + 256 bytes"; RFC 5246 6.2.3 allowed 2^14 + 2048.
LONGEST = 2**14 + 2048
PLAUSIBLE = re.compile(rb"[\x14-\x17]\x03[\x00-\x04][\x00-\x48]", re.S)
"""What is taken for a header by who has lost his place."""


class Record(NamedTuple):
    """One TLS record."""

    type: int
    length: int
    fragment: bytes
    """Its first octets as far as captured without a hole; at most 4,096, and of application data none."""
    start: Moment
    at: Moment
    end: int
    """Stream offset behind it."""


_make_record = maker(Record)


def looks_like_record(octets: bytes) -> bool | None:
    """Do these octets begin a TLS record? None: too few to say."""
    if len(octets) >= 3:
        return octets[0] in RECORD_TYPES and octets[1] == 3 and octets[2] <= 4
    if not octets or octets[0] not in RECORD_TYPES:
        return None if not octets else False
    return None if len(octets) == 1 or octets[1] == 3 else False


class RecordReader:
    """Follows the records of one side from stream offset `offset`."""

    __slots__ = ("_fragment", "_header", "_left", "_length", "_lost", "_start", "_whole")

    def __init__(self) -> None:
        self._header = b""
        self._left = 0
        """Octets of the fragment still to come; 0 while a header is read."""
        self._length = 0
        self._fragment = b""
        self._whole = True
        """No hole so far in the part that is kept."""
        self._start = Moment(0, 0, 0)
        self._lost = False

    @property
    def inside(self) -> bool:
        """The stream stands inside a record."""
        return bool(self._left or self._header)

    @property
    def lost(self) -> bool:
        """A hole swallowed the head of a record."""
        return self._lost

    def feed(self, octets: bytes, offset: int, moment: Callable[[int], Moment]) -> list[Record]:
        """The records that end in `octets`; `moment` gives the frame of a stream offset."""
        records: list[Record] = []
        at, size = 0, len(octets)
        while at < size:
            if self._left:
                taken = self._left if self._left < size - at else size - at
                if self._whole and self._header[0] != APPLICATION and len(self._fragment) < _KEPT:
                    self._fragment += octets[at : at + min(taken, _KEPT - len(self._fragment))]
                self._left -= taken
                at += taken
                if not self._left:
                    self._finish(offset + at, moment(offset + at - 1), records)
            elif self._lost:
                at = self._find(octets, at)
            else:
                if not self._header:
                    self._start = moment(offset + at)
                more = octets[at : at + HEADER - len(self._header)]
                self._header += more
                at += len(more)
                if len(self._header) == HEADER:
                    self._begin(offset + at, moment, records)
        return records

    def gap(self, offset: int, length: int, moment: Moment) -> list[Record]:
        """A hole of `length` octets at `offset`."""
        records: list[Record] = []
        if self._lost:
            return records
        if not self._left or length > self._left:
            # A header is (partly) inside the hole. What was begun has ended in it.
            if self._left:
                self._finish(offset + self._left, moment, records)
            self._header = b""
            self._left = 0
            self._lost = True
            return records
        self._whole = False
        self._left -= length
        if not self._left:
            self._finish(offset + length, moment, records)
        return records

    def _begin(self, end: int, moment: Callable[[int], Moment], records: list[Record]) -> None:
        header = self._header
        self._length = header[3] << 8 | header[4]
        if not CHANGE_CIPHER_SPEC <= header[0] <= HEARTBEAT or header[1] != 3 or self._length > LONGEST:
            self._lost = True
            # Look for the next header from the octet behind the one that was none.
            self._header = header[1:]
            return
        self._left = self._length
        self._fragment, self._whole = b"", True
        if not self._left:
            self._finish(end, moment(end - 1), records)

    def _finish(self, end: int, at: Moment, records: list[Record]) -> None:
        records.append(_make_record((self._header[0], self._length, self._fragment, self._start, at, end)))
        self._header = b""
        self._left = 0

    def _find(self, octets: bytes, at: int) -> int:
        """Lost: look for a header, over the last octets before as well; where to go on reading."""
        before = self._header[-3:]
        window = before + octets[at:]
        found = PLAUSIBLE.search(window)
        if found is None:
            self._header = window[-3:]
            return len(octets)
        self._lost = False
        inside = found.start() - len(before)
        if inside >= 0:
            self._header = b""
            return at + inside
        # The header began in the octets before: read it again from what was kept.
        self._header = before[inside:]
        return at
