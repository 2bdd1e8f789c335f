"""`Packet`: one row of a `PacketTable` as plain numbers, for the connections that are walked segment by segment."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain, islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pcapdiag.capture.table import PacketTable
from pcapdiag.making import maker

Rows = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
BLOCK = 4096


class Packet(NamedTuple):
    """Columns of the same names; see `PacketTable`."""

    time_ns: int
    capture: int
    frame: int
    interface: int
    outgoing: int
    frame_len: int
    ttl: int
    ip_id: int
    dont_fragment: bool
    seq: int
    ack: int
    flags: int
    window: int
    length: int
    payload_at: int
    payload_len: int
    ip_at: int
    tcp_at: int
    tsval: int
    tsecr: int


_packet = maker(Packet)

_COLUMNS = (
    "time_ns",
    "capture",
    "frame_number",
    "interface",
    "outgoing",
    "frame_len",
    "ttl",
    "ip_id",
    "dont_fragment",
    "seq",
    "ack",
    "flags",
    "window",
    "seg_len",
    "payload_at",
    "payload_len",
    "ip_at",
    "tcp_at",
    "tsval",
    "tsecr",
)


class Walked:
    """The rows of a batch that are in no run, as packets, in grouped order.

    Columns become Python numbers a block of rows at a time: one by one is slow, all at once needs much memory.
    """

    def __init__(self, table: PacketTable, order: Rows, forward: Bools, left: Bools) -> None:
        # Neither knows this object: a circle would keep the octets of the batch until the garbage collector comes.
        self._packets = partial(_packets, table, order, forward)
        self._rest = chain.from_iterable(map(self._packets, _blocks(np.flatnonzero(left))))

    def take(self, count: int) -> Iterator[tuple[Packet, bool]]:
        """The next rows, each with whether the lower end sent it. They must be used up."""
        return islice(self._rest, count)

    def aside(self, begin: int, end: int) -> Iterator[tuple[Packet, bool]]:
        """Rows of a run that is walked after all."""
        return self._packets(np.arange(begin, end))


def _blocks(positions: Rows) -> Iterator[Rows]:
    return (positions[at : at + BLOCK] for at in range(0, len(positions), BLOCK))


def _packets(table: PacketTable, order: Rows, forward: Bools, positions: Rows) -> Iterator[tuple[Packet, bool]]:
    rows = order[positions]
    columns = (getattr(table, name)[rows].tolist() for name in _COLUMNS)
    return zip(map(_packet, zip(*columns, strict=True)), forward[positions].tolist(), strict=True)
