"""`Mask`: what somebody else may see of one side's stream, for any stretch of it.

What is known to be protocol is *shown*, octet for octet, as it may be seen. All the rest is content, or cannot be told from it, and only
its form stays: line ends, and the dots that begin a line (RFC 5321 4.5.2), so that no lone dot comes or goes. Any copy of
an octet, however it is cut into segments, comes out the same, because only its place in the stream decides.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right

from pcapdiag.slices.lines import FILLER, form

MOST_SHOWN = 64 << 20
"""Octets of protocol that are kept for one session; a longer dialogue is filled from there on."""
MOST_DOTS = 1 << 22
CONFLICT = b"#"
"""Filler for octets that differ from those that came first at their place."""
_DOT = re.compile(rb"\n\.")


_TABLES = {filler: form(filler) for filler in (FILLER, CONFLICT)}


class Mask:
    """One side's stream. Offsets are those of `pcapdiag.tcp`."""

    def __init__(self) -> None:
        self._offsets: list[int] = []
        self._shown: list[tuple[bytes, bytes]] = []
        """Octets as captured, and as shown; by `_offsets`."""
        self._octets = 0
        self._dots = array("q")
        self._line_begins = True
        """The next octet begins a line, as far as known."""
        self.ciphered_from: int | None = None
        """From here on what is not shown is ciphertext."""

    def passed(self, offset: int, octets: bytes) -> None:
        """The next octets of the stream: note the dots at the beginning of lines."""
        if self._line_begins and octets[:1] == b".":
            self._dots.append(offset)
        if len(self._dots) < MOST_DOTS:
            self._dots.extend(offset + found.end() - 1 for found in _DOT.finditer(octets))
        self._line_begins = octets.endswith(b"\n")

    def hole(self) -> None:
        """The next octets are missing: what follows may begin a line."""
        self._line_begins = True

    def show(self, offset: int, captured: bytes, shown: bytes) -> None:
        """These octets are protocol. What is shown first at a place counts."""
        assert len(captured) == len(shown)
        if not captured or self._octets > MOST_SHOWN:
            return
        place = bisect_right(self._offsets, offset)
        if place and self._offsets[place - 1] + len(self._shown[place - 1][0]) > offset:
            return
        if place < len(self._offsets) and self._offsets[place] < offset + len(captured):
            return
        self._offsets.insert(place, offset)
        self._shown.insert(place, (captured, shown))
        self._octets += 2 * len(captured)

    def masked(self, offset: int, octets: bytes, *, conflicting: bool) -> bytes:
        """What may be seen of a copy of the stream's octets from `offset` on.

        `conflicting`: these differ somewhere from the octets that came first, and shall go on doing so.
        """
        out = self._form(offset, octets, CONFLICT if conflicting else FILLER)
        end = offset + len(octets)
        place = max(0, bisect_right(self._offsets, offset) - 1)
        while place < len(self._offsets) and self._offsets[place] < end:
            begin, (captured, shown) = self._offsets[place], self._shown[place]
            place += 1
            first, last = max(begin, offset), min(begin + len(captured), end)
            if first >= last:
                continue
            mine, same = octets[first - offset : last - offset], captured[first - begin : last - begin]
            told = shown[first - begin : last - begin]
            if mine == same:
                out[first - offset : last - offset] = told
            else:
                out[first - offset : last - offset] = bytes(
                    [c if a == b else CONFLICT[0] for a, b, c in zip(mine, same, told, strict=True)]
                )
        return bytes(out)

    def _form(self, offset: int, octets: bytes, filler: bytes) -> bytearray:
        clear = len(octets)
        if self.ciphered_from is not None:
            clear = min(max(0, self.ciphered_from - offset), clear)
        text = octets[:clear]
        out = bytearray(text.translate(_TABLES[filler]))
        for found in _DOT.finditer(text):
            out[found.end() - 1] = 0x2E
        if text[:1] == b"." and self._is_dot(offset):
            out[0] = 0x2E
        return out + bytes(len(octets) - clear)

    def _is_dot(self, offset: int) -> bool:
        place = bisect_right(self._dots, offset)
        return place > 0 and self._dots[place - 1] == offset
