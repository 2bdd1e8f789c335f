"""What ended a session: the first close by cause, or the silence in its place."""

from __future__ import annotations

from typing import Any

import pytest

from pcapdiag.capture.table import ACK, FIN, RST, IcmpError
from pcapdiag.diagnosis.closes import cause_of, closes_of
from pcapdiag.diagnosis.ending import Ending, Kind, find_ending
from pcapdiag.model import Moment, Side, Stage
from pcapdiag.session import Session
from pcapdiag.smtp.dialogue import DOT, Exchange, Reply, Tls
from pcapdiag.tcp.connection import Effect, Fin, Handshake, Odd, Reset, Segment
from tests.factories import (
    CLIENT,
    SERVER,
    at,
    make_closing,
    make_command,
    make_connection,
    make_dialogue,
    make_fin,
    make_half,
    make_reply,
    make_reset,
    make_segment,
)

C, S = Side.CLIENT, Side.SERVER
OPENED = Handshake((at(1),), (at(2, 0.03),), at(3, 0.03), 30_000_000, 30_000_000, 100_000, False)
AT_SERVER = Handshake((at(1),), (at(2, 0.0001),), at(3, 0.03), 30_000_000, 100_000, 30_000_000, False)
MIDWAY = Handshake((), (), at(1), None, None, None, False)
AGAIN = Odd.RETRANSMISSION

FIN_C = make_fin(19, C, 3.1, ack=800, acked=at(20, 3.13))
FIN_S = make_fin(19, S, 3.1, ack=800, acked=at(20, 3.13))
RST_S = make_reset(19, S, 3.1)
SAID = make_segment(18, C, 3.0, offset=780, length=20, new=20)


def ended(
    *closes: Fin | Reset,
    segments: tuple[Segment, ...] = (SAID,),
    entries: tuple[Reply, ...] = (),
    exchanges: tuple[Exchange, ...] = (),
    icmp: tuple[tuple[Moment, IcmpError], ...] = (),
    handshake: Handshake = OPENED,
    packets: tuple[int, int] = (10, 10),
    acked: tuple[int, int] = (800, 800),
    tls: Tls | None = None,
    recognised: bool = True,
) -> Session:
    """A session of 800 octets each way, without QUIT unless `exchanges` has one."""
    fins = tuple(each for each in closes if isinstance(each, Fin))
    resets = tuple(each for each in closes if isinstance(each, Reset))
    connection = make_connection(
        handshake=handshake,
        halves=(make_half(C, packets=packets[0], acked=acked[0]), make_half(S, packets=packets[1], acked=acked[1])),
        closing=make_closing(fins, resets),
        segments=tuple(sorted(segments, key=lambda each: each.at)),
        icmp=icmp,
    )
    return Session(
        connection,
        make_dialogue(entries=entries, exchanges=exchanges, transactions=(), tls=tls, recognised=recognised),
    )


def repeated(side: Side, *, fin: bool = False) -> tuple[Segment, ...]:
    flags = FIN | ACK if fin else ACK
    return tuple(
        make_segment(20 + n, side, 4.0 + n, AGAIN if n else Odd.NONE, flags=flags, offset=800, length=0 if fin else 20)
        for n in range(3)
    )


def icmp(seconds: float, code: int = 13) -> tuple[Moment, IcmpError]:
    moment = at(20, seconds)
    error = IcmpError(
        0, moment.time_ns, 0, 20, "203.0.113.1", 4, 3, code, None, *(CLIENT[0], SERVER[0]), CLIENT[1], SERVER[1], 7
    )
    return moment, error


QUIT = Exchange(make_command(b"QUIT", b"", 17, 2.9, end=800), make_reply(221, b"", 18, 3.0, end=800), Stage.QUIT)
QUIT_UNANSWERED = QUIT._replace(reply=None)
DOT_UNANSWERED = Exchange(make_command(DOT, b"", 16, 2.9, end=780), None, Stage.END_OF_DATA)

