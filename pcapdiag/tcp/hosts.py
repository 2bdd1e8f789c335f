"""What each address was seen to do over the whole capture: its TTLs, and when it gave signs of life.

Fed once per batch with columns; asked by rules with a moment, and answers only from frames before it.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Protocol

import numpy as np

from pcapdiag.capture.table import I64, RST, U8, U64, PacketTable, address_text
from pcapdiag.model import Moment


class Hosts(Protocol):
    """Read side of the host ledger."""

    def ttls(self, address: str, before: Moment) -> frozenset[int]:
        """TTLs of that address's segments without RST, first seen before the moment, in any connection."""

    def alive_since(self, address: str, after: Moment, before: Moment) -> bool:
        """True when the address sent any segment without RST strictly between the two moments, in any connection."""


MERGE_NS = 1_000_000_000
"""Signs of life closer together than this are one stretch of life."""
MAX_HOSTS = 100_000
MAX_STRETCHES = 4_096


class _Host:
    """What one address did."""

    __slots__ = ("begins", "ends", "ttls")

    def __init__(self) -> None:
        self.ttls: dict[int, int] = {}
        """When each TTL was first seen."""
        self.begins: list[int] = []
        self.ends: list[int] = []

    def alive(self, begin: int, end: int) -> None:
        """It was alive from begin to end, with pauses below `MERGE_NS`."""
        if self.ends and begin - self.ends[-1] < MERGE_NS:
            self.ends[-1] = max(self.ends[-1], end)
            self.begins[-1] = min(self.begins[-1], begin)
            return
        self.begins.append(begin)
        self.ends.append(end)
        if len(self.begins) > MAX_STRETCHES:
            del self.begins[: MAX_STRETCHES // 2], self.ends[: MAX_STRETCHES // 2]


class HostLedger:
    """Write side of `Hosts`: fed with every batch, before its connections are finished."""

    def __init__(self) -> None:
        self._hosts: dict[str, _Host] = {}

    def feed(self, batch: PacketTable) -> None:
        """Take in the rows of a batch, resets left out."""
        rows = np.flatnonzero(batch.flags & RST == 0)
        if not len(rows):
            return
        order = rows[np.lexsort((batch.time_ns[rows], batch.src[rows, 1], batch.src[rows, 0]))]
        high, low, time, ttl = batch.src[order, 0], batch.src[order, 1], batch.time_ns[order], batch.ttl[order]
        other = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
        edges = np.flatnonzero(np.concatenate(([True], other | (np.diff(time) >= MERGE_NS), [True])))
        starts, lasts = edges[:-1], edges[1:] - 1
        for at_high, at_low, begin, end in zip(
            high[starts].tolist(), low[starts].tolist(), time[starts].tolist(), time[lasts].tolist(), strict=True
        ):
            self._host(address_text(at_high, at_low)).alive(begin, end)
        self._ttls(high, low, time, ttl)

    def _ttls(self, high: U64, low: U64, time: I64, ttl: U8) -> None:
        new = np.concatenate(([True], (high[1:] != high[:-1]) | (low[1:] != low[:-1]) | (ttl[1:] != ttl[:-1])))
        for at_high, at_low, value, when in zip(
            high[new].tolist(), low[new].tolist(), ttl[new].tolist(), time[new].tolist(), strict=True
        ):
            ttls = self._host(address_text(at_high, at_low)).ttls
            ttls[value] = min(when, ttls.get(value, when))

    def _host(self, address: str) -> _Host:
        host = self._hosts.get(address)
        if host is None:
            if len(self._hosts) >= MAX_HOSTS:
                del self._hosts[next(iter(self._hosts))]
            host = self._hosts[address] = _Host()
        return host

    def ttls(self, address: str, before: Moment) -> frozenset[int]:
        """See `Hosts`."""
        host = self._hosts.get(address)
        return frozenset(ttl for ttl, when in host.ttls.items() if when < before.time_ns) if host else frozenset()

    def alive_since(self, address: str, after: Moment, before: Moment) -> bool:
        """See `Hosts`. Exact to `MERGE_NS`."""
        host = self._hosts.get(address)
        if host is None:
            return False
        at = bisect_right(host.ends, after.time_ns)
        if at == len(host.ends) or host.begins[at] >= before.time_ns:
            return False
        began = host.begins[at] > after.time_ns
        return began or host.ends[at] < before.time_ns or before.time_ns - after.time_ns >= MERGE_NS
