"""Frames of link types that have no columns -> the IP packets in them, one by one, by scapy's dissectors.

Slow (a few thousand frames a second), so with a budget per file; what goes beyond it stays unread.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from pcapdiag.capture.cursor import DEAD, LINK_TYPE, Cursor
from pcapdiag.capture.link import LINKS
from pcapdiag.capture.table import I64, distinct

BUDGET = 20_000


@cache
def _scapy() -> tuple[Any, tuple[Any, Any]]:
    """scapy's link types and its two IP layers. Imported late: it takes nearly a second."""
    import scapy.layers.all  # noqa: F401, PLC0415  (registers the dissectors)
    from scapy.config import conf  # noqa: PLC0415
    from scapy.layers.inet import IP  # noqa: PLC0415
    from scapy.layers.inet6 import IPv6  # noqa: PLC0415

    return conf.l2types.num2layer, (IP, IPv6)


def knows(link: int) -> bool:
    """True for a link type that scapy dissects and our columns do not."""
    return link not in LINKS and link in _scapy()[0]


class SlowPath:
    """One file's share of it."""

    def __init__(self) -> None:
        self.read = 0

    def packets(self, cursor: Cursor) -> list[tuple[int, bytes]]:
        """(row, IP packet) of the frames whose link type only scapy knows."""
        found: list[tuple[int, bytes]] = []
        rest = np.flatnonzero(cursor.kind >= LINK_TYPE)
        for kind in distinct(cursor.kind[rest]):
            if not knows(kind - LINK_TYPE):
                continue
            rows: I64 = rest[cursor.kind[rest] == kind]
            mine = rows[: BUDGET - self.read]
            self.read += len(mine)
            cursor.kind[mine] = DEAD
            layer = _scapy()[0][kind - LINK_TYPE]
            for row in mine.tolist():
                packet = _ip_packet(layer, bytes(cursor.buffer.data[cursor.at[row] : cursor.captured_end[row]]))
                if packet is not None:
                    found.append((row, packet))
        return found


def _ip_packet(layer: Any, frame: bytes) -> bytes | None:
    """The outermost IP packet of a frame. A dissector that fails on a hostile frame has found none."""
    try:
        inner = layer(frame)
        while inner and not isinstance(inner, _scapy()[1]):
            inner = inner.payload
        return bytes(inner.original) if inner else None
    except Exception:
        return None
