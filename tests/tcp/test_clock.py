"""Where a host's timestamp clock stands, and how far a reset is off it."""

from __future__ import annotations

import pytest

from pcapdiag.tcp.clock import clock_error_ms
from pcapdiag.tcp.flow import Flow

S = 1_000_000_000
MS = 1_000_000

CASES = {
    # first reading, last reading, the reset's moment and TSval, error in ms
    "a clock of 1 kHz": ((0, 100), (S, 1100), 5 * S, 5100, 0),
    "a copy of the last stamp": ((0, 100), (S, 1100), 5 * S, 1100, -4000),
    "a clock of 100 Hz": ((0, 100), (S, 200), 5 * S, 600, 0),
    "a clock nobody knows": ((0, 0), (10 * S, 640), 20 * S, 1280, 0),
    "one reading, and a copy of what was a minute ago": ((0, 70_000), (0, 70_000), 20 * MS, 10_020, -60_000),
    "one reading": ((0, 70_000), (0, 70_000), 20 * MS, 70_020, 0),
    "a clock of 1 kHz, read over a path that held packets back": ((0, 100), (20 * MS, 105), 5 * S, 5100, 15),
    "that clock, standing still": ((0, 100), (20 * MS, 105), 5 * S, 105, -4980),
    "a microsecond clock": ((0, 0), (30 * MS, 30_000), S, 1_000_000, 0),
    "delays that bend the rate, and a pause": ((0, 0), (400 * MS, 480), 100 * S, 100_080, 0),
    "the same, and a copy": ((0, 0), (400 * MS, 480), 100 * S, 480, -99_600),
    "across the end of the numbers": ((0, 2**32 - 500), (S, 500), 2 * S, 1500, 0),
}


@pytest.mark.parametrize(("first", "last", "at", "tsval", "expected"), CASES.values(), ids=CASES)
def test_clock_error(first: tuple[int, int], last: tuple[int, int], at: int, tsval: int, expected: float) -> None:
    flow = Flow(0)
    flow.clock_first, flow.clock_last = first, last
    assert clock_error_ms(flow, at, tsval) == pytest.approx(expected, abs=1)


def test_nothing_to_compare_with() -> None:
    flow = Flow(0)
    assert clock_error_ms(flow, S, 5) is None
    flow.clock_first = flow.clock_last = (0, 5)
    assert clock_error_ms(flow, S, -1) is None
    flow.clock_last = (100 * MS, 5_000)  # no rate fits, and a tenth of a second is too short to measure one
    assert clock_error_ms(flow, S, 5) is None
