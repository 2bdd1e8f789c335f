"""What each address was seen to do over the whole capture: its TTLs, and when it gave signs of life.

Fed once per batch with columns; asked by rules with a moment, and answers only from frames before it.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Protocol

import numpy as np

from pcapdiag.capture.table import RST, PacketTable
from pcapdiag.model import Moment
from pcapdiag.tcp.grouping import Grouped, address_of
from pcapdiag.tcp.pick import pick


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
        begins, ends = self.begins, self.ends
        if ends and begin - ends[-1] < MERGE_NS:
            ends[-1] = end if end > ends[-1] else ends[-1]
            begins[-1] = begin if begin < begins[-1] else begins[-1]
            return
        begins.append(begin)
        ends.append(end)
        if len(begins) > MAX_STRETCHES:
            del begins[: MAX_STRETCHES // 2], ends[: MAX_STRETCHES // 2]


class HostLedger:
    """Write side of `Hosts`: fed with every batch, before its connections are finished."""

    def __init__(self) -> None:
        self._hosts: dict[str, _Host] = {}

    def feed(self, batch: PacketTable, grouped: Grouped) -> None:
        """Take in the rows of a batch, resets left out.

        What one end of a connection sends without a pause and with the same TTL is one stretch of rows; the stretches, a
        few of each connection, are then taken in by address and time.
        """
        kept = pick(batch.flags, grouped.order) & RST == 0
        lower, higher = np.flatnonzero(kept & grouped.forward), np.flatnonzero(kept & ~grouped.forward)
        rows = np.concatenate((lower, higher))
        if not len(rows):
            return
        group = np.searchsorted(grouped.starts, rows, side="right")
        order = pick(grouped.order, rows)
        time, ttl = pick(batch.time_ns, order), pick(batch.ttl, order)
        other = (group[1:] != group[:-1]) | (ttl[1:] != ttl[:-1]) | (np.abs(np.diff(time)) >= MERGE_NS)
        if len(higher):
            other[len(lower) - 1 : len(lower)] = True
        starts = np.flatnonzero(np.concatenate(([True], other)))
        ends = batch.src[order[starts]]
        begin, last = np.minimum.reduceat(time, starts), np.maximum.reduceat(time, starts)
        sorting = np.lexsort((begin, ends[:, 1], ends[:, 0]))
        columns = ends[:, 0], ends[:, 1], begin, last, ttl[starts]
        here: tuple[int, int] | None = None
        for high, low, since, until, value in zip(*(column[sorting].tolist() for column in columns), strict=True):
            if (high, low) != here:
                here = high, low
                host = self._host(address_of(high, low))
            host.alive(since, until)
            seen = host.ttls.get(value)
            if seen is None or since < seen:
                host.ttls[value] = since

    def _host(self, address: str) -> _Host:
        host = self._hosts.get(address)
        if host is None:
            if len(self._hosts) >= MAX_HOSTS:
                del self._hosts[next(iter(self._hosts))]
            host = self._hosts[address] = _Host()
        return host

    def forget(self, before_ns: int) -> None:
        """Nobody will ask about signs of life before that time."""
        for host in self._hosts.values():
            old = bisect_right(host.ends, before_ns)
            del host.begins[:old], host.ends[:old]

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
