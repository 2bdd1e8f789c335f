"""Rows of a batch in connection order: as columns to compute with, and packed into octets to keep.

Copying an array of records takes a hundred times longer than copying its octets, so what is kept of a segment are octets.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

import numpy as np
import numpy.typing as npt

from pcapdiag.capture.table import PacketTable
from pcapdiag.tcp.grouping import Grouped
from pcapdiag.tcp.pick import pick

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_ROW = np.dtype(
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
"""What is kept of a segment in a run; ``lower``: the lower end of the key sent it."""
_FIELDS = Struct("<qqIIiiqqiHHHBBb??")
ROW_SIZE = _FIELDS.size
_NUMBERS = Struct("<II")
_NUMBERS_AT = 16
"""Where ``seq`` and ``ack`` stand in a row."""


def unpack(rows: bytes) -> Iterator[tuple[int, ...]]:
    """Rows that were kept as octets, each in the order of `_FIELDS`."""
    return _FIELDS.iter_unpack(rows)


def find_numbers(rows: bytes, seq: int, ack: int) -> Iterator[tuple[int, ...]]:
    """The rows with these sequence and acknowledgement numbers, latest first."""
    numbers = _NUMBERS.pack(seq, ack)
    end = len(rows)
    while (at := rows.rfind(numbers, 0, end)) >= 0:
        if at % ROW_SIZE == _NUMBERS_AT:
            yield _FIELDS.unpack_from(rows, at - _NUMBERS_AT)
        end = at + len(numbers) - 1


class Columns:
    """Columns of a `PacketTable`, in connection order."""

    __slots__ = (
        "ack",
        "capture",
        "flags",
        "forward",
        "frame",
        "ip_id",
        "length",
        "order",
        "plain",
        "seq",
        "table",
        "time_ns",
        "tsval",
        "ttl",
        "window",
    )

    def __init__(self, table: PacketTable, grouped: Grouped) -> None:
        order = grouped.order
        self.table = table
        self.order = order
        self.forward = grouped.forward
        """The lower end of the key sent it."""
        self.seq, self.ack = pick(table.seq, order), pick(table.ack, order)
        self.length, self.flags = pick(table.seg_len, order), pick(table.flags, order)
        self.window, self.ttl = pick(table.window, order), pick(table.ttl, order)
        self.tsval, self.ip_id = pick(table.tsval, order), pick(table.ip_id, order)
        self.time_ns, self.capture = pick(table.time_ns, order), pick(table.capture, order)
        self.frame = pick(table.frame_number, order)
        whole = (table.payload_len == table.seg_len) & (table.window > 0)
        header = np.where(table.tsval < 0, np.int64(20), np.int64(32))
        self.plain: Bools = pick(whole & (table.payload_at - table.tcp_at == header), order)
        """Captured in full, its window open, and without options but timestamps: they might be SACK blocks."""

    def __len__(self) -> int:
        return len(self.order)

    def packed(self) -> memoryview:
        """All rows as octets to copy what is kept from, each of `ROW_SIZE`."""
        table, order = self.table, self.order
        rows = np.empty(len(order), _ROW)
        rows["time_ns"], rows["frame_number"], rows["capture"] = self.time_ns, self.frame, self.capture
        rows["seq"], rows["ack"], rows["seg_len"] = self.seq, self.ack, self.length
        rows["ip_len"] = pick(table.payload_at - table.ip_at + table.seg_len, order)
        rows["tsval"], rows["tsecr"] = self.tsval, pick(table.tsecr, order)
        rows["ip_id"], rows["interface"], rows["window"] = self.ip_id, pick(table.interface, order), self.window
        rows["flags"], rows["ttl"], rows["outgoing"] = self.flags, self.ttl, pick(table.outgoing, order)
        rows["dont_fragment"], rows["lower"] = pick(table.dont_fragment, order), self.forward
        return rows.view(np.uint8).data
