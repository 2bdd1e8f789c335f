"""A side's timestamp clock (RFC 7323 5.4), estimated from its segments, and how far a reset's TSval is off it."""

from __future__ import annotations

from collections.abc import Iterator

from pcapdiag.tcp.flow import Flow
from pcapdiag.tcp.seq import distance

RATES = (1000.0, 250.0, 100.0, 10.0)
"""Ticks per second of known stacks, the fastest first."""
FAST = 1_000_000.0
"""Of few: taken for one of them only when no other rate fits."""
_LONG_NS = 200_000_000
"""A baseline at least this long measures the rate by itself, as well as the path's delay allows."""
_ABOUT = 0.25
"""A path whose delay varies bends the rate so far. Over a shorter baseline it varies by as many milliseconds: two packets 20 ms
apart may well have been sent 5 ms apart."""


def clock_error_ms(flow: Flow, time_ns: int, tsval: int) -> float | None:
    """How far `tsval` is from where the flow's clock stands at `time_ns`, in milliseconds; None when it cannot be said.

    Of several rates that the clock may have, the one that fits best: a rate that is a little wrong is far off after a pause.
    """
    if tsval < 0 or flow.clock_first is None or flow.clock_last is None:
        return None
    (first_ns, first), (last_ns, last) = flow.clock_first, flow.clock_last
    errors = []
    for rate in _rates(last_ns - first_ns, distance(last, first)):
        expected = last + rate * (time_ns - last_ns) / 1e9
        errors.append(round((distance(tsval, int(expected)) - expected % 1) * 1000 / rate, 3))
    return min(errors, key=abs, default=None)


def _rates(span_ns: int, ticks: int) -> Iterator[float]:
    """Ticks per second: the known rates near to what was measured, and, over a long baseline, what was measured."""
    bent_ns = _ABOUT * max(span_ns, _LONG_NS)
    known = [rate for rate in RATES if _fits(rate, span_ns, ticks, bent_ns)]
    yield from known or [rate for rate in (FAST,) if _fits(rate, span_ns, ticks, _ABOUT * span_ns)]
    if span_ns >= _LONG_NS and ticks > 0:
        yield ticks * 1e9 / span_ns


def _fits(rate: float, span_ns: int, ticks: int, bent_ns: float) -> bool:
    return abs(ticks - rate * span_ns / 1e9) <= max(2.0, rate * bent_ns / 1e9)
