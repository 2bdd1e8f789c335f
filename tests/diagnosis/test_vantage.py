"""Where a capture was taken: TTLs, the legs of the handshake, packets larger than segments."""

from __future__ import annotations

import pytest

from pcapdiag.diagnosis.vantage import infer
from pcapdiag.model import Side, Vantage
from pcapdiag.session import Session
from pcapdiag.tcp.connection import Handshake
from tests.factories import at, make_connection, make_dialogue, make_half, make_surroundings

C, S = Side.CLIENT, Side.SERVER
MS = 1_000_000


def place(
    client_ttl: int = 60,
    server_ttl: int = 64,
    legs: tuple[int | None, int | None] = (None, None),
    large: tuple[int, int] = (0, 0),
    said: Vantage | None = None,
    more_ttls: bool = False,
    duplicates: bool = False,
) -> Vantage | None:
    """`legs`: the client's and the server's, in nanoseconds."""
    client_ttls = ((client_ttl, 5), (client_ttl - 1, 5)) if more_ttls else ((client_ttl, 10),)
    connection = make_connection(
        handshake=Handshake((at(1),), (at(2, 0.03),), at(3, 0.03), None, legs[1], legs[0], False),
        halves=(
            make_half(C, ttls=client_ttls, super_packets=large[0]),
            make_half(S, ttls=((server_ttl, 10),), super_packets=large[1]),
        ),
        duplicates=duplicates,
    )
    found = infer(Session(connection, make_dialogue()), make_surroundings(captured_at=said))
    assert bool(found.evidence) is (found.vantage is not None)
    return found.vantage


BOTH_FRESH = dict(client_ttl=64, server_ttl=128)
CASES = {
    "the client's TTL is fresh": (dict(client_ttl=64, server_ttl=52), Vantage.CLIENT),
    "the server's TTL is fresh": (dict(client_ttl=117, server_ttl=128), Vantage.SERVER),
    "neither is": (dict(client_ttl=63, server_ttl=52), Vantage.MIDDLE),
    "both are: one network": (BOTH_FRESH, None),
    "TTLs that vary say nothing": (dict(client_ttl=64, server_ttl=52, more_ttls=True), None),
    "a capture that holds each packet twice says nothing by TTL": (
        dict(client_ttl=64, server_ttl=52, duplicates=True),
        None,
    ),
    "the client answers at once": (BOTH_FRESH | dict(legs=(MS // 10, 30 * MS)), Vantage.CLIENT),
    "the server answers at once": (BOTH_FRESH | dict(legs=(30 * MS, MS // 10)), Vantage.SERVER),
    "both answer at once": (BOTH_FRESH | dict(legs=(MS // 10, MS // 5)), None),
    "neither does": (BOTH_FRESH | dict(legs=(10 * MS, 30 * MS)), None),
    "0.3 ms is not at once": (BOTH_FRESH | dict(legs=(3 * MS // 10, 30 * MS)), None),
    "a leg that was not measured": (BOTH_FRESH | dict(legs=(MS // 10, None)), None),
    "the client's packets were not yet cut": (BOTH_FRESH | dict(large=(3, 0)), Vantage.CLIENT),
    "the server's packets were not yet cut": (BOTH_FRESH | dict(large=(0, 3)), Vantage.SERVER),
    "both sides': put together on the way": (BOTH_FRESH | dict(large=(3, 3)), None),
    "signs that agree": (dict(client_ttl=64, server_ttl=52, legs=(MS // 10, 30 * MS), large=(1, 0)), Vantage.CLIENT),
    "signs that contradict": (dict(client_ttl=64, server_ttl=52, large=(0, 1)), None),
    "the user knows better": (dict(client_ttl=64, server_ttl=52, said=Vantage.SERVER), Vantage.SERVER),
}


@pytest.mark.parametrize(("given", "expected"), CASES.values(), ids=CASES)
def test_vantage(given: dict[str, object], expected: Vantage | None) -> None:
    assert place(**given) is expected  # type: ignore[arg-type]
