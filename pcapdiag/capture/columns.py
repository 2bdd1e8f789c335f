"""`FrameBlock` -> `PacketTable`: peel every frame down to TCP, keep what the mail ports need, and fill in the columns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from operator import itemgetter

import numpy as np
import numpy.typing as npt

from pcapdiag.capture import inet, link, tunnel
from pcapdiag.capture.cursor import ICMP, ICMPV6, LINK_TYPE, TCP, Cursor
from pcapdiag.capture.fragments import Fragments, read_cut
from pcapdiag.capture.frames import FrameBlock
from pcapdiag.capture.icmp import icmp_errors
from pcapdiag.capture.slow import SlowPath
from pcapdiag.capture.table import BOOL, I32, I64, MAPPED, U64, IcmpError, PacketTable, distinct

IDENT = 113
"""RFC 1413: the server's question about the client, which holds up greetings where it is dropped."""
DECODERS = link.DECODERS | inet.DECODERS | tunnel.DECODERS
TCP_HEADER = 20
LARGEST = 0x7FFFFFFF
"""What a column of 32 bits holds; a hostile frame may claim more."""
UNSTEADY = 4
"""When one step of the time in so many (and at least so many of them) goes back, and the frames share few times, the times
do not tell the order at all: traces put together by scripts have one constant time for each direction. A clock that runs gives
nearly every frame a time of its own, however much disorder several queues or interfaces bring."""
NESTED = 4
"""Fragmented packets inside fragmented packets, at most."""
STEP_NS = 1_000_000_000
"""A step back in time of less is disorder of the capture (several queues or cores); a larger one is a set clock."""

_TCP = np.dtype(
    [
        ("srcport", ">u2"),
        ("dstport", ">u2"),
        ("seq", ">u4"),
        ("ack", ">u4"),
        ("offset", "u1"),
        ("flags", "u1"),
        ("window", ">u2"),
        ("checksum", ">u4"),
        ("options", "u1", (16,)),
    ]
)
_V4 = np.dtype(
    [("_", "V4"), ("id", ">u2"), ("fragment", ">u2"), ("ttl", "u1"), ("_2", "V3"), ("src", ">u4"), ("dst", ">u4")]
)
_V6 = np.dtype([("_", "V7"), ("ttl", "u1"), ("src", ">u8", (2,)), ("dst", ">u8", (2,))])


class Wanted:
    """Which ports are worth looking at; None means all."""

    def __init__(self, ports: frozenset[int] | None) -> None:
        self.ports = ports
        self.table: BOOL | None = None
        if ports is not None:
            self.table = np.zeros(65536, np.bool_)
            self.table[[*(port for port in ports if 0 <= port < 65536), IDENT]] = True

    def __contains__(self, port: object) -> bool:
        return self.table is None or (isinstance(port, int) and bool(self.table[port]))


@dataclass(frozen=True, slots=True)
class _Segments:
    """The TCP segments of a block that are wanted: rows of the cursor, their headers, and the header sizes."""

    rows: I64
    header: npt.NDArray[np.void]
    size: I64

    def __getitem__(self, index: I64) -> _Segments:
        return _Segments(self.rows[index], self.header[index], self.size[index])


@dataclass(slots=True)
class Unread:
    """Frames that were not read, and the number of the first."""

    frames: int
    first: int


