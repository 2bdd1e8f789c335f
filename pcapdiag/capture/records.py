"""A capture file read once more -> the frames that somebody wants, octet for octet, and where the headers in them begin.

The analysis needs columns; whoever writes packets out again needs each frame as its file holds it: the time in the
interface's own unit, the direction, and every header on the way to TCP. The decoders are those of the columns, one layer at a
time, so that a frame is found here if and only if it was found there.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from pcapdiag.capture import inet, link, tunnel
from pcapdiag.capture.cursor import FRAGMENT, LAYERS, LINK_TYPE, RAW, Cursor
from pcapdiag.capture.formats import reader_for
from pcapdiag.capture.fragments import Piece, piece_of, read_cut
from pcapdiag.capture.frames import TAIL, FrameBlock, FrameReader, Window
from pcapdiag.capture.ngblocks import EPB_FLAGS, options
from pcapdiag.capture.pcap import PcapReader
from pcapdiag.capture.pcapng import PcapngReader
from pcapdiag.capture.slow import SlowPath
from pcapdiag.capture.source import Source
from pcapdiag.capture.table import I64, distinct

BLOCK = 1 << 20
DECODERS = link.DECODERS | inet.DECODERS | tunnel.DECODERS
EPB_DROPCOUNT, EPB_PACKETID, EPB_QUEUE = 4, 5, 6
KEPT = {EPB_FLAGS: 4, EPB_DROPCOUNT: 8, EPB_PACKETID: 8, EPB_QUEUE: 4}
"""Options of a packet that say something of its capture and nothing of people, and how long they are."""
DIRECTIONS = {0: 1, 1: 2}
"""`FrameBlock.outgoing` -> bits 0 and 1 of epb_flags."""


class Layer(NamedTuple):
    """One header of a frame."""

    kind: int
    """As in `pcapdiag.capture.cursor`."""
    at: int
    """Where it begins in the frame."""


class Interface(NamedTuple):
    """What a capture file says of one of its interfaces, as far as it names nobody."""

    section: int
    """Of which section of its file (pcap: 0)..."""
    number: int
    """...and which of its interfaces."""
    link: int
    snaplen: int
    """0: no limit."""
    ticks: int
    """Per second: a power of 10 or of 2."""
    offset_s: int


@dataclass(frozen=True, slots=True)
class Frame:
    """One captured frame."""

    number: int
    time_ns: int
    interface: Interface
    ticks: int | None
    """Its time as its file has it: since the epoch and the interface's offset, in the interface's unit; None in a simple
    packet block, which has no time."""
    octets: bytes
    wirelen: int
    options: tuple[tuple[int, int], ...]
    """(code, value) of those in `KEPT`."""
    layers: tuple[Layer, ...]
    """From the outermost to the one that no decoder knows: TCP, ICMP, or a fragment."""
    end: int
    """Behind the innermost IP packet, as far as it was captured: what follows is padding."""
    whole: bool
    """All of that packet was captured."""
    piece: Piece | None = None
    """Of a fragment: what it is a part of."""


def frames_of(path: str, wanted: Collection[int]) -> Iterator[Frame]:
    """The frames with these numbers in file order, and every IP fragment that may be a part of them.

    Raises `CaptureError` for what is no capture of a format that is read here.
    """
    source = Source(path)
    try:
        reader = reader_for(Window(source, BLOCK), path)
        slow, last = SlowPath(), max(wanted, default=0)
        numbers = np.fromiter(wanted, np.int64, len(wanted))
        numbers.sort()
        sections = _Sections()
        for block in reader.blocks():
            sections.see(reader)
            yield from _frames(reader, sections.number, block, numbers, slow)
            if int(block.frame_number[-1]) >= last:
                return
    finally:
        source.close()


def layers_of(packet: bytes) -> tuple[tuple[Layer, ...], int, bool]:
    """The headers of an IP packet, where it ends, and whether it is whole."""
    buffer = np.frombuffer(packet + bytes(TAIL), np.uint8)
    ends = np.array([len(packet)], np.int64)
    cursor = Cursor(buffer, np.array([RAW], np.int32), np.zeros(1, np.int64), ends, ends.copy())
    trail = _trail(cursor)[0]
    end = int(cursor.captured_end[0])
    return tuple(trail), end, end >= int(cursor.wire_end[0])


class _Sections:
    """Counts the sections of a pcapng file."""

    def __init__(self) -> None:
        self.number = 0
        self._seen: object = None

    def see(self, reader: FrameReader) -> None:
        section = reader.section if isinstance(reader, PcapngReader) else None
        if section is not self._seen:
            self.number += self._seen is not None
            self._seen = section


def _frames(reader: FrameReader, section: int, block: FrameBlock, numbers: I64, slow: SlowPath) -> Iterator[Frame]:
    """The wanted frames and the fragments of one block."""
    cursor = Cursor.over(block)
    rows: I64 = np.arange(len(block), dtype=np.int64)
    cursor.run(DECODERS, rows)
    first, last = np.searchsorted(numbers, (block.frame_number[0], block.frame_number[-1] + 1))
    chosen = np.isin(block.frame_number, numbers[first:last]) | (cursor.kind == FRAGMENT)
    rows = np.flatnonzero(chosen)
    if not len(rows):
        return
    fields = {name: getattr(block, name)[rows] for name in _COLUMNS}
    block = replace(block, **fields)
    cursor = Cursor.over(block)
    trails = _trail(cursor)
    for row, (packet, at) in enumerate(_outside(cursor, slow)):
        base = int(block.at[row])
        layers = tuple([Layer(layer.kind, layer.at - base) for layer in trails[row]])
        end, whole = int(cursor.captured_end[row]) - base, bool(cursor.captured_end[row] >= cursor.wire_end[row])
        if packet is not None:
            inner, length, whole = layers_of(packet)
            layers, end = (*layers, *[Layer(layer.kind, layer.at + at) for layer in inner]), at + length
        piece = piece_of(cursor, row) if cursor.kind[row] == FRAGMENT else None
        piece = None if piece is None else piece._replace(at=piece.at - base)
        yield _frame(reader, section, block, row, (layers, end, whole, piece))


_COLUMNS = ("frame_number", "at", "caplen", "wirelen", "time_ns", "interface", "link", "outgoing")


def _outside(cursor: Cursor, slow: SlowPath) -> Iterator[tuple[bytes | None, int]]:
    """Of every row: the IP packet that scapy finds in a frame of a rare link type, and where in the frame it stands."""
    rare = cursor.kind >= LINK_TYPE
    begins, ends = cursor.at.tolist(), cursor.captured_end.tolist()
    packets = dict(slow.packets(cursor)) if rare.any() else {}
    for row, (begin, end) in enumerate(zip(begins, ends, strict=True)):
        packet = packets.get(row)
        at = bytes(cursor.buffer.data[begin:end]).find(packet) if packet is not None else -1
        yield (packet, at) if at >= 0 else (None, 0)


def _trail(cursor: Cursor) -> list[list[Layer]]:
    """Peel all rows, and note for each row which headers it went through; first fragments that were cut go on to TCP."""
    trails: list[list[Layer]] = [[] for _ in range(len(cursor))]
    rows: I64 = np.arange(len(cursor), dtype=np.int64)
    rows = _peel(cursor, rows, trails)
    cut = read_cut(cursor, np.arange(len(cursor), dtype=np.int64))
    if len(cut):
        _peel(cursor, cut, trails)
    for row, (kind, at) in enumerate(zip(cursor.kind.tolist(), cursor.at.tolist(), strict=True)):
        trails[row].append(Layer(kind, at))
    return trails


def _peel(cursor: Cursor, rows: I64, trails: list[list[Layer]]) -> I64:
    for _ in range(LAYERS):
        kinds = cursor.kind[rows]
        moved = []
        for kind in distinct(kinds):
            decoder = DECODERS.get(kind)
            if decoder is None:
                continue
            some = rows[kinds == kind]
            for row, at in zip(some.tolist(), cursor.at[some].tolist(), strict=True):
                trails[row].append(Layer(kind, at))
            decoder(cursor, some)
            moved.append(some)
        if not moved:
            break
        rows = np.concatenate(moved)
    return rows


def _frame(
    reader: FrameReader,
    section: int,
    block: FrameBlock,
    row: int,
    found: tuple[tuple[Layer, ...], int, bool, Piece | None],
) -> Frame:
    at, caplen = int(block.at[row]), int(block.caplen[row])
    number, octets = int(block.interface[row]), block.buffer.data
    if isinstance(reader, PcapngReader):
        known = reader.section.interfaces[number]
        interface = Interface(section, number, known.link, known.snaplen, known.ticks, known.offset_s)
        ticks, told = _enhanced(octets, at, caplen, reader.section.order)
    else:
        assert isinstance(reader, PcapReader)
        flavour = reader.flavour
        per_second = 1_000_000_000 // flavour.tick_ns
        interface = Interface(0, 0, int(block.link[row]), reader.facts.snaplen or 0, per_second, 0)
        second, part = struct.unpack_from(flavour.order + "II", octets, at - flavour.record)
        ticks, direction = second * per_second + part, DIRECTIONS.get(int(block.outgoing[row]))
        told = () if direction is None else ((EPB_FLAGS, direction),)
    frame = bytes(octets[at : at + caplen])
    time_ns, wirelen = int(block.time_ns[row]), int(block.wirelen[row])
    return Frame(int(block.frame_number[row]), time_ns, interface, ticks, frame, wirelen, told, *found)


def _enhanced(octets: memoryview, at: int, caplen: int, order: str) -> tuple[int | None, tuple[tuple[int, int], ...]]:
    """The time of a packet block whose frame stands at `at`, and its options that are kept.

    Enhanced and obsolete packet blocks have the same 28 octets in front of the frame as far as the time is concerned.
    """
    # Four octets before the frame's length on the wire an enhanced block has the captured length, a simple one its own.
    if struct.unpack_from(order + "I", octets, at - 8)[0] != caplen:
        return None, ()
    length, high, low = struct.unpack_from(order + "4xI4xII", octets, at - 28)
    end = at - 28 + int(length) - 4
    told = []
    for code, value in options(bytes(octets[at + (caplen + 3 & ~3) : end]), order):
        if KEPT.get(code) == len(value):
            told.append((code, int.from_bytes(value, "little" if order == "<" else "big")))
    return (high << 32) | low, tuple(told)
