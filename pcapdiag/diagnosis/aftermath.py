"""Did a host go on after "its" reset? Only what it cannot have sent before that moment tells.

Packets are held back and overtaken on the way, the reset's neighbours too: that one stands behind the reset in the capture
proves nothing by itself.
"""

from __future__ import annotations

from collections.abc import Iterator

from pcapdiag.capture.table import ACK
from pcapdiag.model import Moment
from pcapdiag.tcp.clock import FAST, RATES
from pcapdiag.tcp.connection import Connection, Reset, Segment
from pcapdiag.tcp.seq import distance

CLOCK_ERROR_MS = 100.0
"""A genuine reset stands on its host's timestamp clock to a few milliseconds (measured: 4); queues are allowed for."""


def went_on(connection: Connection, reset: Reset) -> tuple[Moment, ...]:
    """Segments that the "reset" side sent after its reset: each knows or holds what it could not before.

    It acknowledges octets that the other side sent after the reset; or its TSval lies beyond where its host's clock stood at
    the reset; or, without timestamps, it holds octets beyond those before which a RST+ACK said that the stream ended.
    """
    after = [
        seg
        for seg in connection.segments
        if seg.at > reset.at and seg.side is reset.claimed and not seg.is_rst and not seg.is_syn
    ]
    if not after:
        return ()
    news = _news_after(connection.segments, reset)
    clock = _latest_stamp(connection, reset)
    end = reset.offset if reset.flags & ACK and not connection.half(reset.claimed).timestamps else None
    return tuple(
        seg.at
        for seg in after
        if (news is not None and seg.ack is not None and seg.ack >= news)
        or (clock is not None and seg.tsval >= 0 and distance(seg.tsval, clock) > 0)
        or (end is not None and seg.offset + seg.length + seg.is_fin > end)
    )


def took_in(connection: Connection, reset: Reset) -> tuple[Moment, ...]:
    """Segments behind a bare reset whose host acknowledges there all that the reset could answer.

    Such a reset answers a segment that met no socket, and the acknowledgement number of that segment is its sequence number.
    When each that fits brought octets, once, and all were taken in by a socket, then none of them drew it.
    """
    if reset.flags & ACK or connection.sampled:
        return ()
    fitting = [
        seg
        for seg in connection.segments
        if seg.at < reset.at and seg.side is not reset.claimed and not seg.is_rst and seg.ack == reset.offset
    ]
    if not fitting or not all(seg.new and seg.new == seg.length for seg in fitting):
        return ()
    end = max(seg.offset + seg.length for seg in fitting)
    return tuple(
        seg.at
        for seg in connection.segments
        if seg.at > reset.at and seg.side is reset.claimed and not seg.is_rst and seg.ack is not None and seg.ack >= end
    )


def _news_after(segments: tuple[Segment, ...], reset: Reset) -> int | None:
    """End of the first new octets that the other side sent after the reset."""
    for seg in segments:
        if seg.at > reset.at and seg.side is not reset.claimed and seg.new:
            return seg.offset + seg.length
    return None


def _latest_stamp(connection: Connection, reset: Reset) -> int | None:
    """The latest TSval that the host can have given a packet before it sent this reset; None when its clock is unknown.

    The reset's own stamp, where it is on the clock. Else where the clock stood by the packet that came with the least delay,
    and beyond it as much as the delay of the others varied, and the usual tolerance.
    """
    if reset.tsval >= 0 and reset.clock_error_ms is not None and abs(reset.clock_error_ms) <= CLOCK_ERROR_MS:
        return reset.tsval
    readings = list(_readings(connection, reset))
    rate = _rate(readings)
    if rate is None:
        return None
    since, base = readings[0]
    ahead = [distance(tsval, base) - rate * (time_ns - since) / 1e9 for time_ns, tsval in readings]
    spread = max(ahead) - min(ahead)
    passed = rate * (reset.at.time_ns - since) / 1e9
    return base + int(passed + max(ahead) + spread + rate * CLOCK_ERROR_MS / 1000)


def _readings(connection: Connection, reset: Reset) -> Iterator[tuple[int, int]]:
    """Time and TSval of the host's packets before the reset."""
    for seg in connection.segments:
        if seg.side is reset.claimed and seg.at < reset.at and seg.tsval >= 0 and not seg.is_rst:
            yield seg.at.time_ns, seg.tsval


def _rate(readings: list[tuple[int, int]]) -> float | None:
    """The rate of a known clock that fits the first and the last reading to a fifth; of several the fastest, which allows for
    the most delay."""
    if len(readings) < 2:
        return None
    (since, first), (until, last) = readings[0], readings[-1]
    for rate in (FAST, *RATES):
        expected = rate * (until - since) / 1e9
        if abs(distance(last, first) - expected) <= max(2.0, 0.2 * expected):
            return rate
    return None
