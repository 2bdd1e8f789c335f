"""The frames of connections that are watched, in memory until somebody knows whether they are worth saving.

Of each connection the first frames and the last ones are kept whole, what lies between only up to its headers: a large message
costs little, and its numbers and times are all there. Above `BUDGET` in all, the connections silent for longest are forgotten.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from pcapdiag.capture.live import LiveBatch
from pcapdiag.model import Endpoint, Moment
from pcapdiag.tcp.grouping import address_of

HEAD = 1 << 20
"""Octets of a connection's first frames..."""
TAIL = 1 << 19
"""...and of its last ones that are kept whole."""
BUDGET = 256 << 20
OVERHEAD = 300
"""Octets that a frame takes in memory beside its own."""
MOST_BETWEEN = 20_000
"""Frames between."""
STALE_NS = 7200 * 1_000_000_000
"""Nobody will ask for connections that have been silent for so long."""
STUMP = 16
"""Octets of the payload that frames between keep."""

Ends = tuple[Endpoint, Endpoint]
"""In ascending order."""


class Frame(NamedTuple):
    """One captured frame."""

    number: int
    time_ns: int
    interface: int
    link: int
    outgoing: int
    wirelen: int
    octets: bytes
    sender: Endpoint | None
    """None: an ICMP error, or a packet that came in fragments."""
    tcp_at: int
    payload_at: int
    seq: int
    flags: int


class _Frames:
    """Those of one connection."""

    def __init__(self) -> None:
        self.head: list[Frame] = []
        self.between: list[Frame] = []
        self.tail: deque[Frame] = deque()
        self.octets = self.head_octets = self.tail_octets = 0
        self.last_ns = 0

    def add(self, frame: Frame) -> int:
        """How much more memory it takes now."""
        before, size = self.octets, len(frame.octets) + OVERHEAD
        self.octets += size
        self.last_ns = frame.time_ns
        if self.head_octets < HEAD:
            self.head_octets += size
            self.head.append(frame)
        else:
            self.tail_octets += size
            self.tail.append(frame)
            while self.tail_octets > TAIL:
                self._shorten(self.tail.popleft())
        return self.octets - before

    def _shorten(self, frame: Frame) -> None:
        size = len(frame.octets) + OVERHEAD
        self.tail_octets -= size
        self.octets -= size
        if len(self.between) >= MOST_BETWEEN:
            return
        if frame.payload_at:
            frame = frame._replace(octets=frame.octets[: frame.payload_at + STUMP])
        self.between.append(frame)
        self.octets += len(frame.octets) + OVERHEAD


class Memory:
    """All of them."""

    def __init__(self, ports: frozenset[int] | None, budget: int = BUDGET) -> None:
        self._ports = ports
        self._budget = budget
        self._open: OrderedDict[Ends, _Frames] = OrderedDict()
        self.octets = 0

    def take(self, batch: LiveBatch) -> None:
        """Keep what a batch holds of connections."""
        if batch.frames is None:
            return
        for ends, frame in _rows(batch):
            if self._ports is not None and ends[0].port not in self._ports and ends[1].port not in self._ports:
                continue
            frames = self._open.get(ends)
            if frames is None:
                frames = self._open[ends] = _Frames()
            else:
                self._open.move_to_end(ends)
            self.octets += frames.add(frame)
        while self._open and (self.octets > self._budget or self._oldest_ns() < batch.table.until_ns - STALE_NS):
            self.octets -= self._open.popitem(last=False)[1].octets

    def _oldest_ns(self) -> int:
        return next(iter(self._open.values())).last_ns

    def frames(self, client: Endpoint, server: Endpoint, first: Moment, last_ns: int) -> list[Frame]:
        """Of a connection, from its first frame up to that time."""
        kept = self._open.get(_ends(client, server))
        if kept is None:
            return []
        every = chain(kept.head, kept.between, kept.tail)
        mine = [frame for frame in every if frame.number >= first.frame and frame.time_ns <= last_ns]
        return sorted(mine, key=lambda frame: frame.number)

    def forget(self, client: Endpoint, server: Endpoint, until_ns: int) -> None:
        """A connection is over: its frames up to that time are no longer needed."""
        ends = _ends(client, server)
        kept = self._open.get(ends)
        if kept is None:
            return
        self.octets -= kept.octets
        left = [frame for frame in chain(kept.head, kept.between, kept.tail) if frame.time_ns > until_ns]
        del self._open[ends]
        if left:
            kept = self._open[ends] = _Frames()
            self.octets += sum(kept.add(frame) for frame in left)


def _ends(one: Endpoint, other: Endpoint) -> Ends:
    return (one, other) if one < other else (other, one)


def _rows(batch: LiveBatch) -> Iterator[tuple[Ends, Frame]]:
    """Which frame belongs to which connection."""
    table, block = batch.table, batch.frames
    assert block is not None
    place = {number: row for row, number in enumerate(block.frame_number.tolist())}
    octets = block.buffer.data
    fields = (block.at, block.caplen, block.time_ns, block.interface, block.link, block.outgoing, block.wirelen)
    starts, caplens, times, interfaces, links, outgoing, wirelens = (field.tolist() for field in fields)

    def frame(number: int, sender: Endpoint | None, tcp: int, payload: int, seq: int, flags: int) -> Frame:
        row = place[number]
        at, end = starts[row], starts[row] + caplens[row]
        if not at <= tcp < payload <= end:  # put together from fragments: it does not stand in this frame
            sender, tcp, payload = None, at, at
        return Frame(
            number, times[row], interfaces[row], links[row], outgoing[row], wirelens[row], bytes(octets[at:end]),
            sender, tcp - at, payload - at, seq, flags,
        )  # fmt: skip

    columns = (table.frame_number, table.src, table.srcport, table.dst, table.dstport, table.tcp_at, table.payload_at,
               table.seq, table.flags)  # fmt: skip
    for number, src, srcport, dst, dstport, tcp, payload, seq, flags in zip(
        *(column.tolist() for column in columns), strict=True
    ):
        sender, receiver = Endpoint(address_of(*src), srcport), Endpoint(address_of(*dst), dstport)
        yield _ends(sender, receiver), frame(number, sender, tcp, payload, seq, flags)
    for error in table.icmp:
        ends = _ends(Endpoint(error.src, error.srcport), Endpoint(error.dst, error.dstport))
        yield ends, frame(error.frame_number, None, 0, 0, 0, 0)