class Columns:
    """The decoder of one file: what it remembers from block to block is the clock and the unfinished fragments."""

    def __init__(self) -> None:
        self._capture = 0
        self._wanted = Wanted(None)
        self._until_ns = 0
        self.fragments = Fragments()
        self.slow = SlowPath()
        self.disorder = 0
        """Frames that stand more than `STEP_NS` before the frame in front of them..."""
        self.first_disorder = 0
        """...and the number of the first one."""
        self.unsteady = False
        """The file's times do not tell the order of its frames: each was moved up to the latest before it."""
        self.headless = 0
        """TCP segments that the snap length cut before the end of the fixed header."""

        self.unknown: dict[int, Unread] = {}
        """By link type: frames that nothing here can read."""

    def begin(self, capture: int, wanted: Wanted, until_ns: int) -> None:
        self._capture, self._wanted, self._until_ns = capture, wanted, until_ns

    def table(self, block: FrameBlock) -> PacketTable:
        block = self._steady(block)
        cursor = self._peel(block)
        segments = self._segments(cursor)
        quoting = np.flatnonzero((cursor.kind == ICMP) | (cursor.kind == ICMPV6))
        errors = icmp_errors(block, cursor, quoting, self._capture, self._wanted) if len(quoting) else []
        beside = np.array([frame for frame, _ in errors], np.int64)
        order, before = self._in_time(block, cursor.frame[segments.rows], beside)
        if order is not None:
            segments = segments[order]
        icmp = sorted(zip(before.tolist(), (error for _, error in errors), strict=True), key=itemgetter(0))
        return self._table(block, cursor, segments, tuple(error._replace(row=row) for row, error in icmp))

    def _peel(self, block: FrameBlock) -> Cursor:
        cursor = Cursor.over(block)
        rows: I64 = np.arange(len(block), dtype=np.int64)
        cursor.run(DECODERS, rows)
        more = self.slow.packets(cursor)
        self._count_unknown(block, cursor)
        for _ in range(NESTED):
            cut = read_cut(cursor, rows)
            if len(cut):
                cursor.run(DECODERS, cut)
            more += self.fragments.add(cursor, rows, block.time_ns[cursor.frame[rows]])
            if not more:
                break
            cursor, rows = cursor.extended(more)
            cursor.run(DECODERS, rows)
            more = []
        return cursor

    def _count_unknown(self, block: FrameBlock, cursor: Cursor) -> None:
        rows = np.flatnonzero(cursor.kind >= LINK_TYPE)
        if not len(rows):
            return
        for number in distinct(block.link[rows]):
            mine = rows[block.link[rows] == number]
            unread = self.unknown.setdefault(number, Unread(0, int(block.frame_number[mine[0]])))
            unread.frames += len(mine)

    def _segments(self, cursor: Cursor) -> _Segments:
        tcp = np.flatnonzero(cursor.kind == TCP)
        whole = cursor.at[tcp] + TCP_HEADER <= cursor.captured_end[tcp]
        if not whole.all():
            self.headless += int(np.count_nonzero(~whole))
            tcp = tcp[whole]
        header = cursor.records(cursor.at[tcp], _TCP.itemsize).view(_TCP)
        segments = _Segments(tcp, header, (header["offset"] >> 4).astype(np.int64) * 4)
        good = segments.size >= TCP_HEADER
        if self._wanted.table is not None:
            good &= self._wanted.table[header["srcport"]] | self._wanted.table[header["dstport"]]
        return segments if good.all() else segments[np.flatnonzero(good)]

    def _steady(self, block: FrameBlock) -> FrameBlock:
        """The block with times that never go back, where those of the file are no witness of the order."""
        self.unsteady = self.unsteady or _unsteady(block.time_ns)
        if not self.unsteady:
            return block
        return replace(block, time_ns=np.maximum.accumulate(np.maximum(block.time_ns, self._until_ns)))

    def _in_time(self, block: FrameBlock, frames: I64, beside: I64) -> tuple[I64 | None, I64]:
        """The order in which rows of these frames stand in the table (None: as they are), and before which row each frame
        of `beside` stands. Moves the clock, by all frames of the block.
        """
        self._until_ns = max(self._until_ns, int(block.time_ns.max()))
        key = _order_in_time(block.time_ns)
        if key is not None:
            back = np.flatnonzero(np.diff(block.time_ns) < -STEP_NS)
            if len(back):
                self.first_disorder = self.first_disorder or int(block.frame_number[back[0] + 1])
                self.disorder += len(back)
            frames, beside = key[frames], key[beside]
        if (np.diff(frames) >= 0).all():
            return None, np.searchsorted(frames, beside)
        order = np.argsort(frames, kind="stable")
        return order, np.searchsorted(frames[order], beside)

    def _table(
        self, block: FrameBlock, cursor: Cursor, segments: _Segments, icmp: tuple[IcmpError, ...]
    ) -> PacketTable:
        rows, header = segments.rows, segments.header
        frame, at, ip_at = cursor.frame[rows], cursor.at[rows], cursor.ip_at[rows]
        captured_end = cursor.captured_end[rows]
        payload_at = at + segments.size
        seg_len = np.clip(cursor.wire_end[rows] - payload_at, 0, LARGEST)
        src, dst, ttl, ip_id, dont_fragment = _addresses(cursor, ip_at)
        tsval, tsecr = _timestamps(cursor, header, at, payload_at, captured_end)
        return PacketTable(
            octets=cursor.buffer.data,
            until_ns=self._until_ns,
            capture=np.full(len(rows), self._capture, np.uint16),
            frame_number=block.frame_number[frame],
            time_ns=block.time_ns[frame],
            interface=block.interface[frame],
            outgoing=block.outgoing[frame],
            frame_len=np.minimum(block.wirelen[frame], LARGEST).astype(np.int32),
            src=src,
            dst=dst,
            ttl=ttl,
            ip_id=ip_id,
            dont_fragment=dont_fragment,
            srcport=header["srcport"].astype(np.uint16),
            dstport=header["dstport"].astype(np.uint16),
            seq=header["seq"].astype(np.uint32),
            ack=header["ack"].astype(np.uint32),
            flags=header["flags"].copy(),
            window=header["window"].astype(np.uint16),
            seg_len=seg_len.astype(np.int32),
            payload_at=payload_at,
            payload_len=np.clip(captured_end - payload_at, 0, seg_len).astype(np.int32),
            ip_at=ip_at,
            tcp_at=at,
            tsval=tsval,
            tsecr=tsecr,
            icmp=icmp,
        )


