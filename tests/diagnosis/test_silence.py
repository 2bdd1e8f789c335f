"""Who stopped answering: repeats into silence, holes that stay, windows that stay shut."""

from __future__ import annotations

import pytest

from pcapdiag.capture.table import ACK, FIN, RST, SYN
from pcapdiag.diagnosis.silence import closed_window, fin_in_vain, hole, silence
from pcapdiag.model import Side
from pcapdiag.tcp.connection import Connection, Odd, Segment
from tests.factories import T0, make_connection, make_fin, make_half, make_segment

C, S = Side.CLIENT, Side.SERVER
AGAIN = Odd.RETRANSMISSION


def talk(*segments: Segment, client: int = 800, **fields: object) -> Connection:
    halves = (make_half(C, octets=client), make_half(S))
    return make_connection(segments=segments, halves=halves, **fields)


def data(
    frame: int, seconds: float, offset: int = 100, length: int = 50, odd: Odd = Odd.NONE, side: Side = C
) -> Segment:
    return make_segment(frame, side, seconds, odd, offset=offset, length=length, new=0 if odd else length)


def ack(frame: int, seconds: float, upto: int, odd: Odd = Odd.NONE, **fields: object) -> Segment:
    return make_segment(frame, S, seconds, odd, ack=upto, **fields)


SILENCES = {
    "two repeats over 0.9 s": ((data(2, 1.0), data(3, 1.3, odd=AGAIN), data(4, 1.9, odd=AGAIN)), 2),
    "one repeat is loss recovery": ((data(2, 1.0), data(3, 2.0, odd=AGAIN)), None),
    "two repeats in 0.8 s are loss recovery": ((data(2, 1.0), data(3, 1.3, odd=AGAIN), data(4, 1.8, odd=AGAIN)), None),
    "a bare acknowledgement breaks the silence": (
        (data(2, 1.0), data(3, 1.3, odd=AGAIN), data(4, 2.5, odd=AGAIN), ack(5, 2.6, 150)),
        None,
    ),
    "only what came after the last sign counts": (
        (data(2, 1.0), data(3, 1.3, odd=AGAIN), ack(4, 1.4, 150), data(5, 2.0, 150), data(6, 2.5, 150, odd=AGAIN)),
        None,
    ),
    "new octets without repeats are no silence": ((data(2, 1.0), data(3, 2.0, 150), data(4, 3.0, 200)), None),
    "a refused segment of the other side is no sign of life": (
        (data(2, 1.0), data(3, 1.3, odd=AGAIN), ack(4, 1.5, 150, odd=Odd.REFUSED), data(5, 2.5, odd=AGAIN)),
        2,
    ),
}


@pytest.mark.parametrize(("segments", "repeats"), SILENCES.values(), ids=SILENCES)
def test_silence(segments: tuple[Segment, ...], repeats: int | None) -> None:
    found = silence(talk(ack(1, 0.5, 100), *segments), C, None)
    assert (len(found.repeats) if found else None) == repeats


def test_silence_tells_what_was_repeated() -> None:
    fin = make_segment(2, C, 1.0, flags=FIN | ACK, offset=800)
    fins = [make_segment(frame, C, float(frame), AGAIN, flags=FIN | ACK, offset=800) for frame in (3, 4)]
    found = silence(talk(ack(1, 0.5, 800), fin, *fins), C, None)
    assert found is not None
    assert (found.of_fin, found.probes, found.sender, found.span_ns) == (True, False, C, 3_000_000_000)
    assert (found.unanswered, found.last_sign) == (fin.at, ack(1, 0.5, 800).at)

    probes = [make_segment(frame, C, float(frame), Odd.KEEP_ALIVE, offset=799) for frame in (2, 3, 4)]
    found = silence(talk(ack(1, 0.5, 800), *probes), C, None)
    assert found is not None
    assert (found.of_fin, found.probes) == (False, True)


def test_octets_repeated_with_the_fin_are_not_the_fin_alone() -> None:
    fins = [make_segment(frame, C, float(frame), AGAIN, flags=FIN | ACK, offset=800) for frame in (4, 5)]
    found = silence(talk(ack(1, 0.5, 100), data(2, 1.0), data(3, 2.0, odd=AGAIN), *fins), C, None)
    assert found is not None
    assert not found.of_fin


def test_silence_before_a_moment_looks_no_further() -> None:
    connection = talk(
        ack(1, 0.5, 100), data(2, 1.0), data(3, 2.0, odd=AGAIN), data(4, 3.0, odd=AGAIN), ack(5, 9.0, 150)
    )
    assert silence(connection, C, None) is None
    before = silence(connection, C, ack(5, 9.0, 150).at)
    assert before is not None
    assert before.span_ns == 2_000_000_000, "the sentence is about the repeats"


def test_silence_lasts_until_the_close() -> None:
    connection = talk(ack(1, 0.5, 100), data(2, 1.0), data(3, 1.2, odd=AGAIN), data(4, 1.6, odd=AGAIN))
    assert silence(connection, C, None) is None
    assert silence(connection, C, make_segment(5, C, 1.8).at) is None
    assert silence(connection, C, make_segment(5, C, 1.9).at) is not None


def sampled(*segments: Segment, acked: int, at: float) -> Connection:
    """Of which the segment was not kept that acknowledged the client's octets for the last time."""
    halves = (make_half(C, octets=5800, acked=acked), make_half(S, last_advance=ack(90, at, acked).at))
    return make_connection(segments=segments, halves=halves, sampled=True)


