"""The several attempts of one delivery: the next MX, or IPv6 and then IPv4, tried after a failure.

Two tries are one delivery when the same client host used the same envelope. A try that failed before any envelope was
seen tells less: it is taken for an attempt of the session that the host began next, at another server and within a
minute, and only when no other session of that host was going on meanwhile. The summary says which of the two it was.

The same client host: the captured one, when the capture is its own; else the name in EHLO; else the address.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from operator import attrgetter

from pcapdiag.diagnosis.tries import MOST_IDS, MOST_PATTERNS, Pattern, Try
from pcapdiag.model import Address, Part, Says, Vantage

NEXT_NS = 60_000_000_000
"""Within this time after a failure mail software turns to the next address; later it is a new round of the queue."""
SAME_NS = 600_000_000_000
"""Within this time one list of recipients may be the beginning of the other: the first try broke off in between."""
HELD_TRIES = 20_000
"""Deliveries are put together out of so many sessions that ended one after another."""
REMEMBERED = 16
"""Deliveries of one sender among which a try is looked up, the latest."""
TOLD = 6
"""Attempts that a summary tells one by one."""

Host = tuple[str, int, bytes]


class _Delivery:
    """Tries of one delivery in order of their beginnings."""

    def __init__(self) -> None:
        self.tries: list[Try] = []
        self.inferred = False
        """At least one of them belongs to it by time alone."""

    def absorb(self, other: _Delivery) -> None:
        """The other was the same one: its tries are ours now."""
        self.tries += other.tries
        self.inferred = True
        other.tries = []

    def is_pattern(self) -> bool:
        return len({one.server for one in self.tries}) > 1 and self.tries[0].undelivered

    def pattern(self) -> Pattern:
        ids = tuple([one.id for one in self.tries[:MOST_IDS]])
        return Pattern("attempts", self._summary(), ids, len(self.tries))

    def _summary(self) -> Says:
        servers = len({one.server for one in self.tries})
        envelope = next(
            (one.envelope for one in self.tries if one.envelope and one.envelope.mail_from is not None), None
        )
        message: Says = (" (", *envelope.says, ")") if envelope else ()
        told: list[Part] = []
        for one in self.tries[:TOLD]:
            told += [", then " if told else "", Address(one.server), f" ({one.outcome})"]
        more = len(self.tries) - TOLD
        basis = "the same envelope" if not self.inferred else "the order in time (no envelope was seen in each of them)"
        client = Address(self.tries[0].client)
        taken = any(one.taken for one in self.tries)
        return (
            client,
            " tried one delivery",
            *message,
            f" at {servers} servers in {len(self.tries)} sessions: ",
            *told,
            f", and {more} more" if more > 0 else "",
            "; " + ("delivered in the end" if taken else "no server was seen to take it"),
            f"; told to be one delivery by {basis}",
        )


class AttemptFinder:
    """Collects tries, and puts deliveries together at the end, or whenever `HELD_TRIES` have been collected."""

    def __init__(self) -> None:
        self._held: list[Try] = []
        self._found: list[_Delivery] = []

    def add(self, one: Try) -> None:
        self._held.append(one)
        if len(self._held) >= HELD_TRIES:
            self._settle()

    def _settle(self) -> None:
        for tries in _by_host(self._held):
            if len(tries) > 1 and len({one.server for one in tries}) > 1:
                self._found += [delivery for delivery in _deliveries(tries) if delivery.is_pattern()]
        del self._found[MOST_PATTERNS:]
        self._held = []

    def finish(self) -> list[Pattern]:
        self._settle()
        self._found.sort(key=lambda delivery: delivery.tries[0].began_ns)
        return [delivery.pattern() for delivery in self._found]


def _by_host(tries: list[Try]) -> list[list[Try]]:
    """Tries of each client host, in order of their beginnings."""
    tries = sorted(tries, key=attrgetter("began_ns", "id"))
    hosts: dict[tuple[int, str], Host] = {}
    for one in tries:
        end = one.trace, one.client
        if one.vantage is Vantage.CLIENT:
            hosts[end] = ("captured", one.trace, b"")
        elif one.helo and end not in hosts:
            hosts[end] = ("helo", one.trace, one.helo.lower())
    grouped: defaultdict[Host, list[Try]] = defaultdict(list)
    for one in tries:
        host = hosts.get((one.trace, one.client))
        grouped[host or ("address", one.trace, one.client.encode())].append(one)
    return list(grouped.values())


def _deliveries(tries: list[Try]) -> list[_Delivery]:
    """The deliveries of one host."""
    found: list[_Delivery] = []
    by_sender: dict[bytes, deque[_Delivery]] = {}
    before: Try | None = None
    loose: _Delivery | None = None
    """The delivery of the try before, when that did not deliver and showed no envelope."""
    busy_until_ns = 0
    """Until when the tries before that one went on."""
    for one in tries:
        if before is not None and not (busy_until_ns <= one.began_ns and _follows(before, one)):
            loose = None
        sender = one.envelope.mail_from if one.envelope else None
        delivery = None if sender is None else _same_envelope(one, by_sender.get(sender, ()))
        if delivery is None:
            if loose is None:
                delivery = _Delivery()
                found.append(delivery)
            else:
                delivery = loose
                delivery.inferred = True
            if sender is not None:
                by_sender.setdefault(sender, deque(maxlen=REMEMBERED)).append(delivery)
        elif loose is not None:
            delivery.absorb(loose)
        delivery.tries.append(one)
        loose = delivery if one.undelivered and sender is None else None
        busy_until_ns = max(busy_until_ns, before.ended_ns if before else 0)
        before = one
    return found


def _follows(before: Try, one: Try) -> bool:
    """Began after the try before, soon, at another server, from the same address or one of the other family."""
    in_time = before.began_ns <= one.began_ns <= before.ended_ns + NEXT_NS
    other_family = (":" in before.client) != (":" in one.client)
    return in_time and before.server != one.server and (before.client == one.client or other_family)


def _same_envelope(one: Try, deliveries: Iterable[_Delivery]) -> _Delivery | None:
    """The latest of the deliveries that this try goes on with; a message that was taken is done."""
    assert one.envelope is not None
    wanted = frozenset(one.envelope.recipients)
    for delivery in reversed(list(deliveries)):
        last = delivery.tries[-1]
        if last.envelope is None or (last.taken and not last.failed):
            continue
        named = frozenset(last.envelope.recipients)
        part_of_it = named <= wanted or wanted <= named
        if named == wanted or (part_of_it and last.undelivered and one.began_ns - last.began_ns <= SAME_NS):
            return delivery
    return None
