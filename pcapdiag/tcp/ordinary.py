"""Which rows of a batch are ordinary: what their side would send next, decided with array operations.

Most segments are: the next octets of their side, an acknowledgement that moves on, the three segments of an opening
(RFC 9293 3.5 figure 6), the FINs of an orderly close and what acknowledges them. Each row is compared with the row before it of
the same side and of the other side, over the whole batch at once.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pcapdiag.capture.table import ACK, CWR, ECE, FIN, PSH, SYN
from pcapdiag.tcp.grouping import Grouped
from pcapdiag.tcp.pick import pick
from pcapdiag.tcp.rows import Bools, Columns, Ints

_AHEAD = 1 << 31
_NO_PUSH = ~np.uint8(PSH)
_NO_ECN = ~np.uint8(ECE | CWR)
"""RFC 3168 6.1.1: a SYN asks for ECN with these."""


class Ordinary:
    """Ordinary rows, in grouped order. Their state before the batch is for the conversation to check."""

    __slots__ = ("acks_fin", "advances", "close", "columns", "end", "fin", "good", "group", "opens", "syn")

    def __init__(self, columns: Columns, grouped: Grouped, calm_ns: int) -> None:
        self.columns = columns
        flags, length = columns.flags, columns.length
        empty = length == 0
        self.group = np.repeat(np.arange(len(grouped.keys)), np.diff(grouped.starts))
        self.end = columns.seq + length.astype(np.uint32) + ((flags & (SYN | FIN)) > 0)
        """Sequence number behind it. RFC 9293 3.4: SYN and FIN take one each."""
        self.syn: Bools = (flags & SYN) > 0
        bare = flags & _NO_PUSH
        self.fin: Bools = (bare == FIN | ACK) & empty
        new, near = self._beginnings(empty, grouped), _Neighbours(columns.forward)
        begin = np.maximum.accumulate(np.where(new, np.arange(len(columns)), 0)) if len(columns) else near.same
        near.within(begin)
        closed, any_closed = self._closed(begin)
        self.close: Bools = any_closed
        """A FIN stands before it in its connection."""
        seen = columns.plain & ((bare == ACK) | self.fin) & self._known(near)
        seen &= (near.same < 0) | self._follows(near.same)
        # Behind its own FIN a side only acknowledges; and what comes long after a FIN may belong to another connection.
        seen &= ~closed | (empty & ~self.fin)
        seen &= ~any_closed | (np.diff(columns.time_ns, prepend=0) <= calm_ns)
        self.acks_fin: Bools = self._acks_fin(near.other, closed)
        self.good: Bools = seen
        self.opens: Bools = self._opens(new, empty)
        """The SYN of three ordinary rows that open a connection."""

    def _beginnings(self, empty: Bools, grouped: Grouped) -> Bools:
        """The first row of each group, and SYNs that an acceptable SYN+ACK follows: perhaps another connection."""
        columns = self.columns
        first = np.zeros(len(columns), np.bool_)
        first[grouped.starts[:-1]] = True
        kind = np.where(columns.window > 0, columns.flags & _NO_ECN, 0)
        answered = np.zeros(len(columns), np.bool_)
        answered[:-1] = (
            (kind[:-1] == SYN)
            & (kind[1:] == SYN | ACK)
            & (self.group[1:] == self.group[:-1])
            & (columns.forward[1:] != columns.forward[:-1])
            & (columns.ack[1:] == self.end[:-1])
            & (columns.capture[1:] == columns.capture[:-1])
            & empty[1:]
            & empty[:-1]
        )
        answered[1:] &= first[1:] | ~self.syn[:-1]  # a repeated SYN is for the walk
        self.opens = answered
        return first | answered

    def _opens(self, new: Bools, empty: Bools) -> Bools:
        """Of the SYNs that are answered, those whose third row completes the opening."""
        columns, opens = self.columns, self.opens
        opens[-2:] = False
        opens[:-2] &= (
            self.good[2:]
            & (columns.forward[2:] == columns.forward[:-2])
            & (self.group[2:] == self.group[:-2])
            & ~new[2:]
            & (columns.ack[2:] == self.end[1:-1])
        )
        at = np.flatnonzero(opens)
        self.good[at] = self.good[at + 1] = True
        return opens

    def _closed(self, begin: Ints) -> tuple[Bools, Bools]:
        """Whether a FIN of the same side, or of either, stands before each row."""
        if not self.fin.any():
            none = np.zeros(len(self.fin), np.bool_)
            return none, none
        forward = self.columns.forward
        lower, higher = self.fin & forward, self.fin & ~forward
        before_lower = _before(lower, begin)
        before_higher = _before(higher, begin)
        return np.where(forward, before_lower, before_higher), before_lower | before_higher

    def _follows(self, same: Ints) -> Bools:
        """It continues what its side sent before it."""
        columns = self.columns
        ack, window, tsval, capture = columns.ack, columns.window, columns.tsval, columns.capture
        first = pick(columns.flags & (SYN | ACK) == SYN, same)  # a SYN acknowledged nothing yet
        acked = pick(ack, same)
        advances = first | (ack != acked)
        self.advances: Bools = advances
        """It acknowledges other octets than the row before it of its side."""
        earlier = pick(tsval, same)
        follows: Bools = (
            (columns.seq == pick(self.end, same))
            & (first | ((ack - acked) < _AHEAD))
            & ((columns.length > 0) | advances | self.fin | (window > pick(window, same)))
            & (columns.ttl == pick(columns.ttl, same))
            & ((tsval < 0) == (earlier < 0))
            & ((tsval < 0) | ((tsval - earlier).astype(np.uint32) < _AHEAD))
        )
        if len(capture) and (capture != capture[0]).any():
            follows &= capture == pick(capture, same)
        return follows

    def _known(self, near: _Neighbours) -> Bools:
        """It acknowledges nothing that its other side had not been seen to send."""
        known: Bools = (near.other < 0) | ((pick(self.end, near.other) - self.columns.ack) < _AHEAD)
        return known

    def _acks_fin(self, other: Ints, closed: Bools) -> Bools:
        """It acknowledges the other side's FIN."""
        behind: Bools = (other >= 0) & pick(self.fin | closed, other) & (self.columns.ack == pick(self.end, other))
        return behind


