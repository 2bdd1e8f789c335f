"""Captures, for the last time -> the packets of the chosen sessions, rewritten, in the order of their times.

A fragment of IP is held back, and what follows it with it, until its datagram is whole: only then is it known whose it is,
and what may be seen of it.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pcapdiag.capture.cursor import TCP
from pcapdiag.capture.fragments import LIFETIME_NS, MOST_DATAGRAMS, Key, Partial, Piece, rebuilt
from pcapdiag.capture.records import Frame, frames_of, layers_of
from pcapdiag.slices.lines import filled
from pcapdiag.slices.payload import Payload
from pcapdiag.slices.rewriting import Rewriter

MOST_HELD = 4096
"""Frames that wait for the rest of a datagram; then what is missing is not waited for any longer."""


class Copied(NamedTuple):
    """A packet to be written."""

    capture: int
    frame: Frame
    octets: bytes


def copied(
    paths: Sequence[str], wanted: Mapping[int, Collection[int]], rewriter: Rewriter, payload: Payload
) -> Iterator[Copied]:
    """The frames `wanted` of each capture (by its index), and the other fragments of their datagrams."""
    files = [
        _File(capture, paths[capture], numbers, rewriter, payload) for capture, numbers in wanted.items() if numbers
    ]
    return _in_time(files)


def _in_time(files: Iterable[_File]) -> Iterator[Copied]:
    """Merged by time; within a file the order stays what it is."""
    heap: list[tuple[int, int, Copied, Iterator[Copied]]] = []

    def push(index: int, latest: int, rest: Iterator[Copied]) -> None:
        item = next(rest, None)
        if item is not None:
            heapq.heappush(heap, (max(latest, item.frame.time_ns), index, item, rest))

    for index, file in enumerate(files):
        push(index, 0, iter(file))
    while heap:
        time_ns, index, item, rest = heapq.heappop(heap)
        yield item
        push(index, time_ns, rest)


@dataclass(slots=True)
class _Held:
    """A frame that waits for its turn."""

    frame: Frame
    decided: bool = False
    octets: bytes | None = None
    """None: it is not written."""

    def decide(self, octets: bytes | None) -> None:
        self.decided, self.octets = True, octets


@dataclass(slots=True)
class _Datagram:
    """A fragmented IP packet."""

    partial: Partial
    held: list[_Held] = field(default_factory=list)
    before: bytes = b""
    after: bytes | None = None
    """Its data as captured and as shown, once it is whole; None: it is nobody's that was chosen."""
    whole: bool = False


