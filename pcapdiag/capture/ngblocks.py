"""The blocks of a pcapng section: interfaces, their statistics, and packet blocks as columns.

Names and numbers are those of draft-ietf-opsawg-pcapng ("the draft").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field as default
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from pcapdiag.capture.frames import MAX_CAPLEN
from pcapdiag.capture.table import BOOL, I8, I64, U8
from pcapdiag.capture.walk import field

PACKET, SIMPLE, ENHANCED = 2, 3, 6

END, COMMENT = 0, 1
IF_TSRESOL, IF_TSOFFSET = 9, 14
ISB_ENDTIME, ISB_IFDROP, ISB_OSDROP = 3, 5, 7
EPB_FLAGS = 2
MAX_OPTIONS = 1000
SECOND_NS = 1_000_000_000


@dataclass(slots=True)
class Interface:
    link: int
    snaplen: int
    """0: no limit."""
    ticks: int = 1_000_000
    """Per second (if_tsresol; "if this option is not present, a resolution of 10^-6 is assumed")."""
    offset_s: int = 0
    dropped: int | None = None
    end_ns: int | None = None
    """When its capture ended (isb_endtime)."""

    @classmethod
    def parse(cls, body: bytes, order: str) -> Interface:
        endian = byteorder(order)
        interface = cls(int.from_bytes(body[:2], endian), int.from_bytes(body[4:8], endian))
        for code, value in options(body[8:], order):
            if code == IF_TSRESOL and len(value) == 1:
                exponent = value[0] & 0x7F
                # No clock ticks faster than 10^-18 s or 2^-63 s; the 64 bits of a timestamp could not hold a second of it.
                interface.ticks = 2 ** min(exponent, 63) if value[0] & 0x80 else 10 ** min(exponent, 18)
            elif code == IF_TSOFFSET and len(value) == 8:
                interface.offset_s = int.from_bytes(value, endian, signed=True)
        return interface

    def nanoseconds(self, ticks: npt.NDArray[np.uint64]) -> I64:
        per = np.uint64(self.ticks)
        seconds, fraction = ticks // per, ticks % per
        if SECOND_NS % self.ticks == 0:
            part = fraction * np.uint64(SECOND_NS // self.ticks)
        elif self.ticks % SECOND_NS == 0:
            part = fraction // np.uint64(self.ticks // SECOND_NS)
        elif self.ticks < 1 << 34:  # the product stays below 2^64
            part = fraction * np.uint64(SECOND_NS) // per
        else:
            part = (fraction.astype(np.float64) / self.ticks * SECOND_NS).astype(np.uint64)
        # Beyond the year 2262 there are no nanoseconds in 64 bits: such times are damage, and must not wrap.
        whole = np.minimum(seconds, np.uint64(9_000_000_000)).astype(np.int64) + min(
            max(self.offset_s, -(10**9)), 10**8
        )
        times: I64 = whole * SECOND_NS + part.astype(np.int64)
        return times


@dataclass(slots=True)
class Section:
    """What holds until the next section header."""

    order: str
    interfaces: list[Interface] = default(default_factory=list)


def byteorder(order: str) -> Literal["little", "big"]:
    return "little" if order == "<" else "big"


def options(octets: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """(code, value) of each option of a block (the draft, section 3.5), as far as they are well formed."""
    endian = byteorder(order)
    at = 0
    for _ in range(MAX_OPTIONS):
        if at + 4 > len(octets):
            return
        code = int.from_bytes(octets[at : at + 2], endian)
        length = int.from_bytes(octets[at + 2 : at + 4], endian)
        if code == END or at + 4 + length > len(octets):
            return
        yield code, octets[at + 4 : at + 4 + length]
        at += 4 + (length + 3 & ~3)


def statistics(body: bytes, order: str, interfaces: list[Interface]) -> None:
    """Interface statistics (the draft, section 4.6): the counters run, so the last block of an interface holds."""
    endian = byteorder(order)
    number = int.from_bytes(body[:4], endian)
    if number >= len(interfaces):
        return
    interface = interfaces[number]
    told = [(code, value) for code, value in options(body[12:], order) if len(value) == 8]
    dropped = [
        int.from_bytes(value, endian)
        for code, value in told
        if code in (ISB_IFDROP, ISB_OSDROP) and value != b"\xff" * 8
    ]
    if dropped:
        interface.dropped = sum(dropped)
    for code, value in told:
        if code == ISB_ENDTIME:
            ticks = int.from_bytes(value[:4], endian) << 32 | int.from_bytes(value[4:], endian)
            interface.end_ns = int(interface.nanoseconds(np.array([ticks], np.uint64))[0])


class Packets(NamedTuple):
    """Packet blocks of one section as columns, in file order."""

    kind: I64
    at: I64
    caplen: I64
    wirelen: I64
    interface: I64
    ticks: npt.NDArray[np.uint64]
    """Since the epoch, in its interface's unit; 0 for simple packet blocks, which have no time."""
    options_at: I64
    """Where the block's options begin; they end four octets before the block does."""
    end: I64
    """Where the block ends, its padding included."""
    good: BOOL
    """False: the block contradicts itself."""


