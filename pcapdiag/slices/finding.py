"""Captures read once more -> which frames are a session's, and what may be seen of its octets.

The tracker of the analysis runs again over the files in which the chosen sessions lie, with another observer. A session's frames
are those between its two ends from its first frame on: both directions, every copy, and what came late, up to the moment at
which the connection was closed off or its ends were used again. Its ICMP errors are those that quote such a frame.
"""

from __future__ import annotations

import ipaddress
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pcapdiag.capture import open_captures
from pcapdiag.capture.table import MAPPED, PacketTable
from pcapdiag.errors import CaptureError, SliceRefused
from pcapdiag.model import CaptureInfo, Endpoint, Moment, Side
from pcapdiag.pseudonym import Level, Pseudonyms
from pcapdiag.slices.mask import Mask
from pcapdiag.slices.observer import MaskingObserver
from pcapdiag.tcp.connection import Connection, Marks, Odd, StreamObserver
from pcapdiag.tcp.conversation import Conversation
from pcapdiag.tcp.flow import Flow
from pcapdiag.tcp.grouping import Key
from pcapdiag.tcp.tracker import Tracker

SMTPS_PORT = 465
"""Implicit TLS (RFC 8314 section 3)."""

_End = tuple[int, int, int]
"""An end as a key has it: high and low 64 bits of the address, port."""


class _Deaf:
    """The observer of a session that nobody chose."""

    def data(self, side: Side, offset: int, octets: bytes, frames: Moment | Marks) -> None: ...

    def gap(self, side: Side, offset: int, length: int, reason: object, at: Moment) -> None: ...


@dataclass(slots=True)
class Stream:
    """What one side sent."""

    base: int | None
    """Sequence number of the octet at offset 0; None where none was seen."""
    mask: Mask
    near: int = 0
    """The offset that was looked at last."""


@dataclass(slots=True)
class Found:
    """A chosen session, found again."""

    connection: Connection
    streams: dict[Side, Stream]
    conflicts: frozenset[tuple[int, int]]
    """(capture, frame) of segments that repeat octets with other content."""
    frames: dict[int, array[int]] = field(default_factory=dict)
    """Its frames by capture, ICMP errors among them, ascending."""


class _Following(Tracker[StreamObserver]):
    """A tracker that remembers the sequence numbers at which the streams begin."""

    flows: dict[int, tuple[Flow, Flow]]
    """By the identity of the observer, which lives as long as its connection is open."""

    def _converse(self, entry: Any, client_is_lower: bool, seen: bool, first: Moment) -> Conversation:
        conversation = super()._converse(entry, client_is_lower, seen, first)
        self.flows[id(entry.observer)] = conversation.flows
        return conversation


def find(
    chosen: Sequence[Connection],
    captures: Sequence[CaptureInfo],
    names: Pseudonyms,
    *,
    ports: frozenset[int] | None,
    merge: bool,
) -> list[Found]:
    """Each of these connections in the captures in which it lies, in the same order.

    Raises `CaptureError` for a file that cannot be read any more, `SliceRefused` for a session that is not in it.
    """
    found: dict[int, Found] = {}
    for trace in sorted({connection.trace for connection in chosen}):
        mine = {n: each for n, each in enumerate(chosen) if each.trace == trace}
        indexes = [n for n, info in enumerate(captures) if info.trace == trace and _overlaps(info, mine.values())]
        found |= _Search(mine, indexes, names).run([captures[n].path for n in indexes], ports=ports, merge=merge)
    missing = [each for number, each in enumerate(chosen) if number not in found]
    if missing:
        one = missing[0]
        raise SliceRefused(
            f"the session of {one.client} with {one.server} is not in {captures[one.first.capture].path} any more "
            f"(its first frame was {one.first.frame}): was the file changed, or read by tshark alone?"
        )
    return [found[number] for number in range(len(chosen))]


def _overlaps(info: CaptureInfo, connections: Iterable[Connection]) -> bool:
    if info.first_time_ns is None or info.last_time_ns is None:
        return False
    return any(
        info.first_time_ns <= each.until_ns + _SLACK_NS and info.last_time_ns >= each.first.time_ns - _SLACK_NS
        for each in connections
    )


_SLACK_NS = 1_000_000_000


