"""`Tracker`: batches of segments in, finished connections out, octets to an observer on the way.

The one object of the whole program that keeps state over batches. What is open costs memory, what has passed does not:
connections that are over linger for a while, because late packets belong to them, and are then finished and forgotten.
"""

from __future__ import annotations

import ipaddress
import pickle
from collections import OrderedDict
from collections.abc import Callable, Iterable
from itertools import count
from operator import attrgetter
from typing import Generic

from pcapdiag.capture.table import MAPPED, RST, SYN, IcmpError, PacketTable
from pcapdiag.making import maker
from pcapdiag.model import Endpoint, Moment
from pcapdiag.tcp.connection import Connection
from pcapdiag.tcp.conversation import Conversation
from pcapdiag.tcp.embryo import Embryo
from pcapdiag.tcp.entry import Entry, Glance, O
from pcapdiag.tcp.grouping import Key, endpoints, group
from pcapdiag.tcp.hosts import HostLedger
from pcapdiag.tcp.orderly import continues, open_run, take_run
from pcapdiag.tcp.packet import Packet, Walked
from pcapdiag.tcp.runs import MIN_ROWS, Run, Runs, find
from pcapdiag.tcp.sides import MAIL_PORTS

SECOND = 1_000_000_000
LINGER_NS = 900 * SECOND
ORDERLY_LINGER_NS = 5 * SECOND
IDENT = 113
MAX_WAITING = 64 << 20
"""Octets that may wait in all connections together from one batch to the next."""

_moment = maker(Moment)
_first = attrgetter("first")


