"""What a reset's shape, TTL, clock, copies and aftermath say about who sent it."""

from __future__ import annotations

from typing import Any

import pytest

from pcapdiag.capture.table import ACK, FIN, RST, SYN
from pcapdiag.diagnosis.aftermath import took_in, went_on
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.resets import Shape, Ttl, forged_pair, origin, shape_of
from pcapdiag.diagnosis.rules.forged_fin import forged_fin
from pcapdiag.model import Side, Strength
from pcapdiag.session import Session
from pcapdiag.tcp.connection import Reset, Segment
from tests.factories import (
    SERVER,
    FewHosts,
    at,
    make_closing,
    make_connection,
    make_dialogue,
    make_fin,
    make_half,
    make_reply,
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
    ("error", "stale"), [(None, False), (4.0, False), (-100.0, False), (-100.1, True), (250.0, False), (250.1, True)]
)
def test_clock(error: float | None, stale: bool) -> None:
    found = origin(Session(make_connection(), make_dialogue()), make_surroundings(), make_reset(clock_error_ms=error))
    assert found.stale_clock is found.foreign is stale


LEGS = [
    # packets of the side, copies of them, is the capture a double one, copies of the reset, and of packets after it: seen
    # once only, proof that the other point was still captured
    (10, 8, True, 0, 1, True, True),
    (10, 8, True, 0, 0, True, False),
    (10, 7, True, 0, 1, False, False),
    (10, 10, True, 1, 1, False, False),
    (10, 10, False, 0, 1, False, False),
    (2, 2, True, 0, 1, False, False),
]


@pytest.mark.parametrize(("packets", "copies", "double", "own", "after", "once", "leg"), LEGS)
def test_seen_on_one_leg(packets: int, copies: int, double: bool, own: int, after: int, once: bool, leg: bool) -> None:
    half = make_half(S, packets=packets, copies=copies, ttls=((52, packets),))
    connection = make_connection(halves=(make_half(C), half), duplicates=double)
    reset = make_reset(copies=own, copies_after=after)
    found = origin(Session(connection, make_dialogue()), make_surroundings(), reset)
    assert (found.once, found.one_leg, found.foreign) == (once, leg, leg)


OTHERS = [
    # the other resets, seen once only, with the other side's as a second witness
    ((), True, False),
    ((make_reset(29, S, 8.1, seq=4711),), False, False),  # the same, seen at a point whose clock is five seconds late
    ((make_reset(29, S, 8.1, seq=4711, flags=RST),), True, False),
    ((make_reset(20, C, 3.2),), True, True),
    ((make_reset(20, C, 3.2, copies=1),), True, False),
]


@pytest.mark.parametrize(("others", "once", "leg"), OTHERS)
def test_other_resets_beside_one_seen_once(others: tuple[Reset, ...], once: bool, leg: bool) -> None:
    halves = (make_half(C, packets=10, copies=10), make_half(S, packets=10, copies=10))
    reset = make_reset(19, S, 3.1, seq=4711)
    connection = make_connection(halves=halves, duplicates=True, closing=make_closing((), (reset, *others)))
    found = origin(Session(connection, make_dialogue()), make_surroundings(), reset)
    assert (found.once, found.one_leg) == (once, leg)


FEW = [
    # earlier packets of this connection with one TTL, was the address seen before it, verdict about another TTL
    (2, True, Ttl.FOREIGN),
    (2, False, Ttl.FOREIGN_FEW),
    (1, True, Ttl.FOREIGN_FEW),
]


@pytest.mark.parametrize(("count", "earlier", "expected"), FEW)
def test_other_connections_add_to_the_baseline(count: int, earlier: bool, expected: Ttl) -> None:
    hosts = FewHosts({SERVER.address: frozenset({52})}, alive=frozenset({SERVER.address} if earlier else ()))
    reset = make_reset(ttl=33, ttl_before=((52, count),))
    assert origin(Session(make_connection(), make_dialogue()), make_surroundings(hosts=hosts), reset).ttl is expected