class _File:
    """One capture."""

    def __init__(self, capture: int, path: str, wanted: Collection[int], rewriter: Rewriter, payload: Payload) -> None:
        self._capture = capture
        self._path = path
        self._wanted = frozenset(wanted)
        self._rewriter = rewriter
        self._payload = payload
        self._held: deque[_Held] = deque()
        self._datagrams: dict[Key, _Datagram] = {}

    def __iter__(self) -> Iterator[Copied]:
        for frame in frames_of(self._path, self._wanted):
            held = _Held(frame)
            self._held.append(held)
            if frame.piece is not None:
                self._fragment(held, frame.piece)
            elif frame.number in self._wanted:
                held.decide(self._written(frame, (0, b"")))
            else:
                held.decide(None)
            if len(self._held) > MOST_HELD:
                self._give_up(self._oldest())
            yield from self._ready()
        for datagram in list(self._datagrams.values()):
            self._give_up(datagram)
        yield from self._ready()

    def _ready(self) -> Iterator[Copied]:
        while self._held and self._held[0].decided:
            first = self._held.popleft()
            if first.octets is not None:
                yield Copied(self._capture, first.frame, first.octets)

    def _written(self, frame: Frame, piece: tuple[int, bytes]) -> bytes:
        at = self._capture, frame.number
        return self._rewriter.packet(frame.octets, frame.layers, frame.end, whole=frame.whole, at=at, piece=piece)

    # --- Fragments (as `pcapdiag.capture.fragments` puts them together) ----------------------------------------------

    def _fragment(self, held: _Held, piece: Piece) -> None:
        now = held.frame.time_ns
        datagram = self._datagrams.get(piece.key)
        if datagram is not None and datagram.whole and not _is_copy(datagram, piece):
            datagram = None
        elif datagram is not None and now - datagram.partial.since_ns > LIFETIME_NS:
            self._give_up(datagram)
            datagram = None
        if datagram is None:
            if len(self._datagrams) >= MOST_DATAGRAMS:
                self._give_up(self._datagrams.pop(next(iter(self._datagrams))))
            self._datagrams.pop(piece.key, None)
            datagram = self._datagrams[piece.key] = _Datagram(Partial(now))
        if datagram.whole:
            self._scatter(datagram, [held])
            return
        datagram.held.append(held)
        if datagram.partial.take(piece):
            self._finish(datagram, piece, held.frame)

    def _finish(self, datagram: _Datagram, last: Piece, frame: Frame) -> None:
        """The datagram is whole."""
        data = datagram.partial.whole()
        if data is None:
            return
        datagram.whole, datagram.before = True, data
        packet = rebuilt(last.header, datagram.partial.protocol, data)
        if packet is not None and frame.number in self._wanted:
            datagram.after = self._shown(packet, frame.number)[-len(data) :]
        self._scatter(datagram, datagram.held)
        datagram.held = []

    def _give_up(self, datagram: _Datagram | None) -> None:
        """The rest will not come. When the beginning tells whose it is, what came is written nevertheless."""
        if datagram is None or datagram.whole:
            return
        datagram.whole = True
        datagram.before = datagram.partial.beginning()
        first = next((held for held in datagram.held if held.frame.piece and held.frame.piece.offset == 0), None)
        if first is not None and first.frame.piece is not None:
            piece, number = first.frame.piece, first.frame.number
            packet = rebuilt(piece.header, piece.protocol, datagram.before)
            ends = _ends(packet) if packet is not None else None
            if packet and ends and self._payload.adopts(ends, first.frame.time_ns, (self._capture, number)):
                datagram.after = self._shown(packet, number)[-len(datagram.before) :]
        self._scatter(datagram, datagram.held)
        datagram.held = []

    def _shown(self, packet: bytes, number: int) -> bytes:
        layers, end, whole = layers_of(packet)
        return self._rewriter.packet(packet, layers, end, whole=whole, at=(self._capture, number))

    def _scatter(self, datagram: _Datagram, held: Iterable[_Held]) -> None:
        """Write each fragment with its part of the datagram."""
        for each in held:
            piece = each.frame.piece
            if datagram.after is None or piece is None:
                each.decide(None)
                continue
            place = slice(piece.offset, piece.offset + len(piece.data))
            same = datagram.before[place] == piece.data
            each.decide(self._written(each.frame, (piece.at, datagram.after[place] if same else filled(piece.data))))

    def _oldest(self) -> _Datagram | None:
        first = self._held[0]
        return next((each for each in self._datagrams.values() if any(held is first for held in each.held)), None)


def _is_copy(datagram: _Datagram, piece: Piece) -> bool:
    """The same octets at the same place: captured once more, or sent once more."""
    return datagram.before[piece.offset : piece.offset + len(piece.data)] == piece.data


def _ends(packet: bytes) -> tuple[bytes, bytes] | None:
    """Address and port of both ends of a TCP segment."""
    layers, end, _ = layers_of(packet)
    tcp = layers[-1].at
    if layers[-1].kind != TCP or tcp + 20 > end:
        return None
    source, target = (packet[12:16], packet[16:20]) if packet[0] >> 4 == 4 else (packet[8:24], packet[24:40])
    return source + packet[tcp : tcp + 2], target + packet[tcp + 2 : tcp + 4]
