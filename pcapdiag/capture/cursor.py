"""`Cursor`: where the next header of every frame of a block begins, and what kind of header it is.

All frames advance together: a decoder of `link`, `tunnel` or `inet` is called with the rows whose next header is of its
kind and moves their cursors behind it. Kinds of several number spaces share one column: an EtherType is itself, the
others have a space added. A row whose kind has no decoder stays where it is, and is thereby finished.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pcapdiag.capture.frames import TAIL, FrameBlock
from pcapdiag.capture.table import I32, I64, U8, distinct
from pcapdiag.capture.walk import field

IP_PROTOCOL = 0x10000
PPP_PROTOCOL = 0x20000
LINK_TYPE = 0x4000000
"""Above every LINKTYPE_ number's own space."""
DEAD = -1
"""Cut, malformed, or nothing that can lead to TCP."""
FRAGMENT = -2
"""An IP fragment: `pcapdiag.capture.fragments` takes it from here."""

IPV4 = 0x0800
IPV6 = 0x86DD
ETHERNET = 0x6558
"""Transparent Ethernet bridging (RFC 1701): an Ethernet frame follows."""
LLC = 0x30000
"""IEEE 802.2 follows."""
RAW = 0x30001
"""IPv4 or IPv6 follows, as its first four bits say."""
MPLS = 0x8847
TCP = IP_PROTOCOL + 6
UDP = IP_PROTOCOL + 17
ICMP = IP_PROTOCOL + 1
ICMPV6 = IP_PROTOCOL + 58

LAYERS = 40
"""More headers in one frame than this are an attack, not an encapsulation."""

Decoder = Callable[["Cursor", I64], None]


class Cursor:
    """One row per frame."""

    __slots__ = ("_at", "_windows", "buffer", "captured_end", "frame", "ip_at", "kind", "wire_end")

    def __init__(self, buffer: U8, kind: I32, at: I64, captured_end: I64, wire_end: I64) -> None:
        self.buffer = buffer
        self.kind = kind
        self._at = at
        self.captured_end = captured_end
        """Octets from here on were not captured (or belong to a trailer)."""
        self.wire_end = wire_end
        """Where the frame ended on the wire, had all of it been captured; an IP length moves it."""
        self.ip_at: I64 = np.full(len(kind), -1, np.int64)
        """Where the innermost IP header begins."""
        self._windows: dict[int, npt.NDArray[np.void]] = {}

        self.frame: I64 = np.arange(len(kind), dtype=np.int64)
        """Which frame of the block the row stems from."""

    @classmethod
    def over(cls, block: FrameBlock) -> Cursor:
        return cls(
            block.buffer,
            (block.link + LINK_TYPE).astype(np.int32),
            block.at.copy(),
            block.at + block.caplen,
            block.at + block.wirelen,
        )

    def extended(self, packets: list[tuple[int, bytes]]) -> tuple[Cursor, I64]:
        """With new rows for IP packets that do not stand in the block as they are: (row they stem from, octets)."""
        lengths = np.array([len(packet) for _, packet in packets], np.int64)
        ends = np.cumsum(lengths) + len(self.buffer)
        origin = np.array([row for row, _ in packets], np.int64)
        spilled = np.frombuffer(b"".join(packet for _, packet in packets) + bytes(TAIL), np.uint8)
        longer = Cursor(
            np.concatenate((self.buffer, spilled)),
            np.concatenate((self.kind, np.full(len(packets), RAW, np.int32))),
            np.concatenate((self._at, ends - lengths)),
            np.concatenate((self.captured_end, ends)),
            np.concatenate((self.wire_end, ends)),
        )
        longer.ip_at[: len(self)] = self.ip_at
        longer.frame = np.concatenate((self.frame, self.frame[origin]))
        return longer, np.arange(len(self), len(longer), dtype=np.int64)

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def at(self) -> I64:
        return self._at

    def octets(self, at: I64, count: int) -> U8:
        """`count` octets at each place, shape (n, count). The places lie at most `TAIL` - `count` past the last frame."""
        return self.records(at, count).view(np.uint8).reshape(len(at), count)

    def records(self, at: I64, count: int) -> npt.NDArray[np.void]:
        windows = self._windows.get(count)
        if windows is None:
            windows = self._windows[count] = field(self.buffer, count)
        return windows[at]

    def move(self, rows: I64, kind: I32 | I64 | int, by: I64 | int) -> None:
        """Advance behind a header; rows that thereby leave what was captured are dead."""
        at = self._at[rows] + by
        self._at[rows] = at
        self.kind[rows] = np.where(at <= self.captured_end[rows], kind, DEAD)

    def run(self, decoders: dict[int, Decoder], rows: I64) -> None:
        """Peel layer after layer off these rows until none has a decoder."""
        for _ in range(LAYERS):
            kinds = self.kind[rows]
            moved = []
            for kind in distinct(kinds):
                decoder = decoders.get(kind)
                if decoder is not None:
                    some = rows if len(kinds) and (kinds == kind).all() else rows[kinds == kind]
                    decoder(self, some)
                    moved.append(some)
            if not moved:
                return
            rows = moved[0] if len(moved) == 1 else np.concatenate(moved)
        still = np.isin(self.kind[rows], np.array(list(decoders), np.int32))
        self.kind[rows[still]] = DEAD


def be16(octets: U8, column: int) -> I64:
    """A 16-bit field in network order from a matrix of header octets."""
    return octets[:, column].astype(np.int64) << 8 | octets[:, column + 1]


def be32(octets: U8, column: int) -> I64:
    return be16(octets, column) << 16 | be16(octets, column + 2)