WORDS = [
    # the server's TTLs before a reset with TTL 33, that of its last segment, what that segment said, verdict
    (((52, 3), (33, 1)), 33, 554, Ttl.WITH_WORDS),
    (((52, 3), (33, 1)), 33, 421, Ttl.WITH_WORDS),
    (((52, 3), (33, 1)), 33, 250, Ttl.USUAL),
    (((52, 2), (33, 1)), 33, 554, Ttl.USUAL),
    (((52, 3), (33, 2)), 33, 554, Ttl.USUAL),
    (((33, 1), (52, 3)), 33, 554, Ttl.USUAL),
    (((52, 3), (33, 1)), 52, 554, Ttl.USUAL),
]


@pytest.mark.parametrize(("before", "ttl", "code", "expected"), WORDS)
def test_a_ttl_of_the_refusal_only(before: tuple[tuple[int, int], ...], ttl: int, code: int, expected: Ttl) -> None:
    around = make_surroundings(hosts=FewHosts({SERVER.address: frozenset({52, 33})}))
    segment = make_segment(18, S, 3.0, ttl=ttl, length=19, new=19)
    dialogue = make_dialogue(entries=(make_reply(code, b"5.7.1 blocked", 18, 3.0),))
    session = Session(make_connection(segments=(segment,)), dialogue)
    assert origin(session, around, make_reset(ttl=33, ttl_before=before)).ttl is expected


def _ticking(*lags: float) -> tuple[Segment, ...]:
    """The server's packets before a reset at 3.1 s, a second apart, on a clock of a millisecond; late by so many seconds."""
    return tuple(make_segment(n, S, n + lag, tsval=1000 * n) for n, lag in enumerate(lags))


ABORT, BARE = make_reset(19, S, 3.1, offset=400), make_reset(19, S, 3.1, flags=RST, window=0, offset=400)
STAMPED = make_reset(19, S, 3.1, tsval=3100, clock_error_ms=0.0)
NEWS = make_segment(20, C, 3.102, offset=100, length=50, new=50)

AFTERWARDS: dict[str, tuple[Reset, tuple[Segment, ...], Segment, bool]] = {
    "acknowledges what was sent after the reset": (BARE, (NEWS,), make_segment(21, S, 3.103, ack=150), True),
    "acknowledges less": (BARE, (NEWS,), make_segment(21, S, 9.0, ack=149), False),
    "old octets, however late": (BARE, (), make_segment(21, S, 9.0, offset=300, length=100), False),
    "new octets, held back behind a reset that stands where it was asked": (
        BARE, (), make_segment(21, S, 3.2, offset=400, length=14, new=14), False,
    ),
    "octets beyond where an abort ended the stream": (
        ABORT, (), make_segment(21, S, 3.2, offset=400, length=14, new=14), True,
    ),
    "a FIN beyond it": (ABORT, (), make_segment(21, S, 3.2, offset=400, flags=FIN | ACK), True),
    "stamped before the reset": (STAMPED, (), make_segment(21, S, 9.0, tsval=3100), False),
    "stamped after the reset": (STAMPED, (), make_segment(21, S, 3.1, tsval=3101), True),
    "on a steady clock, before the reset": (BARE, _ticking(0, 0, 0), make_segment(21, S, 9.0, tsval=3090), False),
    "on a steady clock, within the tolerance": (BARE, _ticking(0, 0, 0), make_segment(21, S, 9.0, tsval=3199), False),
    "on a steady clock, after the reset": (BARE, _ticking(0, 0, 0), make_segment(21, S, 9.0, tsval=3202), True),
    "on a path that delays, within what it delays": (
        BARE, _ticking(0.1, 0, 0.1), make_segment(21, S, 9.0, tsval=3299), False,
    ),
    "on a path that delays, beyond": (BARE, _ticking(0.1, 0, 0.1), make_segment(21, S, 9.0, tsval=3302), True),
    "on a clock of an unknown rate": (
        BARE, (make_segment(0, S, 0, tsval=0), make_segment(1, S, 1, tsval=64)), make_segment(21, S, 9.0, tsval=999), False,
    ),
    "another reset": (BARE, (NEWS,), make_segment(21, S, 4.0, flags=RST | ACK, ack=150), False),
    "a SYN of the next connection": (BARE, (NEWS,), make_segment(21, S, 4.0, flags=SYN | ACK, ack=150), False),
    "the other side": (ABORT, (), make_segment(21, C, 4.0, offset=400, length=9), False),
    "before the reset": (ABORT, (), make_segment(18, S, 3.0, offset=400, length=9), False),
}  # fmt: skip