class _Neighbours:
    """For each position: the one before it of the same side, and of the other side; -1 where there is none."""

    __slots__ = ("other", "same")

    def __init__(self, forward: Bools) -> None:
        count = len(forward)
        position = np.arange(count)
        lower, higher = np.full(count, -1), np.full(count, -1)
        if count > 1:
            np.maximum.accumulate(np.where(forward, position, -1)[:-1], out=lower[1:])
            np.maximum.accumulate(np.where(forward, -1, position)[:-1], out=higher[1:])
        self.same = np.where(forward, lower, higher)
        self.other = np.where(forward, higher, lower)

    def within(self, begin: Ints) -> None:
        """Forget what stands before the beginning of the connection."""
        self.same[self.same < begin] = -1
        self.other[self.other < begin] = -1


def _before(chosen: Bools, begin: Ints) -> Bools:
    """Whether a chosen row stands before each row, in the same connection."""
    count = np.cumsum(chosen, dtype=np.int32)
    count -= chosen
    before: Bools = count > pick(count, begin)
    return before


def stretches(ordinary: Ordinary, min_rows: int) -> tuple[Ints, Ints]:
    """Begin and end of each maximal stretch of ordinary rows within one connection, short ones left out."""
    good, group = ordinary.good, ordinary.group
    if not len(good):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    another: npt.NDArray[np.bool_] = np.concatenate(([True], group[1:] != group[:-1])) | ordinary.opens
    begins = np.flatnonzero(good & (another | np.concatenate(([True], ~good[:-1]))))
    ends = np.flatnonzero(good & np.concatenate((another[1:] | ~good[1:], [True]))) + 1
    long = ends - begins >= min_rows
    return begins[long], ends[long]
