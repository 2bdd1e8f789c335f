"""How long an answer takes, with and without a handshake."""

from __future__ import annotations

import pytest

from pcapdiag.diagnosis.round_trip import legs, round_trip_ns
from pcapdiag.model import Side
from pcapdiag.tcp.connection import Handshake, Odd, Segment
from tests.factories import at, make_connection, make_segment

C, S = Side.CLIENT, Side.SERVER
MIDWAY = Handshake((), (), at(1), None, None, None, False)
SLOW = Handshake((at(1),), (at(2, 0.039),), at(3, 0.0391), 39_100_000, 39_000_000, 100_000, False)
ASKED = make_segment(1, C, 1.0, offset=100, length=20, new=20, ack=50)
ANSWERED = make_segment(2, S, 1.027, offset=50, length=30, new=30, ack=120)
HEARD = make_segment(3, C, 1.028, offset=120, length=0, ack=80)

SHOWN: dict[str, tuple[tuple[Segment, ...], int | None]] = {
    "both ways": ((ASKED, ANSWERED, HEARD), 28_000_000),
    "one way tells half of it": ((ASKED, ANSWERED), None),
    "the quickest counts": (
        (
            ASKED,
            make_segment(2, S, 1.5, offset=50, length=30, new=30, ack=120),
            make_segment(3, C, 1.501, offset=120, length=20, new=20, ack=80),
            make_segment(4, S, 1.528, offset=80, length=0, ack=140),
        ),
        28_000_000,
    ),
    "what was sent twice does not": (
        (ASKED._replace(odd=Odd.RETRANSMISSION, new=0), ANSWERED, HEARD),
        None,
    ),
}


@pytest.mark.parametrize(("segments", "expected"), SHOWN.values(), ids=SHOWN)
def test_acknowledgements_tell_the_round_trip(segments: tuple[Segment, ...], expected: int | None) -> None:
    assert round_trip_ns(make_connection(handshake=MIDWAY, segments=segments)) == expected


def test_a_slow_handshake_is_corrected() -> None:
    found = legs(make_connection(handshake=SLOW, segments=(ASKED, ANSWERED, HEARD)))
    assert (found.client_ns, found.server_ns, found.round_trip_ns) == (100_000, 27_000_000, 27_100_000)
