"""Whose FIN came first, by the acknowledgements of one side alone; and which segments deny a FIN."""

from __future__ import annotations

import pytest

from pcapdiag.capture.table import ACK, FIN
from pcapdiag.diagnosis.denials import denials
from pcapdiag.diagnosis.one_sided import first_close, may_hide_quit
from pcapdiag.model import Side
from pcapdiag.tcp.connection import Closing, Connection, Segment
from tests.factories import make_closing, make_connection, make_fin, make_half, make_reset, make_segment

C, S = Side.CLIENT, Side.SERVER

# Of the client, only: it says something, and acknowledges so many octets of the server in all.
TALK = [(1, 0.00, 20, 0), (2, 0.03, 30, 100), (3, 0.06, 27, 130)]

CLOSES = {
    # frames behind it (frame, seconds, octets, acknowledged), then the FIN's place -> whose FIN came first
    "the server's FIN is in the client's": ([(4, 5.0, 0, 131)], 0, S),
    "the server's FIN was acknowledged before": ([(4, 5.0, 0, 131), (5, 5.1, 0, 131)], 1, S),
    "the server's came a round trip later": ([(4, 5.0, 0, 130), (5, 5.03, 0, 131)], 0, C),
    "the two crossed": ([(4, 5.0, 0, 130), (5, 5.001, 0, 131)], 0, None),
    "octets came with the FIN": ([(4, 5.0, 0, 152)], 0, None),
    "no FIN of the server": ([(4, 5.0, 0, 130)], 0, None),
}


@pytest.mark.parametrize(("behind", "fin", "expected"), CLOSES.values(), ids=CLOSES)
def test_first_close(behind: list[tuple[int, float, int, int]], fin: int, expected: Side | None) -> None:
    segments = tuple([said(*each) for each in [*TALK, *behind]])
    close = first_close(one_sided(segments, make_closing(fins=(make_fin(4 + fin, C, behind[fin][1]),), resets=())))
    assert (close and close.side) is expected


def test_resets_leave_it_open() -> None:
    segments = tuple([said(*each) for each in [*TALK, (4, 5.0, 0, 131)]])
    closing = make_closing(fins=(make_fin(4, C, 5.0),), resets=(make_reset(5, C, 5.1),))
    assert first_close(one_sided(segments, closing)) is None


@pytest.mark.parametrize(("acked", "hides"), [([23, 6], True), ([23, 6, 1], True), ([6, 23, 1], False), ([23], False)])
def test_a_quit_may_hide(acked: list[int], hides: bool) -> None:
    totals = [sum(acked[: number + 1]) for number in range(len(acked))]
    segments = [make_segment(1, S, 0.0, ack=0)]
    segments += [make_segment(frame, S, frame * 1.0, ack=total) for frame, total in enumerate(totals, 2)]
    assert may_hide_quit(one_sided(tuple(segments), make_closing(fins=(), resets=()), seen=S)) is hides


DENIALS = {
    # segments behind the client's FIN (frame, side, seconds, FIN, offset, ack) -> frames of those that deny the server's
    "drawn by the FIN": ([(2, S, 0.03, False, 100, 50)], [2]),
    "each by a copy of it": (
        [(2, S, 0.03, False, 100, 50), (3, C, 1.0, True, 50, 101), (4, S, 1.03, False, 100, 50)],
        [2, 4],
    ),
    "two for one copy count once": ([(2, S, 0.02, False, 100, 50), (3, S, 0.03, False, 100, 50)], [2]),
    "a keep-alive comes when its timer says so": ([(2, S, 10.0, False, 100, 50), (3, S, 20.0, False, 100, 50)], []),
    "the client's FIN was taken in": ([(2, S, 0.03, False, 101, 51)], []),
    "it stands behind its FIN after all": ([(2, S, 0.03, False, 100, 50), (3, S, 0.2, False, 101, 51)], []),
}


@pytest.mark.parametrize(("behind", "frames"), DENIALS.values(), ids=DENIALS)
def test_denials(behind: list[tuple[int, Side, float, bool, int, int]], frames: list[int]) -> None:
    segments = [make_segment(1, C, 0.0, flags=ACK | FIN, offset=50, ack=101)]
    segments += [
        make_segment(frame, side, seconds, flags=ACK | FIN if fin else ACK, offset=offset, ack=ack)
        for frame, side, seconds, fin, offset, ack in behind
    ]
    fin = make_fin(1, C, 0.0, offset=50, ack=101)
    connection = make_connection(segments=tuple(segments), closing=make_closing(fins=(fin,), resets=()))
    assert [moment.frame for moment in denials(connection, S, 100)] == frames


def said(frame: int, seconds: float, octets: int, acked: int) -> Segment:
    return make_segment(frame, C, seconds, length=octets, new=octets, ack=acked)


def one_sided(segments: tuple[Segment, ...], closing: Closing, seen: Side = C) -> Connection:
    halves = (make_half(C, packets=0 if seen is S else 9), make_half(S, packets=0 if seen is C else 9))
    return make_connection(segments=segments, closing=closing, halves=halves)