def _unsteady(times_ns: I64) -> bool:
    """The time goes back so often that the order in the file is the better witness."""
    back = int(np.count_nonzero(np.diff(times_ns) < 0))
    often = back >= UNSTEADY and back * UNSTEADY >= len(times_ns)
    return often and len(np.unique(times_ns)) * 2 <= len(times_ns)


def _order_in_time(times_ns: I64) -> I64 | None:
    """Each frame's place when frames out of order by less than `STEP_NS` are put in order; None: nothing to do."""
    steps = np.diff(times_ns)
    if (steps >= 0).all():
        return None
    run = np.zeros(len(times_ns), np.int64)
    np.cumsum(steps < -STEP_NS, out=run[1:])
    places = np.empty(len(times_ns), np.int64)
    places[np.lexsort((times_ns, run))] = np.arange(len(times_ns))
    return places


def _addresses(cursor: Cursor, ip_at: I64) -> tuple[U64, U64, npt.NDArray[np.uint8], I32, BOOL]:
    count = len(ip_at)
    src, dst = np.zeros((count, 2), np.uint64), np.zeros((count, 2), np.uint64)
    ttl, ip_id, df = np.zeros(count, np.uint8), np.full(count, -1, np.int32), np.ones(count, np.bool_)
    six = cursor.octets(ip_at, 1)[:, 0] >> 4 == 6
    rows = np.flatnonzero(~six)
    v4 = cursor.records(ip_at[rows], _V4.itemsize).view(_V4)
    src[rows, 1] = v4["src"].astype(np.uint64) | np.uint64(MAPPED)
    dst[rows, 1] = v4["dst"].astype(np.uint64) | np.uint64(MAPPED)
    ttl[rows], ip_id[rows], df[rows] = v4["ttl"], v4["id"], v4["fragment"] & 0x4000 != 0
    rows = np.flatnonzero(six)
    if len(rows):
        v6 = cursor.records(ip_at[rows], _V6.itemsize).view(_V6)
        src[rows], dst[rows], ttl[rows] = v6["src"], v6["dst"], v6["ttl"]
    return src, dst, ttl, ip_id, df


def _timestamps(
    cursor: Cursor, header: npt.NDArray[np.void], at: I64, payload_at: I64, captured_end: I64
) -> tuple[I64, I64]:
    """TSval and TSecr: the usual layouts at once, any other by hand."""
    captured = np.minimum(payload_at, captured_end)
    words = np.ascontiguousarray(header["options"]).view(">u4").astype(np.uint32)
    # NOP NOP TS (RFC 7323 appendix A); MSS, SACK permitted and TS, as in the SYN of many systems.
    usual = (words[:, 0] == 0x0101080A) & (at + TCP_HEADER + 12 <= captured)
    opening = (words[:, 1] == 0x0402080A) & (words[:, 0] >> 16 == 0x0204) & (at + TCP_HEADER + 16 <= captured)
    tsval, tsecr = (
        np.where(usual, words[:, place], np.where(opening, words[:, place + 1], np.int64(-1))) for place in (1, 2)
    )
    octets = cursor.buffer.data
    odd = np.flatnonzero(~(usual | opening) & (captured >= at + TCP_HEADER + 10))
    starts, ends = (at[odd] + TCP_HEADER).tolist(), captured[odd].tolist()
    for row, start, end in zip(odd.tolist(), starts, ends, strict=True):
        tsval[row], tsecr[row] = _timestamp(bytes(octets[start:end]))
    return tsval, tsecr


def _timestamp(options: bytes) -> tuple[int, int]:
    at = 0
    while at < len(options):
        kind = options[at]
        if kind == 0:
            break
        if kind == 1:
            at += 1
            continue
        length = options[at + 1] if at + 1 < len(options) else 0
        if kind == 8 and length == 10 and at + 10 <= len(options):
            return int.from_bytes(options[at + 2 : at + 6]), int.from_bytes(options[at + 6 : at + 10])
        if length < 2:
            break
        at += length
    return -1, -1
