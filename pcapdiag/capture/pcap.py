"""pcap files -> `FrameBlock`s: both byte orders, micro- and nanoseconds, and Kuznetzov's "modified" records.

The format is draft-ietf-opsawg-pcap: a file header of 24 octets, then records of 16 octets (modified: 24) and a frame.
The only loop per record is `_walk`; everything else is done for a whole block at once.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pcapdiag.capture.frames import FRAMES, MAX_CAPLEN, Facts, FrameBlock, Window
from pcapdiag.capture.table import I64, U8
from pcapdiag.capture.walk import FAR, field, lanes
from pcapdiag.errors import CaptureError
from pcapdiag.model import Note

FILE_HEADER = 24


class Flavour(NamedTuple):
    """What the magic number says."""

    order: str
    tick_ns: int
    record: int

    @property
    def name(self) -> str:
        return "modified pcap" if self.record > 16 else "nanosecond pcap" if self.tick_ns == 1 else "pcap"


MAGIC: dict[bytes, Flavour] = {
    struct.pack(order + "I", number): Flavour(order, tick_ns, record)
    for order in "<>"
    for number, tick_ns, record in ((0xA1B2C3D4, 1000, 16), (0xA1B23C4D, 1, 16), (0xA1B2CD34, 1000, 24))
}

PACKET_OUTGOING = 4
"""linux/if_packet.h"""


class PcapReader:
    """One pcap file."""

    def __init__(self, window: Window, path: str) -> None:
        header = window.head(FILE_HEADER)
        self.flavour = MAGIC[header[:4]]
        if len(header) < FILE_HEADER:
            raise CaptureError(
                path, f"is a pcap file cut inside its header, after {len(header)} of {FILE_HEADER} octets"
            )
        self._path = path
        self._window = window
        order = self.flavour.order
        major, minor, snaplen, link = struct.unpack_from(order + "4xHH8xII", header)
        if (major, minor) > (2, 4) or major < 2:
            raise CaptureError(path, f"is a pcap file of version {major}.{minor}; 2.4 is the newest that exists")
        # The upper bits are the length of the frame check sequence and its flag, the bits between them are reserved and
        # "SHOULD be set to 0" (draft-ietf-opsawg-pcap section 4): otherwise the header is damaged.
        if link & 0x03FF0000:
            raise CaptureError(
                path, f"has a damaged pcap header: reserved bits of the link type are set ({link:#010x})"
            )
        self._link = link & 0xFFFF
        self.facts = Facts(self.flavour.name, snaplen=snaplen or None, links={self._link: None})
        window.at += FILE_HEADER
        fields = [("sec", order + "u4"), ("frac", order + "u4"), ("caplen", order + "u4"), ("wirelen", order + "u4")]
        if self.flavour.record > 16:
            fields += [("ifindex", order + "u4"), ("protocol", order + "u2"), ("type", "u1"), ("pad", "u1")]
        self._record = np.dtype(fields)
        self._length = struct.Struct(order + "I")

    def blocks(self) -> Iterator[FrameBlock]:
        window, size = self._window, self.flavour.record
        while True:
            for starts in self._starts():
                yield self._block(starts)
            need = size
            if window.rest >= size:
                (caplen,) = self._length.unpack_from(window.buffer.data, window.at + 8)
                if caplen > MAX_CAPLEN:
                    self._damaged(
                        f"a record claims {caplen} octets, more than any capture holds ({MAX_CAPLEN})", "damaged"
                    )
                    return
                need = size + caplen
            if window.ended:
                if window.rest:
                    self._damaged(f"the file ends inside a record, {need - window.rest} octets too early", "truncated")
                return
            window.more(need)

    def _starts(self) -> Iterator[I64]:
        """Where the window's whole records begin, at most `FRAMES` at a time. Moves the window behind them."""
        window, size = self._window, self.flavour.record
        buffer, at = window.buffer, window.at
        early: I64 = np.empty(0, np.int64)
        if window.rest >= size:
            early, at = lanes(buffer, _Records(buffer, at, self.flavour), at, window.end)
        late, window.at = _walk(buffer, at, window.end, size, self._length)
        starts = np.concatenate((early, np.array(late, np.int64)))
        for first in range(0, len(starts), FRAMES):
            yield starts[first : first + FRAMES]

    def _damaged(self, says: str, code: str) -> None:
        frame = self.facts.packets
        self.facts.notes.append(Note(code, f"{says}; read up to frame {frame}", frame or None))

    def _block(self, starts: I64) -> FrameBlock:
        buffer = self._window.buffer
        size = self.flavour.record
        records = field(buffer, size)[starts].view(self._record)
        count = len(starts)
        first = self.facts.packets + 1
        self.facts.packets += count
        outgoing = np.full(count, -1, np.int8)
        if size > 16:
            outgoing = (records["type"] == PACKET_OUTGOING).astype(np.int8)
        return FrameBlock(
            buffer=buffer,
            frame_number=np.arange(first, first + count, dtype=np.int64),
            at=starts + size,
            caplen=records["caplen"].astype(np.int64),
            wirelen=records["wirelen"].astype(np.int64),
            time_ns=records["sec"].astype(np.int64) * 1_000_000_000
            + records["frac"].astype(np.int64) * self.flavour.tick_ns,
            interface=np.zeros(count, np.uint16),
            link=np.full(count, self._link, np.int32),
            outgoing=outgoing,
        )


class _Records:
    """How pcap records follow one another (see `walk.Chain`). Their mark: the seconds' upper half, constant for 18 hours."""

    def __init__(self, buffer: U8, at: int, flavour: Flavour) -> None:
        self.mark_at = 2 if flavour.order == "<" else 0
        self.mark = buffer[at + self.mark_at : at + self.mark_at + 2].tobytes()
        self._octets, self._words = buffer.data, field(buffer, 4)
        self._length = struct.Struct(flavour.order + "I")
        self._word, self._size = np.dtype(flavour.order + "u4"), flavour.record

    def following(self, at: int) -> int:
        (caplen,) = self._length.unpack_from(self._octets, at + 8)
        return at + self._size + int(caplen) if caplen <= MAX_CAPLEN else FAR

    def follow(self, at: I64) -> I64:
        caplen = self._words[at + 8].view(self._word)
        following: I64 = np.where(caplen <= MAX_CAPLEN, at + (caplen + np.int64(self._size)), FAR)
        return following


def _walk(buffer: U8, at: int, end: int, size: int, lengths: struct.Struct) -> tuple[list[int], int]:
    """Where the records begin that lie wholly before `end`, and where the next one would."""
    starts: list[int] = []
    add, length, octets = starts.append, lengths.unpack_from, buffer.data
    last = end - size
    while at <= last:
        (caplen,) = length(octets, at + 8)
        following = at + size + caplen
        if following > end or caplen > MAX_CAPLEN:
            break
        add(at)
        at = following
    return starts, at
