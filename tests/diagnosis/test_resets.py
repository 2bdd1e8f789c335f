"""What a reset's shape, TTL, clock, copies and aftermath say about who sent it."""

from __future__ import annotations

from typing import Any

import pytest

from pcapdiag.capture.table import ACK, RST, SYN
from pcapdiag.diagnosis.resets import Shape, Ttl, forged_pair, origin, shape_of, went_on
from pcapdiag.model import Side
from pcapdiag.session import Session
from pcapdiag.tcp.connection import Reset, Segment
from tests.factories import (
    SERVER,
    FewHosts,
    at,
    make_closing,
    make_connection,
    make_dialogue,
    make_half,
    make_reset,
    make_segment,
    make_surroundings,
)

C, S = Side.CLIENT, Side.SERVER

SHAPES = [
    # flags, window, tsval, does the side use timestamps, shape
    (RST | ACK, 501, 7, True, Shape.ACTIVE),
    (RST | ACK, 501, -1, True, Shape.ACTIVE),
    (RST | ACK, 0, 7, True, Shape.ACTIVE),
    (RST | ACK, 0, -1, True, Shape.PLAIN),
    (RST | ACK, 0, -1, False, Shape.ACTIVE),
    (RST, 0, -1, True, Shape.REPLY),
    (RST, 501, 7, False, Shape.REPLY),
]


@pytest.mark.parametrize(("flags", "window", "tsval", "uses", "shape"), SHAPES)
def test_shape(flags: int, window: int, tsval: int, uses: bool, shape: Shape) -> None:
    connection = make_connection(halves=(make_half(C), make_half(S, timestamps=uses)))
    assert shape_of(connection, make_reset(flags=flags, window=window, tsval=tsval)) is shape


TTLS = [
    # the reset's TTL, those before in the connection, those of the address in the capture, verdict, usual
    (52, ((52, 3),), {52}, Ttl.USUAL, 52),
    (51, ((52, 3),), {52}, Ttl.FOREIGN, 52),
    (51, ((52, 2),), {52}, Ttl.FOREIGN_FEW, 52),
    (51, ((52, 3),), {51, 52}, Ttl.UNKNOWN, 52),
    (51, ((52, 3), (51, 1)), {51, 52}, Ttl.USUAL, None),
    (64, ((52, 3), (51, 1)), {51, 52}, Ttl.UNKNOWN, None),
    (64, (), set(), Ttl.UNKNOWN, None),
    (52, (), {52, 51}, Ttl.USUAL, 52),
    (64, (), {52}, Ttl.FOREIGN, 52),
    (64, (), {52, 51}, Ttl.FOREIGN_FEW, None),
]


@pytest.mark.parametrize(("ttl", "before", "known", "expected", "usual"), TTLS)
def test_ttl(ttl: int, before: tuple[tuple[int, int], ...], known: set[int], expected: Ttl, usual: int | None) -> None:
    reset = make_reset(ttl=ttl, ttl_before=before)
    around = make_surroundings(hosts=FewHosts({SERVER.address: frozenset(known)}))
    found = origin(Session(make_connection(), make_dialogue()), around, reset)
    assert (found.ttl, found.usual_ttl) == (expected, usual)
    assert found.foreign is (expected is Ttl.FOREIGN)


@pytest.mark.parametrize(
    ("error", "stale"), [(None, False), (4.0, False), (-100.0, False), (100.1, True), (-250.0, True)]
)
def test_clock(error: float | None, stale: bool) -> None:
    found = origin(Session(make_connection(), make_dialogue()), make_surroundings(), make_reset(clock_error_ms=error))
    assert found.stale_clock is found.foreign is stale


LEGS = [
    # packets of the side, copies of them, is the capture a double one, copies of the reset
    (10, 8, True, 0, True),
    (10, 7, True, 0, False),
    (10, 10, True, 1, False),
    (10, 10, False, 0, False),
    (2, 2, True, 0, False),
]


@pytest.mark.parametrize(("packets", "copies", "double", "own", "expected"), LEGS)
def test_seen_on_one_leg(packets: int, copies: int, double: bool, own: int, expected: bool) -> None:
    connection = make_connection(halves=(make_half(C), make_half(S, packets=packets, copies=copies)), duplicates=double)
    found = origin(Session(connection, make_dialogue()), make_surroundings(), make_reset(copies=own))
    assert found.one_leg is found.foreign is expected


AFTERWARDS: dict[str, tuple[Segment, bool]] = {
    "later than what can be under way": (make_segment(21, S, 3.1051), True),
    "still under way": (make_segment(21, S, 3.1049), False),
    "acknowledges what was sent after the reset": (make_segment(21, S, 3.104, ack=150), True),
    "another reset": (make_segment(21, S, 4.0, flags=RST), False),
    "a SYN of the next connection": (make_segment(21, S, 4.0, flags=SYN), False),
    "the other side": (make_segment(21, C, 4.0), False),
    "before the reset": (make_segment(18, S, 3.0), False),
}


@pytest.mark.parametrize(("segment", "counts"), AFTERWARDS.values(), ids=AFTERWARDS)
def test_went_on(segment: Segment, counts: bool) -> None:
    news = make_segment(20, C, 3.102, offset=100, length=50, new=50)
    segments = tuple(sorted((news, segment), key=lambda each: each.at))
    assert (went_on(make_connection(segments=segments), make_reset(19, S, 3.1)) == (segment.at,)) is counts


def bare(frame: int, claimed: Side, seconds: float, **fields: Any) -> Reset:
    return make_reset(frame, claimed, seconds, flags=RST, window=0, **fields)


PAIRS: dict[str, tuple[tuple[Reset, Reset], tuple[Segment, ...], bool]] = {
    "both ways, neither answers": ((bare(19, S, 3.1), bare(20, C, 3.2)), (), True),
    "same direction": ((bare(19, S, 3.1), bare(20, S, 3.2)), (), False),
    "more than a second apart": ((bare(19, S, 3.1), bare(20, C, 4.2)), (), False),
    "the second answers a segment after the first": (
        (bare(19, S, 3.0), bare(20, C, 3.2, provoked_by=at(20, 3.1))),
        (),
        False,
    ),
    "the second has an ACK": ((bare(19, S, 3.1), make_reset(20, C, 3.2)), (), False),
    "a segment was under way to the socket that the first ended": (
        (bare(19, S, 3.1), bare(20, C, 3.12)),
        (make_segment(18, S, 3.09),),
        False,
    ),
    "that segment came long before": ((bare(19, S, 3.1), bare(20, C, 3.2)), (make_segment(18, S, 3.0),), True),
}


@pytest.mark.parametrize(("resets", "segments", "expected"), PAIRS.values(), ids=PAIRS)
def test_forged_pair(resets: tuple[Reset, Reset], segments: tuple[Segment, ...], expected: bool) -> None:
    connection = make_connection(closing=make_closing((), resets), segments=segments)
    assert forged_pair(connection) == (resets if expected else None)
