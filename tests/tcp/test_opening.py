"""The opening of a connection: how long it took, where frames were captured twice or missed."""

from __future__ import annotations

import pytest

from pcapdiag.tcp.opening import Opening
from tests.factories import at

STEPS = {
    # when SYNs and SYN+ACKs were seen -> the round trip, in milliseconds
    "each once": ((0.0,), (0.027,), 28),
    "a SYN captured twice": ((0.0, 0.0001), (0.027,), 28),
    "both captured twice": ((0.0, 0.0001), (0.027, 0.0271), 28),
    "a SYN sent again after a second": ((0.0, 1.0), (1.027,), None),
    "the SYN+ACK was not captured": ((0.0,), (), None),
}


@pytest.mark.parametrize(("syns", "synacks", "milliseconds"), STEPS.values(), ids=STEPS)
def test_the_round_trip(syns: tuple[float, ...], synacks: tuple[float, ...], milliseconds: int | None) -> None:
    opening = Opening()
    for seconds in syns:
        opening.syn(0, False, at(1, seconds))
    for seconds in synacks:
        opening.syn(1, True, at(2, seconds))
    opening.acknowledges(0, at(3, 0.028), bool(synacks))
    found = opening.handshake(None)
    assert found.complete == at(3, 0.028)
    assert found.rtt_ns == (milliseconds * 1_000_000 if milliseconds else None)


def test_a_server_that_acknowledges_completes_nothing() -> None:
    opening = Opening()
    opening.syn(0, False, at(1))
    opening.acknowledges(1, at(2, 0.02), True)
    assert opening.complete is None
