"""One side's octets put in order: pieces come in any order and leave in stream order, each octet once.

The first copy of an octet wins; a later copy with other content is reported as a conflict. Nothing is handed out here:
the conversation asks for the `head` piece when the other side's octets, which it acknowledges, have been handed out too.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from typing import NamedTuple

from pcapdiag.model import Moment

MEMORY = 16_384
"""Octets handed out that are kept to compare retransmissions with; older ones are believed to be the same."""


class Piece(NamedTuple):
    """Octets `offset` to `end` of a stream, as one frame brought them."""

    offset: int
    end: int
    octets: bytes
    """Fewer than `end - offset` where the snap length cut them."""
    at: Moment
    needs: int
    """How far the frame acknowledges the other side's stream."""


class Reassembly:
    """Pieces of one stream that wait for their turn, and the recent past."""

    __slots__ = ("_kept", "_recent", "next", "octets", "pieces")

    def __init__(self) -> None:
        self.next = 0
        """Offset of the next octet to hand out."""
        self.pieces: list[Piece] = []
        """Sorted by offset, without overlaps, none before `next`."""
        self.octets = 0
        """Captured octets in `pieces`."""
        self._recent: deque[tuple[int, bytes]] = deque()
        self._kept = 0

    def add(self, piece: Piece) -> tuple[int, bool]:
        """Take in what is new of a piece. Returns how many octets were new, and whether old ones had other content."""
        if piece.offset == self.next and not self.pieces:
            self.pieces.append(piece)
            self.octets += len(piece.octets)
            return piece.end - piece.offset, False
        conflict = piece.offset < self.next and self._differs(piece, self._recent)
        new = 0
        for offset, end in self._holes(max(piece.offset, self.next), piece.end):
            self._insert(_cut(piece, offset, end))
            new += end - offset
        if new < piece.end - max(piece.offset, self.next):
            conflict |= self._differs(piece, ((held.offset, held.octets) for held in self.pieces))
        return new, conflict

    def pop(self) -> Piece:
        """Hand out the first piece."""
        piece = self.pieces.pop(0)
        self.octets -= len(piece.octets)
        self.passed(piece.end, piece.octets)
        return piece

    def passed(self, end: int, octets: bytes) -> None:
        """Octets up to `end` were handed out; remember them for a while."""
        self._recent.append((self.next, octets))
        self._kept += len(octets)
        self.next = end
        self._shrink()

    def passed_by(self, pieces: list[tuple[int, bytes]], end: int) -> None:
        """Octets up to `end` were handed out in these pieces, each with its offset; remember the last of them."""
        self._recent.extend(pieces)
        self._kept += end - self.next
        self.next = end
        self._shrink()

    def _shrink(self) -> None:
        recent, kept = self._recent, self._kept
        while kept > MEMORY and len(recent) > 1:
            kept -= len(recent.popleft()[1])
        self._kept = kept

    def skip(self, end: int) -> None:
        """Octets up to `end` will never come."""
        self.next = end

    def forget(self) -> None:
        """The past is no longer needed: the connection is over."""
        self._recent.clear()
        self._kept = 0

    def _holes(self, offset: int, end: int) -> list[tuple[int, int]]:
        """Stretches of offset..end that no piece holds."""
        holes = []
        for piece in self.pieces[max(0, bisect_left(self.pieces, (offset,)) - 1) :]:
            if piece.end <= offset:
                continue
            if piece.offset >= end:
                break
            if piece.offset > offset:
                holes.append((offset, piece.offset))
            offset = piece.end
        if offset < end:
            holes.append((offset, end))
        return holes

    def _insert(self, piece: Piece) -> None:
        self.pieces.insert(bisect_left(self.pieces, (piece.offset,)), piece)
        self.octets += len(piece.octets)

    @staticmethod
    def _differs(piece: Piece, held: object) -> bool:
        for offset, octets in held:  # type: ignore[attr-defined]
            first, last = max(offset, piece.offset), min(offset + len(octets), piece.offset + len(piece.octets))
            if first < last and (
                octets[first - offset : last - offset] != piece.octets[first - piece.offset : last - piece.offset]
            ):
                return True
        return False


def _cut(piece: Piece, offset: int, end: int) -> Piece:
    if (offset, end) == (piece.offset, piece.end):
        return piece
    return piece._replace(offset=offset, end=end, octets=piece.octets[offset - piece.offset : end - piece.offset])
