"""Stretches of a batch in which a connection's segments are ordinary on both sides, summed up with array operations.

A run is what `ordinary` found in one piece; what does not fit in is left for the walk segment by segment. That the first
rows of a run fit what came before the run is for the conversation to check: `RunSide` holds what it needs.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from pcapdiag.capture.table import ACK, PacketTable
from pcapdiag.making import maker
from pcapdiag.tcp.grouping import Grouped
from pcapdiag.tcp.ordinary import Ordinary, stretches
from pcapdiag.tcp.pick import pick
from pcapdiag.tcp.rows import Bools, Columns, Ints

MIN_ROWS = 5
"""Shorter runs are walked: the account of a run costs as much."""
_AHEAD = 1 << 31

Numbers: TypeAlias = "array[int]"


class RunSide(NamedTuple):
    """One side of a run. Where `packets` is 0 the rest means nothing. Times and frames: -1 where there is no such segment."""

    packets: int
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
    ttl: int
    zero_ids: int
    largest: int
    """Longest segment."""
    widest: int
    """Largest window field, that of a SYN left out."""
    acked: int
    """Longest segment that the other side acknowledged within the run."""
    waiting: int
    """Segments with payload that it did not acknowledge."""
    news_ns: int
    """Of its last segment with payload, SYN or FIN."""
    news_frame: int
    advance_ns: int
    """Of its last segment that acknowledged more than the one before it in the run."""
    advance_frame: int
    fin_row: int
    """Position of its FIN, -1 without one."""
    fin_ns: int
    fin_frame: int
    fin_seq: int
    fin_ack: int
    acks_fin_ns: int
    """Of its first segment that acknowledges the other side's FIN."""
    acks_fin_frame: int


class Run(NamedTuple):
    """Rows `begin` to `end` of the grouped order, all of one connection."""

    begin: int
    end: int
    opens: bool
    """It begins with SYN, SYN+ACK, ACK."""
    closes: bool
    """There is a FIN in it."""
    capture: int
    last_ns: int
    """Of its last row."""
    turn: int
    """Where the second side of the run begins; `end` when only one side speaks."""
    before_turn: int
    """Acknowledgement number of the row before `turn`."""
    chunk: int
    """First of its chunks in `Payload.chunks`."""
    chunk_end: int
    syn_at: int
    """Where the TCP header of its first row begins, the SYN of a run that opens a connection."""
    syn_end: int
    synack_at: int
    synack_end: int
    complete_ns: int
    """Time of its third row."""
    complete_frame: int
    lower: RunSide
    higher: RunSide


_run = maker(Run)
_run_side = maker(RunSide)


class Payload(NamedTuple):
    """The rows of runs that carry octets. (The cyclic garbage collector would look at every number of a list, again and
    again; into an `array` it does not look.)"""

    chunks: Numbers
    """Where each chunk begins: the octets that one side sends until the other side does; and the number of rows."""
    lower: bytes
    """By chunk: 1 where the lower end sends it."""
    starts: Numbers
    """Where each row's payload begins in the octets of the batch."""
    stops: Numbers
    lengths: Numbers
    times_ns: Numbers
    frames: Numbers


class Runs(NamedTuple):
    """All runs of a batch, in grouped order."""

    runs: list[Run]
    payload: Payload
    left: Bools
    """Rows of no run."""
    rows: memoryview
    """All rows in grouped order, packed; what is kept must be copied."""
    letters: bytes
    """The letter of each row in the history, upper case for the lower end."""
    columns: Columns