class Tracker(Generic[O]):
    """Follows the connections of one trace."""

    def __init__(
        self,
        observer: Callable[[Endpoint, Endpoint], O],
        finished: Callable[[Connection, O], None],
        *,
        ports: frozenset[int] | None,
        trace: int = 0,
        numbering: Callable[[int], int] | None = None,
        linger_ns: int = LINGER_NS,
        max_lingering: int = 20_000,
        max_open: int = 200_000,
        share: tuple[int, int] = (0, 1),
        began: Callable[[int, Endpoint, Endpoint, Moment], None] | None = None,
        _fast: bool = True,
    ) -> None:
        """`finished` hears of every connection that is over, `began` of every new one: its number, client and server as far
        as known, and its first frame."""
        self._fast = _fast
        self._began = began
        self._share, self._shares = share
        self._observer = observer
        self._finished = finished
        self._ports = ports
        self._side_ports = ports or MAIL_PORTS
        self._trace = trace
        counted = count(1)
        self._numbering = numbering or (lambda batch: next(counted))
        """The number of the next connection, which began in that batch."""
        self._batch = 0
        self._linger_ns = linger_ns
        self._calm_ns = min(linger_ns, ORDERLY_LINGER_NS)
        self._max_lingering = max_lingering
        self._max_open = max_open
        self._open: dict[Key, Entry[O]] = {}
        self._lingering: OrderedDict[Key, Entry[O]] = OrderedDict()
        self._waiting: dict[Key, Entry[O]] = {}
        """Connections with octets that wait for others."""
        self._gone: OrderedDict[Key, None] = OrderedDict()
        self._unborn: dict[Key, Entry[O]] = {}
        """Embryos that refer to the current batch."""
        self._new: list[Entry[O]] = []
        self._closed: list[tuple[Entry[O], int, bool]] = []
        self._until_ns = 0
        self.hosts = HostLedger()

    def feed(self, batch: PacketTable) -> None:
        """Take in the next batch of the trace."""
        self._batch += 1
        octets = memoryview(batch.octets)
        grouped = group(batch)
        self.hosts.feed(batch, grouped)
        grouped = grouped.only([self._wanted(key) for key in grouped.keys])
        runs = find(batch, grouped, MIN_ROWS if self._fast else len(batch) + 1, self._calm_ns)
        ordinary = iter(runs.runs)
        run = next(ordinary, None)
        walked = Walked(batch, grouped.order, grouped.forward, runs.left)
        bounds = grouped.starts.tolist()
        for number, key in enumerate(grouped.keys):
            at, end = bounds[number], bounds[number + 1]
            while at < end:
                if run is not None and run.begin == at:
                    self._pass(key, run, runs, walked, octets)
                    at = run.end
                    run = next(ordinary, None)
                else:
                    stop = end if run is None else min(end, run.begin)
                    self._walk(key, walked.take(stop - at), octets)
                    at = stop
        for error in batch.icmp:
            self._icmp(error)
        self._until_ns = max(self._until_ns, batch.until_ns)
        self._clock()
        self._emit()

    def finish(self) -> None:
        """The trace has ended: finish every connection."""
        for entry in list(self._open.values()):
            self._close(entry, self._until_ns)
        self._emit()

    # --- For those who cannot wait until it is over ------------------------------------------------------------------

    @property
    def until_ns(self) -> int:
        """The clock of the trace."""
        return self._until_ns

    def __len__(self) -> int:
        """How many connections are open or linger."""
        return len(self._open)

    def glances(self, *, lingering: bool) -> list[Glance]:
        """All connections, or only those that are over and linger."""
        return [entry.glance() for entry in (self._lingering if lingering else self._open).values()]

    def peek(self, key: Key) -> tuple[Connection, O]:
        """What would be handed over if a connection ended now. It goes on undisturbed: its copy is taken."""
        entry: Entry[O] = pickle.loads(pickle.dumps(self._open[key], pickle.HIGHEST_PROTOCOL))  # our own octets
        if entry.embryo is not None:
            self._beget(entry, *entry.embryo.guess(key, self._side_ports))
        assert entry.conversation is not None
        assert entry.observer is not None
        return entry.conversation.close(entry.serial, self._trace, self._until_ns, False), entry.observer

    def give_up(self, key: Key) -> None:
        """Wait for nothing more of a connection: it is handed over with the next batch."""
        self._close(self._open[key], self._until_ns)

    # --- Batches -----------------------------------------------------------------------------------------------------

    def _wanted(self, key: Key) -> bool:
        if self._shares > 1 and hash(key) % self._shares != self._share:
            return False  # another process follows it
        if self._ports is None:
            return key[2] != IDENT and key[5] != IDENT
        return key[2] in self._ports or key[5] in self._ports

    def _pass(self, key: Key, run: Run, runs: Runs, walked: Walked, octets: memoryview) -> None:
        """A run of ordinary segments: taken in at once where it begins or continues a connection, else walked."""
        entry = self._open.get(key)
        if run.opens:
            if entry is not None and self._superseded(entry, *next(walked.aside(run.begin, run.begin + 1))):
                entry = None
            ready = entry is None
            if entry is None:
                entry = self._begin_open(key, run, octets)
        else:
            ready = (
                entry is not None
                and entry.over_at is None
                and entry.conversation is not None
                and continues(entry.conversation, run, entry.client_is_lower)
            )
        if entry is None or not ready:
            self._walk(key, walked.aside(run.begin, run.end), octets)
            return
        assert entry.conversation is not None
        take_run(entry.conversation, run, runs, octets, entry.client_is_lower)
        if run.closes:
            self._mind(entry, run.last_ns)

    def _begin_open(self, key: Key, run: Run, octets: memoryview) -> Entry[O]:
        """A connection whose SYN, SYN+ACK and ACK stand at the beginning of a run."""
        client_is_lower = run.lower.first_row == run.begin
        opener = run.lower if client_is_lower else run.higher
        first = _moment((opener.first_ns, run.capture, opener.first_frame))
        entry = self._begin(key, first)
        conversation = self._converse(entry, client_is_lower, True, first)
        open_run(conversation, run, client_is_lower, octets)
        return entry

    def _walk(self, key: Key, rows: Iterable[tuple[Packet, bool]], octets: memoryview) -> None:
        """Some packets of one connection, segment by segment."""
        entry = self._open.get(key)
        for packet, lower in rows:
            if (
                entry is not None
                and (entry.over_at is not None or packet.flags & SYN)
                and self._superseded(entry, packet, lower)
            ):
                entry = None
            if entry is None:
                if key in self._gone and not packet.flags & SYN:
                    continue
                entry = self._begin(key, Moment(packet.time_ns, packet.capture, packet.frame))
                entry.embryo = Embryo()
            conversation = entry.conversation
            if conversation is None:
                assert entry.embryo is not None
                sides = entry.embryo.take(packet, lower, octets, key, self._side_ports)
                if sides is not None:
                    self._hatch(entry, *sides)
                else:
                    self._unborn[key] = entry
                continue
            conversation.take(packet, 0 if lower == entry.client_is_lower else 1, octets)
            if entry.over_at is not None or conversation.watched:
                self._mind(entry, packet.time_ns)

    def _superseded(self, entry: Entry[O], packet: Packet, lower: bool) -> bool:
        """True when the entry is over and this packet is not its own any more; it is then closed."""
        conversation = entry.conversation
        if entry.over_at is not None and packet.time_ns > entry.over_at:
            self._close(entry, entry.over_at)
            return True
        if packet.flags & (SYN | RST) == SYN and conversation is not None:
            index = 0 if lower == entry.client_is_lower else 1
            if conversation.is_new(packet, index):
                self._close(entry, packet.time_ns, reused=True)
                return True
        return False

    def _begin(self, key: Key, first: Moment) -> Entry[O]:
        entry: Entry[O] = Entry(key, first)
        self._gone.pop(key, None)
        self._open[key] = entry
        self._new.append(entry)
        return entry

    def _hatch(self, entry: Entry[O], client_is_lower: bool, seen: bool) -> None:
        """The sides are known: an embryo becomes a conversation."""
        self._unborn.pop(entry.key, None)
        self._mind(entry, self._beget(entry, client_is_lower, seen))

    def _beget(self, entry: Entry[O], client_is_lower: bool, seen: bool) -> int:
        """The conversation of an embryo, which took in its packets; when the last of them came."""
        assert entry.embryo is not None
        early = entry.embryo.early
        first = early[0][0]
        conversation = self._converse(entry, client_is_lower, seen, Moment(first.time_ns, first.capture, first.frame))
        entry.embryo = None
        for packet, is_lower, octets in early:
            conversation.take(packet, 0 if is_lower == client_is_lower else 1, octets)
        return early[-1][0].time_ns

    def _converse(self, entry: Entry[O], client_is_lower: bool, seen: bool, first: Moment) -> Conversation:
        """The conversation of an entry, and its observer."""
        lower, higher = endpoints(entry.key)
        client, server = (lower, higher) if client_is_lower else (higher, lower)
        entry.observer = self._observer(client, server)
        entry.client_is_lower = client_is_lower
        entry.conversation = conversation = Conversation(client, server, entry.observer, seen, first)
        return conversation

    def _mind(self, entry: Entry[O], now_ns: int) -> None:
        """Keep an eye on a connection that is over, or waits for octets."""
        conversation = entry.conversation
        assert conversation is not None
        if conversation.over:
            orderly = conversation.orderly
            linger = max(ORDERLY_LINGER_NS, 6 * (conversation.opening.rtt_ns or 0)) if orderly else self._linger_ns
            entry.over_at = now_ns + linger
            self._lingering[entry.key] = entry
            self._lingering.move_to_end(entry.key)
        elif entry.over_at is not None:
            entry.over_at = None
            self._lingering.pop(entry.key, None)
        if conversation.delivery.waiting:
            self._waiting[entry.key] = entry

    def _clock(self) -> None:
        """Time has passed: finish what lingered long enough, give up what was waited for too long."""
        total = 0
        for key, entry in list(self._waiting.items()):
            assert entry.conversation is not None
            delivery = entry.conversation.delivery
            delivery.overdue(self._until_ns)
            total += delivery.waiting
            if total > MAX_WAITING:
                total -= delivery.waiting
                delivery.spill(0)
            if not delivery.waiting:
                del self._waiting[key]
        over = [
            entry for entry in self._lingering.values() if entry.over_at is not None and entry.over_at < self._until_ns
        ]
        for entry in over:
            self._close(entry, entry.over_at or 0)
        while len(self._lingering) > self._max_lingering:
            self._close(next(iter(self._lingering.values())), self._until_ns)
        while len(self._open) > self._max_open:
            self._close(next(iter(self._open.values())), self._until_ns)

    def _close(self, entry: Entry[O], until_ns: int, reused: bool = False) -> None:
        """Take a connection from the table; it is handed over at the end of the batch."""
        del self._open[entry.key]
        self._lingering.pop(entry.key, None)
        self._waiting.pop(entry.key, None)
        self._unborn.pop(entry.key, None)
        self._gone[entry.key] = None
        if len(self._gone) > self._max_lingering:
            self._gone.popitem(last=False)
        self._closed.append((entry, until_ns, reused))

    def _emit(self) -> None:
        """Number the connections that began in this batch by their first frames, then hand over those that are closed."""
        self._new.sort(key=_first)
        for entry in self._new:
            entry.serial = self._numbering(self._batch)
            if self._began is not None:
                self._began(entry.serial, *self._sides(entry), entry.first)
        self._new.clear()
        for entry in self._unborn.values():
            assert entry.embryo is not None
            entry.embryo.detach()
        self._unborn.clear()
        for entry, until_ns, reused in self._closed:
            if entry.conversation is None:
                assert entry.embryo is not None
                self._beget(entry, *entry.embryo.guess(entry.key, self._side_ports))
            assert entry.conversation is not None
            assert entry.observer is not None
            connection = entry.conversation.close(entry.serial, self._trace, until_ns, reused)
            self._finished(connection, entry.observer)
        self._closed.clear()

    def _sides(self, entry: Entry[O]) -> tuple[Endpoint, Endpoint]:
        """Client and server, as far as known."""
        if entry.conversation is not None:
            return entry.conversation.ends
        assert entry.embryo is not None
        lower, higher = endpoints(entry.key)
        return (lower, higher) if entry.embryo.guess(entry.key, self._side_ports)[0] else (higher, lower)

    def _icmp(self, error: IcmpError) -> None:
        """Tie an ICMP error to the connection that it quotes: the latest that had begun by then."""
        source = (*_address(error.src), error.srcport)
        target = (*_address(error.dst), error.dstport)
        key: Key = (*min(source, target), *max(source, target))
        candidates = [entry for entry, _, _ in self._closed if entry.key == key]
        if key in self._open:
            candidates.append(self._open[key])
        began = [entry for entry in candidates if entry.first.time_ns <= error.time_ns] or candidates[:1]
        if began:
            entry = began[-1]
            if entry.conversation is None:
                assert entry.embryo is not None
                self._hatch(entry, *entry.embryo.guess(key, self._side_ports))
            assert entry.conversation is not None
            entry.conversation.note_icmp(error)


def _address(text: str) -> tuple[int, int]:
    address = ipaddress.ip_address(text)
    number = int(address) if address.version == 6 else MAPPED | int(address)
    return number >> 64, number & (1 << 64) - 1
