"""How long an answer takes: the shortest way from this capture point to each side and back, as the session shows it."""

from __future__ import annotations

from typing import NamedTuple

from pcapdiag.model import Side
from pcapdiag.tcp.connection import Connection


class Legs(NamedTuple):
    """From the capture point to a side and back, in nanoseconds; None where nothing tells."""

    client_ns: int | None
    server_ns: int | None

    def of(self, side: Side) -> int | None:
        return self.client_ns if side is Side.CLIENT else self.server_ns

    @property
    def round_trip_ns(self) -> int | None:
        """The whole way."""
        if self.client_ns is None or self.server_ns is None:
            return None
        return self.client_ns + self.server_ns


def legs(connection: Connection) -> Legs:
    """The shortest that was seen, since whatever is longer also holds the waiting of hosts and queues."""
    handshake = connection.handshake
    return Legs(
        _shortest(handshake.client_leg_ns, _quickest_ns(connection, Side.CLIENT)),
        _shortest(handshake.server_leg_ns, _quickest_ns(connection, Side.SERVER)),
    )


def round_trip_ns(connection: Connection) -> int | None:
    """That of the handshake where it was captured, or the shortest that acknowledgements show."""
    return connection.handshake.rtt_ns or legs(connection).round_trip_ns


def _quickest_ns(connection: Connection, side: Side) -> int | None:
    """The shortest time in which `side` acknowledged new octets. Those sent twice do not count (Karn's algorithm,
    RFC 6298 section 3)."""
    waiting: list[tuple[int, int]] = []
    best: int | None = None
    for seg in connection.segments:
        if seg.side is not side:
            if seg.new and not seg.odd:
                waiting.append((seg.offset + seg.length, seg.at.time_ns))
        elif seg.ack is not None and not seg.is_rst and waiting:
            ack = seg.ack
            heard = [sent_ns for end, sent_ns in waiting if end <= ack]
            if heard:
                best = _shortest(best, max(0, seg.at.time_ns - heard[-1]))
                waiting = [one for one in waiting if one[0] > ack]
    return best


def _shortest(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else min(one, other)