CASES: dict[str, tuple[Session, Kind, Side | None]] = {
    "the client's FIN": (ended(FIN_C), Kind.FIN, C),
    "the server's FIN": (ended(FIN_S), Kind.FIN, S),
    "the first of two": (ended(FIN_C, make_fin(21, S, 3.5, ack=801)), Kind.FIN, C),
    "a FIN that was refused is none": (ended(make_fin(18, S, 3.0, accepted=False), FIN_C), Kind.FIN, C),
    "a reset": (ended(RST_S), Kind.RST, S),
    "a reset that was refused is none": (ended(make_reset(18, S, 3.0, effect=Effect.REFUSED), FIN_C), Kind.FIN, C),
    "an echo is none": (ended(make_reset(18, S, 3.0, effect=Effect.ECHO), FIN_C), Kind.FIN, C),
    "nothing closed it": (ended(), Kind.OPEN, None),
    "QUIT, and the close": (ended(FIN_C, exchanges=(QUIT,)), Kind.QUIT, C),
    "QUIT, and no close": (ended(exchanges=(QUIT,)), Kind.OPEN, None),
    "QUIT behind a dot without its reply": (ended(FIN_S, exchanges=(DOT_UNANSWERED, QUIT)), Kind.FIN, S),
    "Exim: dot, QUIT and FIN in one go is no close": (
        ended(make_fin(17, C, 2.9, offset=800), make_fin(21, S, 9.0, ack=801), exchanges=(DOT_UNANSWERED, QUIT_UNANSWERED)),
        Kind.FIN,
        S,
    ),
    "a FIN behind anything else is one": (
        ended(make_fin(17, C, 2.9, offset=800), make_fin(21, S, 9.0, ack=801), exchanges=(DOT_UNANSWERED,)),
        Kind.FIN,
        C,
    ),
    "a QUIT that nobody acknowledged": (
        ended(
            exchanges=(Exchange(make_command(b"QUIT", b"", 20, 4.0, end=820), None, Stage.QUIT),), segments=repeated(C)
        ),
        Kind.SILENCE,
        S,
    ),
    "only the client's packets": (ended(FIN_C, packets=(10, 0)), Kind.ONE_DIRECTION, C),
    "a FIN and nothing before it": (ended(FIN_C, handshake=MIDWAY, segments=()), Kind.FRAGMENT, None),
    "midway, but something was said": (ended(FIN_C, handshake=MIDWAY), Kind.FIN, C),
    "three packets of nothing known": (
        ended(handshake=MIDWAY, packets=(2, 1), recognised=False, segments=()),
        Kind.FRAGMENT,
        None,
    ),
    "four packets may be judged": (ended(handshake=MIDWAY, packets=(2, 2), recognised=False, segments=()), Kind.OPEN, None),
    "ICMP, and silence after it": (ended(icmp=(icmp(3.05),)), Kind.ICMP, C),
    "ICMP, and the server went on": (ended(icmp=(icmp(3.05),), segments=(SAID, make_segment(21, S, 3.1))), Kind.OPEN, None),
    "ICMP, and the server's own close, which acknowledges nothing more": (
        ended(
            make_fin(23, S, 7.0, ack=780, acked=None),
            icmp=(icmp(3.05),),
            segments=(
                make_segment(17, S, 2.9, ack=780),
                SAID,
                make_segment(23, S, 7.0, flags=FIN | ACK, offset=800, length=0, ack=780),
            ),
        ),
        Kind.ICMP,
        C,
    ),
    "ICMP after the close": (ended(FIN_S, icmp=(icmp(3.2),)), Kind.FIN, S),
    "ICMP that asks for smaller packets": (ended(icmp=(icmp(3.05, code=4),)), Kind.OPEN, None),
    "repeats into silence": (ended(segments=repeated(C)), Kind.SILENCE, S),
    "and then the client gave up": (ended(make_fin(30, C, 7.0), segments=repeated(C)), Kind.SILENCE, S),
    "a FIN that met silence": (
        ended(make_fin(20, C, 4.0, acked=None), segments=(SAID, *repeated(C, fin=True))),
        Kind.SILENCE,
        S,
    ),
    "a FIN that was acknowledged, repeats afterwards": (
        ended(make_fin(20, C, 4.0, acked=at(25, 6.5)), segments=(SAID, *repeated(C, fin=True))),
        Kind.FIN,
        C,
    ),
    "a FIN that was not acknowledged, but the server spoke after it": (
        ended(
            make_fin(18, C, 3.5, acked=None), segments=(SAID, make_segment(19, S, 3.8), *repeated(C, fin=True))
        ),
        Kind.FIN,
        C,
    ),
    "a hole, and then a close": (
        ended(
            make_fin(30, S, 9.0),
            segments=(*[make_segment(20 + n, C, 4.0 + n, AGAIN if n else Odd.NONE, offset=700, length=100) for n in range(3)],
                      make_segment(24, S, 6.5, ack=700)),
        ),
        Kind.HOLE,
        C,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("session", "kind", "side"), CASES.values(), ids=CASES)
def test_ending(session: Session, kind: Kind, side: Side | None) -> None:
    found = find_ending(session)
    assert (found.kind, found.side) == (kind, side)


def test_the_handshake_that_never_completed() -> None:
    opening = Handshake((at(1),), (), None, None, None, None, False)
    silent = make_half(S, packets=0, octets=0, acked=0)
    tried = make_connection(
        handshake=opening, halves=(make_half(C, octets=0, acked=0), silent), closing=make_closing(()), segments=()
    )
    assert find_ending(Session(tried, make_dialogue(entries=(), exchanges=()))).kind is Kind.CONNECT
    # The server's direction was not captured: the client cannot have sent octets without a handshake.
    spoke = make_connection(handshake=opening, halves=(make_half(C), silent), closing=make_closing(()), segments=())
    assert find_ending(Session(spoke, make_dialogue(entries=(), exchanges=()))).kind is Kind.ONE_DIRECTION


def test_the_give_up_after_a_silence_is_kept() -> None:
    found = find_ending(ended(make_fin(30, C, 7.0), segments=repeated(C)))
    assert found.later == found.at == at(30, 7.0)
    assert found.silence is not None
    assert find_ending(ended(segments=repeated(C))).later is None


def crossing(between: float, code: int | None, said: float, heard: bool) -> Ending:
    """The client's FIN, then the server's, sent before it had seen the client's. A round trip takes 30 ms."""
    first = make_fin(19, C, 3.1, ack=800 if heard else 780, offset=800)
    second = make_fin(20, S, 3.1 + between, ack=800, offset=800)
    entries = (make_reply(code, b"no", 18, said, end=800),) if code else ()
    segments = (SAID._replace(ack=780), make_segment(19, C, 3.1, flags=FIN | ACK, offset=800, length=0, ack=first.ack))
    return find_ending(ended(first, second, entries=entries, segments=segments))


CROSSINGS = {
    # seconds between the FINs, code of the last reply, when it was said, whether the client had it
    # -> who acted first, and whether only the times tell
    "less than half of the server's leg": (0.014, None, 0.0, True, S, True),
    "more than that": (0.016, None, 0.0, True, C, True),
    "right after a refusal that was heard": (0.2, 550, 3.05, True, S, False),
    "more than a second after the refusal": (0.2, 550, 2.2, True, C, True),
    "right after a yes": (0.2, 250, 3.05, True, C, True),
    "a refusal that was under way before the client's FIN": (0.02, 550, 3.11, False, S, True),
    "a refusal that was sent after the client's FIN": (0.02, 550, 3.119, False, C, True),
}


@pytest.mark.parametrize(("between", "code", "said", "heard", "side", "crossed"), CROSSINGS.values(), ids=CROSSINGS)
def test_crossing(between: float, code: int | None, said: float, heard: bool, side: Side, crossed: bool) -> None:
    found = crossing(between, code, said, heard)
    assert (found.kind, found.side, found.crossed) == (Kind.FIN, side, crossed)


def test_a_421_and_the_client_s_abort() -> None:
    goodbye = make_reply(421, b"bye", 18, 3.0, end=816, unasked=True)
    for seconds, ack, side, crossed in [
        (3.2, 816, S, False),  # it had the 421
        (3.010, 800, C, True),  # it was sent half a round trip before, and the 421 left at 3.0 - 0.015
        (3.0001, 816, S, False),
    ]:
        abort = make_reset(19, C, seconds)
        segment = make_segment(19, C, seconds, flags=RST | ACK, offset=800, length=0, ack=ack)
        session = ended(abort, entries=(goodbye,), segments=(SAID._replace(ack=800), segment), handshake=AT_SERVER)
        found = find_ending(session)
        assert (found.side, found.crossed) == (side, crossed)


ABORTS = {
    # seconds behind the server's FIN, how far the client's abort acknowledges -> who acted first, whether they crossed
    "sent before the FIN was": (0.010, 800, C, True),
    "sent after it, and before it had come": (0.020, 800, S, True),
    "it had the FIN": (0.030, 801, S, False),
}


@pytest.mark.parametrize(("behind", "ack", "side", "crossed"), ABORTS.values(), ids=ABORTS)
def test_an_abort_that_crosses_a_fin(behind: float, ack: int, side: Side, crossed: bool) -> None:
    abort = make_reset(20, C, 3.1 + behind, effect=Effect.ECHO, in_window=True)
    segment = make_segment(20, C, 3.1 + behind, flags=RST | ACK, offset=800, length=0, ack=ack)
    found = find_ending(ended(FIN_S, abort, segments=(SAID._replace(ack=800), segment), handshake=AT_SERVER))
    assert (found.side, found.crossed) == (side, crossed)


def test_a_421_that_acknowledges_the_fin_was_said_after_it() -> None:
    """Two frames that stand in the file the wrong way round."""
    goodbye = make_reply(421, b"Lost incoming connection", 18, 3.0, end=830)
    answer = make_segment(18, S, 3.0, offset=800, length=30, new=30, ack=801)
    found = find_ending(
        ended(
            make_fin(19, C, 3.0001, offset=800, ack=800), entries=(goodbye,), segments=(SAID._replace(ack=800), answer)
        )
    )
    assert (found.kind, found.side, found.crossed, found.goodbye) == (Kind.FIN, C, False, None)


def missed(*later: Segment) -> Session:
    """The client's FIN acknowledges one number more than the server's 800 octets; no FIN of the server was captured."""
    fin = make_segment(19, C, 3.1, flags=FIN | ACK, offset=800, length=0, ack=801)
    return ended(make_fin(19, C, 3.1, ack=801), segments=(SAID._replace(ack=800), fin, *later))


MISSED = {
    "the server stands behind its FIN": ((make_segment(20, S, 3.13, offset=801, length=0, ack=801),), S),
    "nothing of the server follows": ((), C),
    "the server denies it": ((make_segment(20, S, 3.13, offset=800, length=0, ack=800),), C),
    "it was an octet, and more follow": (
        (
            make_segment(20, S, 3.13, offset=801, length=0, ack=801),
            make_segment(21, S, 3.14, offset=801, length=9, new=9, ack=801),
        ),
        C,
    ),
}


@pytest.mark.parametrize(("later", "side"), MISSED.values(), ids=MISSED)
def test_a_fin_that_the_capture_missed(later: tuple[Segment, ...], side: Side) -> None:
    found = find_ending(missed(*later))
    assert (found.kind, found.side, found.missed) == (Kind.FIN, side, side is S)


def test_a_fin_that_acknowledges_the_other_does_not_cross_it() -> None:
    found = find_ending(ended(make_fin(19, C, 3.1, ack=800), make_fin(20, S, 3.101, ack=801)))
    assert (found.side, found.crossed) == (C, False)


def test_a_421_announces_the_close() -> None:
    goodbye = make_reply(421, b"timeout", 18, 3.0, unasked=True)
    found = find_ending(ended(FIN_C, make_fin(20, S, 3.2, ack=801), entries=(goodbye,)))
    assert (found.kind, found.side, found.at, found.goodbye) == (Kind.FIN, S, goodbye.at, goodbye)
    later = make_reply(250, b"ok", 18, 3.05)
    assert find_ending(ended(FIN_C, entries=(goodbye, later))).side is C, "it was not the last that it said"
    unfinished = goodbye._replace(complete=False)
    assert find_ending(ended(FIN_C, entries=(unfinished,))).side is C


ALERTS: dict[str, tuple[float, str, int, Side]] = {
    # when the client's alert was sent, level, offset behind it -> who ended the session; the server's FIN came at 3.1
    "before the server's FIN": (3.0, "fatal", 800, C),
    "a warning": (3.0, "warning", 800, S),
    "crossing the server's FIN": (3.11, "fatal", 801, C),
    "after a FIN that acknowledges it": (3.11, "fatal", 800, S),
}


@pytest.mark.parametrize(("sent", "level", "end", "side"), ALERTS.values(), ids=ALERTS)
def test_fatal_alert(sent: float, level: str, end: int, side: Side) -> None:
    alert = (at(20, sent), C, level, "unknown_ca", end)
    tls = Tls(at(9), False, "TLS 1.2", (), None, None, (alert,), (), (0, 0))
    found = find_ending(ended(FIN_S, tls=tls))
    assert (found.side, found.alert is not None) == (side, side is C)


def test_an_alert_that_acknowledges_the_close_came_after_it_whatever_the_clock_says() -> None:
    alert = (at(20, 3.0), C, "fatal", "unknown_ca", 800)
    tls = Tls(at(9), False, "TLS 1.2", (), None, None, (alert,), (), (0, 0))
    swapped = make_segment(20, C, 3.0, offset=793, length=7, new=7, ack=FIN_S.offset + 1)
    assert find_ending(ended(FIN_S, tls=tls, segments=(swapped,))).alert is None


def test_a_bare_reset_tells_that_the_socket_was_gone_before() -> None:
    first = make_segment(17, S, 2.8, offset=700, ack=800, length=50, new=50)
    second = make_segment(18, S, 3.0, offset=750, ack=800, length=50, new=50)
    bare: dict[str, Any] = dict(flags=RST, window=0, offset=800, provoked_by=second.at)
    session = ended(make_reset(19, C, 3.1, **bare), segments=(SAID, first, second), acked=(800, 700))
    assert cause_of(session.connection, session.connection.closing.resets[0]) == first.at
    assert find_ending(session).unread == first.at
    active = ended(make_reset(19, C, 3.1, provoked_by=second.at), segments=(first, second), acked=(800, 700))
    assert cause_of(active.connection, active.connection.closing.resets[0]) == at(19, 3.1), "it aborts a live socket"


def test_closes_stand_in_the_order_of_their_causes() -> None:
    words = make_segment(17, S, 2.8, offset=700, ack=800, length=50, new=50)
    bare = make_reset(21, C, 3.3, flags=RST, window=0, offset=800, provoked_by=words.at)
    session = ended(FIN_S, bare, segments=(words,), acked=(800, 700))
    assert [close.side for close in closes_of(session)] == [C, S]
