"""`FrameBlock` -> `PacketTable`: peel every frame down to TCP, keep what the mail ports need, and fill in the columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pcapdiag.capture import inet, link, tunnel
from pcapdiag.capture.cursor import ICMP, ICMPV6, TCP, Cursor
from pcapdiag.capture.frames import FrameBlock
from pcapdiag.capture.icmp import icmp_errors
from pcapdiag.capture.table import BOOL, I32, I64, MAPPED, U64, IcmpError, PacketTable

IDENT = 113
"""RFC 1413: the server's question about the client, which holds up greetings where it is dropped."""
DECODERS = link.DECODERS | inet.DECODERS | tunnel.DECODERS
TCP_HEADER = 20
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
        ("options", "u1", (12,)),
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

    def rows(self, srcport: npt.NDArray[np.uint16], dstport: npt.NDArray[np.uint16]) -> I64 | None:
        """Rows with such a port at either end; None when that is all of them."""
        if self.table is None:
            return None
        mask = self.table[srcport] | self.table[dstport]
        return None if mask.all() else np.flatnonzero(mask)

    def __contains__(self, port: int) -> bool:
        return self.table is None or bool(self.table[port])


@dataclass(slots=True)
class Clock:
    """The capture's clock over its batches."""

    until_ns: int = 0
    disorder: int = 0
    """Frames that stand more than `STEP_NS` before the frame in front of them."""
    first_disorder: int = 0


def decode(block: FrameBlock, capture: int, wanted: Wanted, clock: Clock) -> PacketTable:
    cursor = Cursor.over(block)
    cursor.run(DECODERS)
    return tabulate(block, cursor, None, capture, wanted, clock)


def tabulate(
    block: FrameBlock, cursor: Cursor, frames: I64 | None, capture: int, wanted: Wanted, clock: Clock
) -> PacketTable:
    """`frames` says which frame of the block each row of the cursor stems from; None: row for row."""
    kind, at = cursor.kind, cursor.at
    rows = np.flatnonzero((kind == TCP) & (at + TCP_HEADER <= cursor.captured_end))
    header = cursor.records(at[rows], _TCP.itemsize).view(_TCP)
    few = wanted.rows(header["srcport"], header["dstport"])
    if few is not None:
        rows, header = rows[few], header[few]
    size = (header["offset"] >> 4).astype(np.int64) * 4
    if (size < TCP_HEADER).any():
        good = np.flatnonzero(size >= TCP_HEADER)
        rows, header, size = rows[good], header[good], size[good]
    quoting = np.flatnonzero((kind == ICMP) | (kind == ICMPV6))
    errors = list(icmp_errors(block, cursor, quoting, frames, capture, wanted)) if len(quoting) else []
    return _table(block, cursor, rows, frames, header, size, errors, capture, clock)


def _table(
    block: FrameBlock,
    cursor: Cursor,
    rows: I64,
    frames: I64 | None,
    header: npt.NDArray[np.void],
    size: I64,
    errors: list[tuple[int, IcmpError]],
    capture: int,
    clock: Clock,
) -> PacketTable:
    order, errors_at = _in_time(block, rows if frames is None else frames[rows], [frame for frame, _ in errors], clock)
    if order is not None:
        rows, header, size = rows[order], header[order], size[order]
    frame = rows if frames is None else frames[rows]
    at = cursor.at[rows]
    payload_at = at + size
    seg_len = np.maximum(cursor.wire_end[rows] - payload_at, 0)
    payload_len = np.clip(cursor.captured_end[rows] - payload_at, 0, seg_len)
    ip_at = cursor.ip_at[rows]
    src, dst, ttl, ip_id, df = _addresses(cursor, ip_at)
    tsval, tsecr = _timestamps(cursor, header, at, size, cursor.captured_end[rows])
    return PacketTable(
        octets=memoryview(cursor.buffer),
        until_ns=clock.until_ns,
        capture=np.full(len(rows), capture, np.uint16),
        frame_number=block.frame_number[frame],
        time_ns=block.time_ns[frame],
        interface=block.interface[frame],
        outgoing=block.outgoing[frame],
        frame_len=np.minimum(block.wirelen[frame], 0x7FFFFFFF).astype(np.int32),
        src=src,
        dst=dst,
        ttl=ttl,
        ip_id=ip_id,
        dont_fragment=df,
        srcport=header["srcport"].astype(np.uint16),
        dstport=header["dstport"].astype(np.uint16),
        seq=header["seq"].astype(np.uint32),
        ack=header["ack"].astype(np.uint32),
        flags=header["flags"].copy(),
        window=header["window"].astype(np.uint16),
        seg_len=np.minimum(seg_len, 0x7FFFFFFF).astype(np.int32),
        payload_at=payload_at,
        payload_len=payload_len.astype(np.int32),
        ip_at=ip_at,
        tcp_at=at,
        tsval=tsval,
        tsecr=tsecr,
        icmp=tuple(
            error if error.row == row else _moved(error, row)
            for (_, error), row in sorted(zip(errors, errors_at, strict=True), key=lambda pair: pair[1])
        ),
    )


def _moved(error: IcmpError, row: int) -> IcmpError:
    from dataclasses import replace  # noqa: PLC0415

    return replace(error, row=row)


def _in_time(block: FrameBlock, frames: I64, others: Iterable[int], clock: Clock) -> tuple[I64 | None, list[int]]:
    """The order in which the rows stand in the table (None: as they are), and before which row each other frame stands.

    Also moves the clock, by all frames of the block.
    """
    beside = np.array(list(others), np.int64)
    if len(block):
        clock.until_ns = max(clock.until_ns, int(block.time_ns.max()))
    steps = np.diff(block.time_ns)
    if not (steps < 0).any():
        return None, np.searchsorted(frames, beside).tolist()
    back = np.flatnonzero(steps < -STEP_NS)
    if len(back):
        clock.first_disorder = clock.first_disorder or int(block.frame_number[back[0] + 1])
        clock.disorder += len(back)
    run = np.zeros(len(block), np.int64)
    run[back + 1] = 1
    run = np.cumsum(run)
    key = np.empty(len(block), np.int64)
    key[np.lexsort((block.time_ns, run))] = np.arange(len(block))
    order = np.argsort(key[frames], kind="stable")
    return order, np.searchsorted(key[frames][order], key[beside]).tolist()


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
    cursor: Cursor, header: npt.NDArray[np.void], at: I64, size: I64, captured_end: I64
) -> tuple[I64, I64]:
    """TSval and TSecr: the layout NOP NOP TS (RFC 7323 appendix A) at once, any other by hand."""
    tsval, tsecr = np.full(len(at), -1, np.int64), np.full(len(at), -1, np.int64)
    options = header["options"]
    captured = np.minimum(at + size, captured_end)
    lead = np.ascontiguousarray(options[:, :4]).view(">u4")[:, 0]
    usual = (lead == 0x0101080A) & (at + TCP_HEADER + 12 <= captured)
    clocks = np.ascontiguousarray(options[:, 4:]).view(">u4")
    tsval[usual], tsecr[usual] = clocks[usual, 0], clocks[usual, 1]
    octets = memoryview(cursor.buffer)
    odd = np.flatnonzero(~usual & (captured >= at + TCP_HEADER + 10))
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
