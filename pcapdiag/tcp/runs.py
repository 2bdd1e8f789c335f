"""Stretches of a batch in which a connection's segments arrive in order on both sides, found with array operations.

Most segments are like that: the next octets of their side, or an acknowledgement that moves on. `find` compares each row
with the row before it of the same side and of the other side, over the whole batch at once; what does not fit in is left
for the walk segment by segment. That the first rows of a run fit what came before the run is for the conversation to
check: `RunSide` holds what it needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pcapdiag.capture.table import ACK, PSH, PacketTable
from pcapdiag.tcp.grouping import Grouped

MIN_ROWS = 6
"""Shorter runs are walked: the account of a run costs as much."""

Packed = npt.NDArray[np.void]
"""Rows of type `ROW`."""
_Ints = npt.NDArray[np.int64]
_Bools = npt.NDArray[np.bool_]

ROW = np.dtype(
    [
        ("time_ns", "<i8"),
        ("frame_number", "<i8"),
        ("seq", "<u4"),
        ("ack", "<u4"),
        ("seg_len", "<i4"),
        ("ip_len", "<i4"),
        ("tsval", "<i8"),
        ("tsecr", "<i8"),
        ("ip_id", "<i4"),
        ("capture", "<u2"),
        ("interface", "<u2"),
        ("window", "<u2"),
        ("flags", "u1"),
        ("ttl", "u1"),
        ("outgoing", "i1"),
        ("dont_fragment", "?"),
        ("lower", "?"),
    ]
)
"""What is kept of a segment in a run, packed; ``lower``: the lower end of the key sent it."""


def unpack(rows: bytes) -> list[tuple[int, ...]]:
    """Rows that were kept as octets, in the order of `ROW`'s fields."""
    listed: list[tuple[int, ...]] = np.frombuffer(rows, ROW).tolist()
    return listed


class RunSide(NamedTuple):
    """One side of a run. Where `packets` is 0 the rest means nothing."""

    packets: int
    octets: int
    largest: int
    """Longest segment."""
    widest: int
    """Largest window field."""
    zero_ids: int
    ttl: int
    first_row: int
    """Position of its first segment."""
    first_ns: int
    first_frame: int
    first_seq: int
    first_ack: int
    first_length: int
    first_window: int
    first_tsval: int
    last_ns: int
    last_frame: int
    last_ack: int
    last_window: int
    last_tsval: int
    news_ns: int
    """Of its last segment with payload, -1 without one."""
    news_frame: int
    advance_ns: int
    """Of its last segment that acknowledged more than the one before it in the run, -1 without one."""
    advance_frame: int


class Run(NamedTuple):
    """Rows `begin` to `end` of the grouped order, all of one connection."""

    begin: int
    end: int
    turn: int
    """Where the second side of the run begins; `end` when only one side speaks."""
    before_turn: int
    """Acknowledgement number of the row before `turn`."""
    chunk: int
    """First of its chunks in `Payload.chunks`."""
    chunk_end: int
    sides: tuple[RunSide, RunSide]
    """Lower end's, higher end's."""


@dataclass(frozen=True, slots=True)
class Payload:
    """The rows of runs that carry octets, as columns."""

    chunks: list[int]
    """Where each chunk begins: the octets that one side sends until the other side does; and the number of rows."""
    lower: list[bool]
    """By chunk: the lower end sends it."""
    at: _Ints
    length: npt.NDArray[np.int32]
    time_ns: _Ints
    frame: _Ints


@dataclass(frozen=True, slots=True)
class Runs:
    """All runs of a batch, in grouped order."""

    runs: list[Run]
    payload: Payload
    left: _Bools
    """Rows of no run."""
    rows: Packed
    """Columns of `ROW` in grouped order."""


def find(table: PacketTable, grouped: Grouped, min_rows: int = MIN_ROWS) -> Runs:
    """The in-order runs of at least `min_rows` rows."""
    rows = _pack(table, grouped)
    near = _Neighbours(grouped)
    begins, ends = _stretches(_in_order(table, grouped, rows, near), near.group, min_rows)
    length = rows["seg_len"]
    in_run = np.zeros(len(rows) + 1, np.int8)
    in_run[begins] += 1
    in_run[ends] -= 1
    inside = np.cumsum(in_run[:-1], dtype=np.int8).astype(bool)
    carrying = np.flatnonzero(inside & (length > 0))
    chunks = _chunks(carrying, begins, grouped.forward)
    payload = Payload(
        chunks=[*chunks.tolist(), len(carrying)],
        lower=grouped.forward[carrying[chunks]].tolist(),
        at=table.payload_at[grouped.order[carrying]],
        length=length[carrying],
        time_ns=rows["time_ns"][carrying],
        frame=rows["frame_number"][carrying],
    )
    sides = zip(
        _side(rows, grouped.forward, near.last_lower, begins, ends),
        _side(rows, ~grouped.forward, near.last_higher, begins, ends),
        strict=True,
    )
    turn = np.minimum(_turns(grouped.forward)[begins], ends)
    columns = (
        begins,
        ends,
        turn,
        rows["ack"][turn - 1],
        np.searchsorted(carrying[chunks], begins),
        np.searchsorted(carrying[chunks], ends),
    )
    runs = list(map(Run._make, zip(*(column.tolist() for column in columns), sides, strict=True)))
    return Runs(runs, payload, ~inside, rows)


def _pack(table: PacketTable, grouped: Grouped) -> Packed:
    rows = np.empty(len(grouped.order), ROW)
    for name in ROW.names or ():
        if name == "lower":
            rows[name] = grouped.forward
        elif name == "ip_len":
            rows[name] = (table.payload_at - table.ip_at + table.seg_len)[grouped.order]
        else:
            rows[name] = getattr(table, name)[grouped.order]
    return rows


