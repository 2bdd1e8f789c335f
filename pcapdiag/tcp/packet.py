"""`Packet`: one row of a `PacketTable` as plain numbers, for the connections that are walked segment by segment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pcapdiag.capture.table import PacketTable

Rows = npt.NDArray[np.int64]


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

    @property
    def ip_len(self) -> int:
        """Octets of the IP packet on the wire."""
        return self.payload_at - self.ip_at + self.length


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


def packets(table: PacketTable, rows: Rows) -> Iterator[Packet]:
    """The rows of a table, in the given order; columns become Python numbers once, not row by row."""
    return map(Packet._make, zip(*(getattr(table, name)[rows].tolist() for name in _COLUMNS), strict=True))