def find(table: PacketTable, grouped: Grouped, min_rows: int, calm_ns: int) -> Runs:
    """The ordinary runs of at least `min_rows` rows, in which no pause longer than `calm_ns` follows a FIN."""
    columns = Columns(table, grouped)
    ordinary = Ordinary(columns, grouped, calm_ns)
    begins, ends = stretches(ordinary, min_rows)
    in_run = np.zeros(len(columns) + 1, np.int8)
    in_run[begins] += 1
    in_run[ends] -= 1
    inside = np.cumsum(in_run[:-1], dtype=np.int8).astype(bool)
    payload, chunk, chunk_end = _payload(columns, inside, begins, ends)
    lower, higher = _sides(ordinary, inside, begins)
    turn = np.minimum(_turns(columns.forward)[begins], ends)
    fields = (
        begins,
        ends,
        ordinary.opens[begins],
        (ordinary.fin | ordinary.close)[ends - 1],
        columns.capture[begins],
        columns.time_ns[ends - 1],
        turn,
        columns.ack[turn - 1],
        chunk,
        chunk_end,
        *_opening(columns, begins),
    )
    runs = list(map(_run, zip(*(field.tolist() for field in fields), lower, higher, strict=True)))
    return Runs(runs, payload, ~inside, columns.packed(), _letters(ordinary), columns)


def _opening(columns: Columns, begins: Ints) -> Iterator[npt.NDArray[np.generic]]:
    """Where the headers of the first two rows stand, and time and frame of the third (as far as there are so many rows)."""
    table, beyond = columns.table, len(columns) - 1
    for row in columns.order[begins], columns.order[np.minimum(begins + 1, beyond)]:
        yield table.tcp_at[row]
        yield table.payload_at[row]
    third = np.minimum(begins + 2, beyond)
    yield columns.time_ns[third]
    yield columns.frame[third]


def _payload(columns: Columns, inside: Bools, begins: Ints, ends: Ints) -> tuple[Payload, Ints, Ints]:
    """The payload of all runs; for each run its first chunk, and the first that is not its own."""
    carrying = np.flatnonzero(inside & (columns.length > 0))
    chunks = _chunks(carrying, begins, columns.forward)
    at = pick(columns.table.payload_at, pick(columns.order, carrying))
    length = pick(columns.length, carrying)
    payload = Payload(
        chunks=_numbers(np.append(chunks, len(carrying))),
        lower=columns.forward[carrying[chunks]].tobytes(),
        starts=_numbers(at),
        stops=_numbers(at + length),
        lengths=_numbers(length),
        times_ns=_numbers(pick(columns.time_ns, carrying)),
        frames=_numbers(pick(columns.frame, carrying)),
    )
    starts = carrying[chunks]
    return payload, np.searchsorted(starts, begins), np.searchsorted(starts, ends)


def _numbers(column: npt.NDArray[np.integer]) -> Numbers:
    numbers = array("q")
    numbers.frombytes(column.astype(np.int64, copy=False).tobytes())
    return numbers


def _chunks(carrying: Ints, begins: Ints, forward: Bools) -> Ints:
    """Which of the rows that carry octets begin a chunk."""
    if not len(carrying):
        return carrying
    run = np.searchsorted(begins, carrying, side="right")
    mine = pick(forward, carrying)
    return np.flatnonzero(np.concatenate(([True], (run[1:] != run[:-1]) | (mine[1:] != mine[:-1]))))


def _turns(forward: Bools) -> Ints:
    """For each position the first one behind it where the other side speaks (in whatever connection)."""
    count = len(forward)
    changes = np.concatenate((forward[1:] != forward[:-1], [True])) if count else forward
    position = np.where(changes, np.arange(1, count + 1), count)
    return np.minimum.accumulate(position[::-1])[::-1] if count else position


def _letters(ordinary: Ordinary) -> bytes:
    columns = ordinary.columns
    letters = np.where(columns.length > 0, np.uint8(ord("D")), np.uint8(ord("A")))
    letters[ordinary.fin] = ord("F")
    syn = np.flatnonzero(ordinary.syn)
    letters[syn] = np.where(columns.flags[syn] & ACK, ord("H"), ord("S"))
    letters |= np.where(columns.forward, np.uint8(0), np.uint8(0x20))  # lower case
    return letters.tobytes()