class _Neighbours:
    """For each position: the one before it of the same side, and of the other side; -1 where the group has none."""

    def __init__(self, grouped: Grouped) -> None:
        count = len(grouped.order)
        position = np.arange(count)
        self.group = np.repeat(np.arange(len(grouped.keys)), np.diff(grouped.starts))
        begin = grouped.starts[:-1][self.group]
        self.last_lower = np.maximum.accumulate(np.where(grouped.forward, position, -1)) if count else position
        self.last_higher = np.maximum.accumulate(np.where(grouped.forward, -1, position)) if count else position
        before_lower = np.concatenate(([-1], self.last_lower[:-1]))
        before_higher = np.concatenate(([-1], self.last_higher[:-1]))
        same = np.where(grouped.forward, before_lower, before_higher)
        other = np.where(grouped.forward, before_higher, before_lower)
        self.same = np.where(same >= begin, same, -1)
        self.other = np.where(other >= begin, other, -1)


def _in_order(table: PacketTable, grouped: Grouped, rows: Packed, near: _Neighbours) -> _Bools:
    """Rows that are what their side would send next."""
    order = grouped.order
    seq, ack, length, flags = rows["seq"], rows["ack"], rows["seg_len"], rows["flags"]
    tsval, window = rows["tsval"], rows["window"]
    header = (table.payload_at - table.tcp_at)[order]
    plain = (flags & ~np.uint8(PSH) == ACK) & (window > 0) & (table.payload_len[order] == length)
    plain &= header == np.where(tsval < 0, 20, 32)  # no other options: they might be SACK blocks
    begins_side = near.same < 0
    end = seq + length.astype(np.uint32) + ((flags & 3) > 0)  # RFC 9293 3.4: SYN and FIN take a sequence number each
    same = near.same
    advances = ack != ack[same]
    follows = (
        (seq == end[same])
        & ((ack - ack[same]) < 1 << 31)
        & ((length > 0) | advances | (window > window[same]))
        & (rows["ttl"] == rows["ttl"][same])
        & ((tsval < 0) == (tsval[same] < 0))
        & ((tsval < 0) | ((tsval - tsval[same]).astype(np.uint32) < 1 << 31))
        & (rows["capture"] == rows["capture"][same])
    )
    known = (near.other < 0) | ((end[near.other] - ack) < 1 << 31)
    good: _Bools = plain & (begins_side | follows) & known
    return good


def _stretches(good: _Bools, group: _Ints, min_rows: int) -> tuple[_Ints, _Ints]:
    """Begin and end of each maximal stretch of good rows within one group, short ones left out."""
    if not len(good):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    another = np.concatenate(([True], group[1:] != group[:-1]))
    begins = np.flatnonzero(good & (another | np.concatenate(([True], ~good[:-1]))))
    ends = np.flatnonzero(good & np.concatenate((another[1:] | ~good[1:], [True]))) + 1
    long = ends - begins >= min_rows
    return begins[long], ends[long]


def _chunks(carrying: _Ints, begins: _Ints, forward: _Bools) -> _Ints:
    """Which of the rows that carry octets begin a chunk."""
    if not len(carrying):
        return carrying
    run = np.searchsorted(begins, carrying, side="right")
    mine = forward[carrying]
    return np.flatnonzero(np.concatenate(([True], (run[1:] != run[:-1]) | (mine[1:] != mine[:-1]))))


def _turns(forward: _Bools) -> _Ints:
    """For each position the first one behind it where the other side speaks (in whatever connection)."""
    count = len(forward)
    changes = np.concatenate((forward[1:] != forward[:-1], [True])) if count else forward
    position = np.where(changes, np.arange(1, count + 1), count)
    return np.minimum.accumulate(position[::-1])[::-1] if count else position


def _side(rows: Packed, mine: _Bools, last_mine: _Ints, begins: _Ints, ends: _Ints) -> Iterator[RunSide]:
    """What one side sent in each run, from the columns of all rows."""
    if not len(begins):
        return iter(())
    count = len(rows)
    position = np.arange(count)
    same = np.concatenate(([0], last_mine[:-1]))
    length, ack = rows["seg_len"], rows["ack"]

    def total(column: npt.NDArray[np.generic]) -> _Ints:
        sums = np.concatenate(([0], np.cumsum(np.where(mine, column, 0), dtype=np.int64)))
        return sums[ends] - sums[begins]

    def most(column: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        padded = np.append(np.where(mine, column, 0), 0)
        return np.maximum.reduceat(padded, np.ravel(np.column_stack((begins, ends))))[::2]

    def latest(chosen: _Bools) -> _Ints:
        at = np.maximum.accumulate(np.where(chosen, position, -1))[ends - 1]
        return np.where(at >= begins, at, -1)

    following = np.minimum.accumulate(np.where(mine, position, count - 1)[::-1])[::-1]
    first, last = following[begins], last_mine[ends - 1]
    news, advance = latest(mine & (length > 0)), latest(mine & (ack != ack[same]))
    advance[advance == first] = -1
    columns = (
        total(np.ones(count, np.int8)),
        total(length),
        most(length),
        most(rows["window"]),
        total(rows["ip_id"] == 0),
        rows["ttl"][first],
        first,
        *(rows[name][first] for name in ("time_ns", "frame_number", "seq", "ack", "seg_len", "window", "tsval")),
        *(rows[name][last] for name in ("time_ns", "frame_number", "ack", "window", "tsval")),
        np.where(news < 0, -1, rows["time_ns"][news]),
        rows["frame_number"][news],
        np.where(advance < 0, -1, rows["time_ns"][advance]),
        rows["frame_number"][advance],
    )
    return map(RunSide._make, zip(*(column.tolist() for column in columns), strict=True))