class _Search:
    """One trace."""

    def __init__(self, chosen: dict[int, Connection], indexes: Sequence[int], names: Pseudonyms) -> None:
        self._chosen = chosen
        self._indexes = indexes
        """Index in the analysis of each file that is read here."""
        self._names = names
        self._ends = {frozenset((each.client, each.server)) for each in chosen.values()}
        self._keys = {_key(each.client, each.server): _Seen() for each in chosen.values()}
        self._found: dict[int, Found] = {}
        self._flows: dict[int, tuple[Flow, Flow]] = {}
        self._batches = 0
        self._begun: dict[Key, list[Moment]] = {}
        """First frames of all connections between chosen ends."""

    def run(self, paths: list[str], *, ports: frozenset[int] | None, merge: bool) -> dict[int, Found]:
        opened = open_captures(paths, ports=ports, merge=merge, engine="own")
        tracker = _Following(self._observer, self._finished, ports=ports)
        tracker.flows = self._flows
        for trace in opened.traces:
            for batch in trace.batches():
                self._note(batch)
                tracker.feed(batch)
        tracker.finish()
        for path, says in opened.errors:
            raise CaptureError(path, f"{says}; a slice is cut of pcap and pcapng files: tshark -r FILE -w FILE.pcapng")
        for found in self._found.values():
            self._collect(found)
        return self._found

    def _observer(self, client: Endpoint, server: Endpoint) -> StreamObserver:
        if self._names.level is Level.NONE or frozenset((client, server)) not in self._ends:
            return _Deaf()
        return MaskingObserver(self._names, implicit_tls=server.port == SMTPS_PORT)

    def _finished(self, connection: Connection, observer: StreamObserver) -> None:
        flows = self._flows.pop(id(observer))
        if frozenset((connection.client, connection.server)) not in self._ends:
            return
        first = self._there(connection.first)
        self._begun.setdefault(_key(connection.client, connection.server), []).append(first)
        masks = {side: Mask() for side in Side}
        if isinstance(observer, MaskingObserver):
            observer.finish()
            masks = observer.masks
        for number, wanted in self._chosen.items():
            if wanted.first[1:] == first[1:] and {wanted.client, wanted.server} == {
                connection.client,
                connection.server,
            }:
                streams = {side: Stream(flow.base, masks[side]) for side, flow in zip(Side, flows, strict=True)}
                odd = [self._there(each.at) for each in connection.segments if each.odd & Odd.OVERLAP_CONFLICT]
                self._found[number] = Found(wanted, streams, frozenset((at.capture, at.frame) for at in odd))

    def _there(self, moment: Moment) -> Moment:
        """With the capture's index as the analysis has it."""
        return moment._replace(capture=self._indexes[moment.capture])

    # --- Frames ------------------------------------------------------------------------------------------------------

    def _note(self, batch: PacketTable) -> None:
        """Remember which frames lie between chosen ends."""
        self._batches += 1
        place = self._batches << _ROWS
        for key, seen in self._keys.items():
            for row in _rows(batch, key):
                at = int(batch.time_ns[row]), self._indexes[int(batch.capture[row])], int(batch.frame_number[row])
                seen.add(place + 2 * row + 1, *at)
        for error in batch.icmp:
            ends = Endpoint(error.src, error.srcport), Endpoint(error.dst, error.dstport)
            if frozenset(ends) in self._ends:
                at = error.time_ns, self._indexes[error.capture], error.frame_number
                self._keys[_key(*ends)].add(place + 2 * error.row, *at)

    def _collect(self, found: Found) -> None:
        """All frames from the first one on, in the order in which they were captured: clocks are set back now and then."""
        connection = found.connection
        key = _key(connection.client, connection.server)
        seen = self._keys[key]
        begun = sorted({seen.place(moment) for moment in self._begun[key]})
        begins, last = seen.place(connection.first), seen.place(connection.last)
        ends = next((place for place in begun if place > begins), None)
        for place, time_ns, capture, frame in seen.rows():
            mine = place >= begins and (ends is None or place < ends)
            if mine and (place <= last or time_ns <= connection.until_ns):
                found.frames.setdefault(capture, array("q")).append(frame)
        for capture, frames in found.frames.items():
            found.frames[capture] = array("q", sorted(set(frames)))


_ROWS = 32
"""Bits for the row in a batch."""


class _Seen:
    """Frames in four columns: their place in the trace, time, capture, and number."""

    def __init__(self) -> None:
        self._columns = (array("q"), array("q"), array("q"), array("q"))

    def add(self, place: int, time_ns: int, capture: int, frame: int) -> None:
        for column, value in zip(self._columns, (place, time_ns, capture, frame), strict=True):
            column.append(value)

    def rows(self) -> Iterator[tuple[int, int, int, int]]:
        return zip(*self._columns, strict=True)

    def place(self, moment: Moment) -> int:
        """Where this frame stands; behind all where it is none of them."""
        there = (place for place, _, capture, frame in self.rows() if (capture, frame) == moment[1:])
        return next(there, 1 << 62)


def _key(one: Endpoint, other: Endpoint) -> Key:
    lower, higher = sorted((_end(one), _end(other)))
    return (*lower, *higher)


def _end(endpoint: Endpoint) -> _End:
    address = ipaddress.ip_address(endpoint.address)
    number = int(address) if address.version == 6 else MAPPED | int(address)
    return number >> 64, number & (1 << 64) - 1, endpoint.port


def _rows(batch: PacketTable, key: Key) -> list[int]:
    """The rows of segments between these ends."""
    there, back = key[:3] + key[3:], key[3:] + key[:3]
    ports = (batch.srcport == key[2]) & (batch.dstport == key[5]) | (batch.srcport == key[5]) & (
        batch.dstport == key[2]
    )
    found = []
    for row in ports.nonzero()[0].tolist():
        source = int(batch.src[row, 0]), int(batch.src[row, 1]), int(batch.srcport[row])
        target = int(batch.dst[row, 0]), int(batch.dst[row, 1]), int(batch.dstport[row])
        if (*source, *target) in (there, back):
            found.append(row)
    return found