class _Own:
    """The rows of one side in all runs, run by run, and sums over them."""

    def __init__(self, columns: Columns, mine: Bools, begins: Ints) -> None:
        self.rows = np.append(np.flatnonzero(mine), 0)  # the last one is padding: there may be no row behind a start
        self.starts = np.searchsorted(self.rows[:-1], begins)
        self.counts = np.diff(self.starts, append=len(self.rows) - 1)
        self.first = self.rows[self.starts]
        self.last = self.rows[np.maximum(self.starts + self.counts - 1, 0)]

    def total(self, chosen: Bools) -> Ints:
        """How many chosen rows."""
        counted: Ints = np.add.reduceat(self._padded(chosen, False), self.starts, dtype=np.int64)
        return counted

    def most(self, column: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """The largest value."""
        largest: npt.NDArray[np.generic] = np.maximum.reduceat(self._padded(column, 0), self.starts)
        return largest

    def latest(self, chosen: Bools) -> Ints:
        """The last chosen row, -1 where there is none."""
        latest: Ints = np.maximum.reduceat(np.where(self._padded(chosen, False), self.rows, -1), self.starts)
        return latest

    def earliest(self, chosen: Bools, beyond: int) -> Ints:
        """The first chosen row, -1 where there is none."""
        earliest = np.minimum.reduceat(np.where(self._padded(chosen, False), self.rows, beyond), self.starts)
        return np.where(earliest == beyond, -1, earliest)

    def _padded(self, column: npt.NDArray[np.generic], filling: int) -> npt.NDArray[np.generic]:
        values = pick(column, self.rows)
        values[-1] = filling
        return values


def _sides(ordinary: Ordinary, inside: Bools, begins: Ints) -> tuple[list[RunSide], list[RunSide]]:
    """What either side sent in each run."""
    if not len(begins):
        return [], []
    forward = ordinary.columns.forward
    lower, higher = _Own(ordinary.columns, inside & forward, begins), _Own(ordinary.columns, inside & ~forward, begins)
    return _side(ordinary, lower, higher), _side(ordinary, higher, lower)


def _side(ordinary: Ordinary, own: _Own, other: _Own) -> list[RunSide]:
    columns, count = ordinary.columns, len(ordinary.columns)
    time_ns, frame, length = columns.time_ns, columns.frame, columns.length
    first, last = own.first, own.last
    carries = length > 0
    news = own.latest(carries | ordinary.syn | ordinary.fin)
    advance = own.latest(ordinary.advances & ~ordinary.opens)
    advance[advance == first] = -1
    fin, acks_fin = own.latest(ordinary.fin), own.earliest(ordinary.acks_fin, count)
    final = np.repeat(columns.ack[other.last], own.counts)
    rows = own.rows[:-1]
    acked = np.zeros(count, np.bool_)
    acked[rows] = ((final - pick(ordinary.end, rows)) < _AHEAD) & np.repeat(other.counts > 0, own.counts)
    fields = (
        own.counts,
        first,
        *(
            column[first]
            for column in (time_ns, frame, columns.seq, columns.ack, length, columns.window, columns.tsval)
        ),
        *(column[last] for column in (time_ns, frame, columns.ack, columns.window, columns.tsval)),
        columns.ttl[first],
        own.total(columns.ip_id == 0),
        own.most(length),
        own.most(columns.window * ~ordinary.syn),
        own.most(length * acked),
        own.total(carries & ~acked),
        np.where(news < 0, -1, time_ns[news]),
        frame[news],
        np.where(advance < 0, -1, time_ns[advance]),
        frame[advance],
        fin,
        *(column[fin] for column in (time_ns, frame, columns.seq, columns.ack)),
        np.where(acks_fin < 0, -1, time_ns[acks_fin]),
        frame[acks_fin],
    )
    return list(map(_run_side, zip(*(field.tolist() for field in fields), strict=True)))