def packets(buffer: U8, starts: I64, section: Section) -> Packets:
    word = section.order + "u4"
    head = field(buffer, 28)[starts].view(word).reshape(len(starts), 7)
    kind, length = head[:, 0].astype(np.int64), head[:, 1].astype(np.int64)
    simple, obsolete = kind == SIMPLE, kind == PACKET
    short = field(buffer, 2)[starts + 8].view(section.order + "u2").astype(np.int64)
    interface = np.where(simple, 0, np.where(obsolete, short, head[:, 2]))
    limits = np.array([i.snaplen or MAX_CAPLEN for i in section.interfaces] or [MAX_CAPLEN], np.int64)
    wirelen = np.where(simple, head[:, 2], head[:, 6]).astype(np.int64)
    caplen = np.where(simple, np.minimum(np.minimum(wirelen, limits[0]), length - 16), head[:, 5]).astype(np.int64)
    at = starts + np.where(simple, 12, 28)
    options_at = at + (caplen + 3 & ~3)
    end = starts + (length + 3 & ~3)
    trailer = field(buffer, 4)[end - 4].view(word).astype(np.int64)
    good = (trailer == length) & (caplen >= 0) & (caplen <= MAX_CAPLEN) & (options_at + 4 <= end)
    good &= (interface < len(section.interfaces)) & (length >= np.where(simple, 16, 32))
    ticks = head[:, 3].astype(np.uint64) << np.uint64(32) | head[:, 4].astype(np.uint64)
    ticks[simple] = 0
    return Packets(kind, at, caplen, wirelen, interface, ticks, options_at, end, good)


def directions(buffer: U8, options_at: I64, ends: I64, order: str) -> tuple[I8, list[tuple[int, bytes]]]:
    """Which packets the capturing host sent (epb_flags, the draft section 4.3.1), and the comments: (row, text)."""
    outgoing = np.full(len(options_at), -1, np.int8)
    comments: list[tuple[int, bytes]] = []
    having = np.flatnonzero(options_at + 8 <= ends)
    if not len(having):
        return outgoing, comments
    at = options_at[having]
    head = field(buffer, 8)[at].view(order + "u2").reshape(len(at), 4)
    plain = (head[:, 0] == EPB_FLAGS) & (head[:, 1] == 4)
    flags = head[:, 2 if order == "<" else 3]
    outgoing[having[plain]] = _outgoing(flags[plain].astype(np.int64))
    octets = buffer.data
    later = np.flatnonzero(~plain | (at + 12 < ends[having]))
    for row in having[later].tolist():
        for code, value in options(bytes(octets[options_at[row] : ends[row]]), order):
            if code == EPB_FLAGS and len(value) == 4:
                outgoing[row] = _outgoing(np.array([int.from_bytes(value, byteorder(order))]))[0]
            elif code == COMMENT:
                comments.append((row, value))
    return outgoing, comments


def _outgoing(flags: I64) -> I8:
    """Bits 0 and 1: 00 not available, 01 inbound, 10 outbound."""
    return np.select([flags & 3 == 1, flags & 3 == 2], [0, 1], -1).astype(np.int8)
