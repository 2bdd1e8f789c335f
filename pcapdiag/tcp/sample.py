"""A bounded sample of a connection's segments, kept raw and made into `Segment`s only when somebody asks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import cache, partial
from operator import itemgetter
from typing import NamedTuple

from pcapdiag.capture.table import ACK
from pcapdiag.making import maker
from pcapdiag.model import Moment
from pcapdiag.tcp.connection import Odd, Segment
from pcapdiag.tcp.flow import SIDES
from pcapdiag.tcp.rows import ROW_SIZE, unpack
from pcapdiag.tcp.seq import offset_near

HEAD = 32
TAIL = 64
ODD = 400

Numbering = tuple[tuple[int, int], tuple[int, int]]
"""Of client and server: sequence number of offset 0, and an offset near the ones in question."""


class Raw(NamedTuple):
    """`Segment` with `side` as an index and `odd` as a number."""

    at: Moment
    side: int
    flags: int
    offset: int
    ack: int | None
    length: int
    new: int
    window: int
    ttl: int
    ip_id: int
    tsval: int
    tsecr: int
    sack: tuple[tuple[int, int], ...]
    ip_len: int
    dont_fragment: bool
    odd: int


_moment = maker(Moment)
_segment = maker(Segment)
_odd = cache(Odd)


def _made(raw: Raw) -> Segment:
    return _segment((raw[0], SIDES[raw[1]], *raw[2:-1], _odd(raw[-1])))


class Stretch:
    """Ordinary segments, packed."""

    __slots__ = ("client_is_lower", "numbering", "rows")

    def __init__(self, rows: bytes, client_is_lower: bool, numbering: Numbering) -> None:
        self.rows = rows
        """See `pcapdiag.tcp.rows`."""
        self.client_is_lower = client_is_lower
        self.numbering = numbering

    def __len__(self) -> int:
        return len(self.rows) // ROW_SIZE

    def __iter__(self) -> Iterator[Segment]:
        (client, client_near), (server, server_near) = self.numbering
        bases, near, odd = (client, server), [client_near, server_near], Odd.NONE
        for row in unpack(self.rows):
            (
                time_ns,
                frame,
                seq,
                ack,
                length,
                ip_len,
                tsval,
                tsecr,
                ip_id,
                capture,
                _,
                window,
                flags,
                ttl,
                _,
                df,
                lower,
            ) = row
            index = 0 if lower == self.client_is_lower else 1
            offset = near[index] = offset_near(seq, bases[index], near[index])
            acked: int | None = None
            if flags & ACK:
                acked = near[1 - index] = offset_near(ack, bases[1 - index], near[1 - index])
            at = _moment((time_ns, capture, frame))
            yield _segment((
                at, SIDES[index], flags, offset, acked, length, length, window, ttl, ip_id, tsval, tsecr, (), ip_len, df, odd
            ))  # fmt: skip


def _segments(parts: tuple[Raw | Stretch, ...]) -> tuple[Segment, ...]:
    """What a sample kept as segments, in time order."""
    segments = [each for part in parts for each in ((_made(part),) if isinstance(part, Raw) else part)]
    segments.sort(key=_at)
    return tuple(segments)


class Sample:
    """The first segments, the last ones, and every odd one in between up to a limit."""

    __slots__ = ("_head", "_odd", "_room", "_tail", "_weight", "left_out")

    def __init__(self) -> None:
        self._head: list[Raw | Stretch] = []
        self._room = HEAD
        self._odd: list[Raw] = []
        self._tail: deque[Raw | Stretch] = deque()
        self._weight = 0
        self.left_out = False

    def add(self, raw: Raw) -> None:
        """Take in one segment."""
        if self._room:
            self._head.append(raw)
            self._room -= 1
        else:
            self._tail.append(raw)
            self._weight += 1
            self._trim()

    def add_run(self, rows: memoryview, begin: int, end: int, client_is_lower: bool, numbering: Numbering) -> bytes:
        """Take in ordinary segments: rows `begin` to `end` of packed ones. Returns the last of them."""
        last = begin if end - begin < TAIL else end - TAIL
        if self._room:
            taken = end - begin if end - begin < self._room else self._room
            head = rows[begin * ROW_SIZE : (begin + taken) * ROW_SIZE].tobytes()
            self._head.append(Stretch(head, client_is_lower, numbering))
            self._room -= taken
            begin += taken
            if begin == end:
                return head
        if end - begin > TAIL:
            self.left_out = True
            begin = end - TAIL
        tail = rows[begin * ROW_SIZE : end * ROW_SIZE].tobytes()
        self._tail.append(Stretch(tail, client_is_lower, numbering))
        self._weight += end - begin
        self._trim()
        return tail if begin == last else rows[last * ROW_SIZE : end * ROW_SIZE].tobytes()

    def backwards(self) -> Iterator[Segment]:
        """The last segments, latest first."""
        for part in [*reversed(self._tail), *reversed(self._head)]:
            if isinstance(part, Raw):
                yield _made(part)
            else:
                yield from reversed(list(part))

    def kept(self) -> Callable[[], tuple[Segment, ...]]:
        """What makes segments of all that was kept."""
        return partial(_segments, (*self._head, *self._odd, *self._tail))

    def _trim(self) -> None:
        while (excess := self._weight - TAIL) > 0:
            oldest = self._tail.popleft()
            if isinstance(oldest, Raw):
                self._weight -= 1
                if oldest.odd and len(self._odd) < ODD:
                    self._odd.append(oldest)
                else:
                    self.left_out = True
                continue
            self.left_out = True
            self._weight -= min(excess, len(oldest))
            if len(oldest) > excess:
                rest = oldest.rows[excess * ROW_SIZE :]
                self._tail.appendleft(Stretch(rest, oldest.client_is_lower, oldest.numbering))


_at = itemgetter(0)
