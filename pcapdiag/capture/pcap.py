"""pcap files -> `FrameBlock`s: both byte orders, micro- and nanoseconds, and Kuznetzov's "modified" records.

The format is draft-ietf-opsawg-pcap: a file header of 24 octets, then records of 16 octets (modified: 24) and a frame.
The only loop per record is `_walk`; everything else is done for a whole block at once.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pcapdiag.capture.frames import FRAMES, MAX_CAPLEN, Facts, FrameBlock, Window
from pcapdiag.capture.table import I64, U8
from pcapdiag.errors import NotACapture
from pcapdiag.model import Note

FILE_HEADER = 24


@dataclass(frozen=True, slots=True)
class Flavour:
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
        self._flavour = MAGIC[header[:4]]
        if len(header) < FILE_HEADER:
            raise NotACapture(path, f"is a pcap file cut inside its header, after {len(header)} of {FILE_HEADER} octets")
        self._path = path
        self._window = window
        order = self._flavour.order
        major, minor, snaplen, link = struct.unpack_from(order + "4xHH8xII", header)
        if (major, minor) > (2, 4) or major < 2:
            raise NotACapture(path, f"is a pcap file of version {major}.{minor}; 2.4 is the newest that exists")
        # "FCS len" and "f" share the field with the link type (draft-ietf-opsawg-pcap section 4).
        self._link = link & 0x03FFFFFF if link & 0x04000000 else link & 0x0FFFFFFF
        self.facts = Facts(self._flavour.name, snaplen=snaplen or None, links={self._link: None})
        window.at += FILE_HEADER
        fields = [("sec", order + "u4"), ("frac", order + "u4"), ("caplen", order + "u4"), ("wirelen", order + "u4")]
        if self._flavour.record > 16:
            fields += [("ifindex", order + "u4"), ("protocol", order + "u2"), ("type", "u1"), ("pad", "u1")]
        self._record = np.dtype(fields)

    def blocks(self) -> Iterator[FrameBlock]:
        window, size = self._window, self._flavour.record
        lengths = struct.Struct(self._flavour.order + "I")
        while True:
            starts, window.at = _walk(window.buffer, window.at, window.end, size, lengths)
            if starts:
                yield self._block(np.array(starts, np.int64))
            if len(starts) == FRAMES:
                continue
            need = size
            if window.rest >= size:
                (caplen,) = lengths.unpack_from(window.buffer, window.at + 8)
                if caplen > MAX_CAPLEN:
                    self._damaged(f"a record claims {caplen} octets, more than any capture holds ({MAX_CAPLEN})", "damaged")
                    return
                need = size + caplen
            if window.ended:
                if window.rest:
                    self._damaged(f"the file ends inside a record, {need - window.rest} octets too early", "truncated")
                return
            window.more(need)

    def _damaged(self, says: str, code: str) -> None:
        frame = self.facts.packets
        self.facts.notes.append(Note(code, f"{says}; read up to frame {frame}", frame or None))

    def _block(self, starts: I64) -> FrameBlock:
        buffer = self._window.buffer
        size = self._flavour.record
        records = np.ndarray(len(buffer) - size + 1, np.dtype((np.void, size)), buffer, 0, 1)[starts].view(self._record)
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
            + records["frac"].astype(np.int64) * self._flavour.tick_ns,
            interface=np.zeros(count, np.uint16),
            link=np.full(count, self._link, np.int32),
            outgoing=outgoing,
        )


def _walk(buffer: U8, at: int, end: int, size: int, lengths: struct.Struct) -> tuple[list[int], int]:
    """Where the records begin that lie wholly before `end`, at most `FRAMES`, and where the next one would."""
    starts: list[int] = []
    add, length, octets = starts.append, lengths.unpack_from, memoryview(buffer)
    last = end - size
    while at <= last:
        (caplen,) = length(octets, at + 8)
        following = at + size + caplen
        if following > end or caplen > MAX_CAPLEN:
            break
        add(at)
        at = following
        if len(starts) == FRAMES:
            break
    return starts, at