@pytest.mark.parametrize(("reset", "others", "segment", "counts"), AFTERWARDS.values(), ids=AFTERWARDS)
def test_went_on(reset: Reset, others: tuple[Segment, ...], segment: Segment, counts: bool) -> None:
    segments = tuple(sorted((*others, segment), key=lambda each: each.at))
    halves = (make_half(C), make_half(S, timestamps=segment.tsval >= 0))
    assert (went_on(make_connection(segments=segments, halves=halves), reset) == (segment.at,)) is counts


ASKED = make_segment(18, C, 3.0, ack=400, offset=50, length=50, new=50)
TAKEN: dict[str, tuple[Reset, tuple[Segment, ...], int, bool]] = {
    # the reset, the client's segments before it, how far the server acknowledges afterwards, does that contradict
    "all that it could answer": (BARE, (ASKED,), 100, True),
    "not all": (BARE, (ASKED,), 99, False),
    "an abort answers nothing": (ABORT, (ASKED,), 100, False),
    "nothing fits": (BARE, (make_segment(18, C, 3.0, ack=300, length=50, new=50),), 100, False),
    "an acknowledgement could have drawn it": (BARE, (make_segment(17, C, 2.9, ack=400), ASKED), 100, False),
    "a repeat could have drawn it": (BARE, (ASKED, make_segment(18, C, 3.05, ack=400, offset=50, length=50)), 100, False),
}  # fmt: skip


@pytest.mark.parametrize(("reset", "before", "ack", "counts"), TAKEN.values(), ids=TAKEN)
def test_took_in(reset: Reset, before: tuple[Segment, ...], ack: int, counts: bool) -> None:
    late = make_segment(20, S, 3.11, ack=ack)
    assert (took_in(make_connection(segments=(*before, late)), reset) == (late.at,)) is counts


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


FIN_TTLS = [
    # TTLs of the server's packets before its FIN with TTL 61, and after it, those of its address, was all captured twice
    ((52, 52, 52), (), {52}, False, True),
    ((52, 52), (), {52}, False, False),
    ((52, 51, 52), (), {51, 52}, False, False),
    ((61, 61, 61), (), {61}, False, False),
    ((52, 52, 52), (61,), {52}, False, False),
    ((52, 52, 52), (52,), {52}, False, True),
    ((52, 52, 52), (), {52, 61}, False, True),
    ((52, 52, 52), (), {52, 61}, True, False),  # two points, and clocks that differ
    ((52, 52, 52), (), {52, 51}, True, True),
]


@pytest.mark.parametrize(("before", "after", "known", "twice", "expected"), FIN_TTLS)
def test_ttl_of_a_fin(
    before: tuple[int, ...], after: tuple[int, ...], known: set[int], twice: bool, expected: bool
) -> None:
    fin = make_fin(10, S, 1.0, ttl=61, offset=0, acked=None)
    segments = (
        *(make_segment(number, S, 0.1 * number, ttl=ttl) for number, ttl in enumerate(before, 1)),
        *(make_segment(number, S, 0.1 * number, ttl=ttl) for number, ttl in enumerate(after, 11)),
    )
    connection = make_connection(closing=make_closing((fin,)), segments=segments, duplicates=twice)
    dialogue = make_dialogue(exchanges=(), entries=(), transactions=())
    around = make_surroundings(hosts=FewHosts({SERVER.address: frozenset(known)}))
    see = Observation(Session(connection, dialogue), around)
    assert see.ending.fin is fin
    assert [claim.strength for claim in forged_fin.check(see)] == ([Strength.LIKELY] if expected else [])
