"""Batches of several files -> batches in time order, as if one observer had seen all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

import numpy as np

from pcapdiag.capture.table import I64, IcmpError, PacketTable

Start = Callable[[], Iterator[PacketTable]]
PLACES = ("payload_at", "ip_at", "tcp_at")
HEADERS = 128
"""Octets behind a TCP header's beginning that belong to the row even where the payload begins later than captured."""
_COLUMNS = [f.name for f in fields(PacketTable) if f.name not in ("octets", "until_ns", "icmp")]


@dataclass(slots=True)
class _Stream:
    """One file's batches, as far as they were not passed on."""

    batches: Iterator[PacketTable]
    table: PacketTable | None = None
    row: int = 0
    icmp: int = 0

    def advance(self) -> bool:
        """The next batch; False at the end."""
        self.table = None
        self.table = next(self.batches, None)
        self.row = self.icmp = 0
        return self.table is not None

    def take(self, horizon_ns: int) -> PacketTable | None:
        """The rows up to that time, with an octets block of their own."""
        table = self.table
        if table is None:
            return None
        times = np.maximum.accumulate(table.time_ns)
        end = int(np.searchsorted(times, horizon_ns, side="right"))
        errors = self.icmp
        while errors < len(table.icmp) and table.icmp[errors].time_ns <= horizon_ns:
            errors += 1
        part = _part(table, slice(self.row, end), table.icmp[self.icmp : errors])
        self.row, self.icmp = end, errors
        return part if len(part) or part.icmp else None


def merged(waiting: list[tuple[int, Start]]) -> Iterator[PacketTable]:
    """Each file's first time and its batches. A file is opened when its time has come."""
    waiting = sorted(waiting, key=lambda pair: pair[0], reverse=True)
    streams: list[_Stream] = []
    while streams or waiting:
        horizon = min((stream.table.until_ns for stream in streams if stream.table is not None), default=None)
        if waiting and (horizon is None or waiting[-1][0] <= horizon):
            stream = _Stream(waiting.pop()[1]())
            if stream.advance():
                streams.append(stream)
            continue
        if horizon is None:
            return
        parts = [part for stream in streams if (part := stream.take(horizon)) is not None]
        if parts:
            yield _joined(parts, horizon)
        del parts
        streams = [s for s in streams if s.table is None or s.table.until_ns > horizon or s.advance()]


def _part(table: PacketTable, rows: slice, icmp: tuple[IcmpError, ...]) -> PacketTable:
    columns = {name: getattr(table, name)[rows] for name in _COLUMNS}
    octets = memoryview(table.octets)
    low, high = 0, 0
    if len(columns["ip_at"]):
        ends = np.maximum(columns["payload_at"] + columns["payload_len"], columns["tcp_at"] + HEADERS)
        low, high = int(columns["ip_at"].min()), min(int(ends.max()), len(octets))
    for name in PLACES:
        columns[name] = columns[name] - low
    return PacketTable(octets=bytes(octets[low:high]), until_ns=table.until_ns, icmp=icmp, **columns)


def _joined(parts: list[PacketTable], until_ns: int) -> PacketTable:
    shifts = np.cumsum([0, *(len(part.octets) for part in parts)])
    for index, part in enumerate(parts):
        for name in PLACES:
            getattr(part, name)[...] += shifts[index]
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS}
    order: I64 = np.argsort(columns["time_ns"], kind="stable")
    columns = {name: column[order] for name, column in columns.items()}
    errors = sorted((error for part in parts for error in part.icmp), key=lambda error: error.time_ns)
    before = np.searchsorted(columns["time_ns"], [error.time_ns for error in errors])
    return PacketTable(
        octets=b"".join(part.octets for part in parts),
        until_ns=until_ns,
        icmp=tuple(error._replace(row=int(row)) for error, row in zip(errors, before, strict=True)),
        **columns,
    )