def test_an_acknowledgement_in_front_of_a_large_window_was_no_silence() -> None:
    """Losses that were repaired in the middle of a long message; then a whole window, and the client goes."""
    repaired = [data(frame, frame / 10, odd=AGAIN) for frame in (20, 30)]
    window = [data(100 + n, 5.0, 2000 + 50 * n) for n in range(64)]
    gone = make_segment(200, C, 5.1).at
    assert silence(sampled(ack(1, 0.5, 100), *repaired, *window, acked=2000, at=4.9), C, gone) is None
    assert silence(talk(ack(1, 0.5, 100), *repaired, *window), C, gone) is not None, "had nothing been acknowledged"


def test_a_hole_begins_where_the_last_acknowledgement_ended_though_it_was_not_kept() -> None:
    window = [data(100 + n, 5.0, 2000 + 50 * n) for n in range(64)]
    again = [data(frame, frame / 30, 2000, odd=AGAIN) for frame in (180, 195, 210)]
    reset = make_segment(220, S, 8.0, flags=RST | ACK, ack=2000)
    found = hole(sampled(ack(1, 0.5, 100), *window, *again, reset, acked=2000, at=4.9), C, None)
    assert found is not None
    assert (found.offset, found.answers) == (2000, (reset.at,))


def test_a_fin_in_vain() -> None:
    fins = [make_segment(n, C, float(n), AGAIN if n > 2 else Odd.NONE, flags=FIN | ACK, offset=800) for n in (2, 3, 4)]
    note = make_fin(2, C, 2.0, acked=None)
    assert fin_in_vain(talk(ack(1, 0.5, 800), *fins), note) == (fins[1].at, fins[2].at)
    assert fin_in_vain(talk(*fins[:1]), note) == ()
    assert fin_in_vain(talk(*fins, ack(5, 5.0, 800)), note) == (), "the other side lives"
    assert fin_in_vain(talk(*fins), make_fin(2, C, 2.0)) == ()


def test_a_syn_that_nobody_answers_is_silence() -> None:
    syns = [make_segment(n, C, float(2**n), AGAIN if n > 1 else Odd.NONE, flags=SYN, offset=-1) for n in (1, 2, 3)]
    found = silence(talk(*syns), C, None)
    assert found is not None
    assert found.last_sign is None


REPEATED = (data(2, 1.0), data(3, 1.3, odd=AGAIN), data(4, 2.5, odd=AGAIN))
HOLES = {
    "repeated, answered, never acknowledged": ((*REPEATED, ack(5, 2.6, 100)), (2, False, True)),
    "repeated, and SACK reports what lies beyond": (
        (*REPEATED[:1], ack(5, 1.1, 100, sack=((150, 200),)), *REPEATED[1:]),
        (2, True, True),
    ),
    "nobody answers any more: that is silence": (REPEATED, None),
    "repeated, and a reset that does not acknowledge it": (
        (*REPEATED, make_segment(5, S, 4.0, flags=RST | ACK, ack=100, window=0)),
        (2, False, True),
    ),
    "a reset that says something else is no answer": (
        (*REPEATED, make_segment(5, S, 4.0, flags=RST | ACK, ack=0)),
        None,
    ),
    "reported before its first octet was captured": (
        (data(2, 0.9, 150), ack(3, 0.95, 100, sack=((150, 200),)), *REPEATED),
        (2, True, True),
    ),
    "acknowledged in the end": ((*REPEATED, ack(5, 2.6, 800)), None),
    "a closed window is no hole": ((*REPEATED, ack(5, 2.6, 100, window=0)), None),
    "repeated within 0.8 s": ((data(2, 1.0), *[data(n, 1 + n / 5, odd=AGAIN) for n in (3, 4)], ack(5, 2.6, 100)), None),
    "seen here, and reported, but sent once only": (
        (data(2, 1.0), data(3, 1.1, 150), ack(4, 1.2, 100, sack=((150, 200),))),
        None,
    ),
    "never seen here, and the receiver reports it": (
        (
            data(2, 1.0, 150),
            ack(3, 1.1, 100, sack=((150, 200),)),
            data(4, 1.2, 200),
            ack(5, 1.3, 100, odd=Odd.DUPLICATE_ACK),
        ),
        (0, True, False),
    ),
}


@pytest.mark.parametrize(("segments", "expected"), HOLES.values(), ids=HOLES)
def test_hole(segments: tuple[Segment, ...], expected: tuple[int, bool, bool] | None) -> None:
    found = hole(talk(ack(1, 0.5, 100), *segments), C, None)
    assert (found and (len(found.repeats), found.received_beyond, found.seen)) == expected
    assert found is None or found.offset == 100


def test_a_hole_that_was_reported_only_just_now_is_none() -> None:
    segments = (data(2, 1.0, 150), ack(3, 1.1, 100, sack=((150, 200),)))
    assert hole(talk(*segments, until_ns=T0 + 1_900_000_000), C, None) is None
    assert hole(talk(*segments, until_ns=T0 + 2_100_000_000), C, None) is not None


def test_closed_window() -> None:
    shut = [make_segment(n, S, float(n), Odd.ZERO_WINDOW, window=0) for n in (2, 3)]
    connection = talk(make_segment(1, S, 1.0), *shut)
    assert closed_window(connection, S, None) == tuple(each.at for each in shut)
    assert closed_window(connection, C, None) == ()
    assert closed_window(talk(*shut, make_segment(4, S, 4.0)), S, None) == (), "it opened again"
    assert closed_window(talk(*shut, make_segment(4, S, 4.0)), S, make_segment(4, S, 4.0).at) != ()
