"""A side's timestamp clock (RFC 7323 5.4), estimated from its segments, and how far a reset's TSval is off it."""

from __future__ import annotations

from pcapdiag.tcp.flow import Flow
from pcapdiag.tcp.seq import distance

_RATES = (1000.0, 100.0, 250.0, 10.0, 1_000_000.0)
"""Ticks per second of known stacks, the commonest first."""
_LONG_NS = 200_000_000
"""A baseline at least this long measures the rate by itself."""


def clock_error_ms(flow: Flow, time_ns: int, tsval: int) -> float | None:
    """How far `tsval` is from where the flow's clock stands at `time_ns`, in milliseconds; None when it cannot be said."""
    if tsval < 0 or flow.clock_first is None or flow.clock_last is None:
        return None
    (first_ns, first), (last_ns, last) = flow.clock_first, flow.clock_last
    rate = _rate(last_ns - first_ns, distance(last, first))
    if rate is None:
        return None
    expected = last + rate * (time_ns - last_ns) / 1e9
    return round((distance(tsval, int(expected)) - expected % 1) * 1000 / rate, 3)


def _rate(span_ns: int, ticks: int) -> float | None:
    """Ticks per second: the known rate nearest to what was measured, or, over a long baseline, what was measured."""
    for rate in _RATES:
        expected = rate * span_ns / 1e9
        if abs(ticks - expected) <= max(2.0, 0.02 * expected):
            return rate
    return ticks * 1e9 / span_ns if span_ns >= _LONG_NS and ticks > 0 else None
