"""Which QUIT counts, in clear text and by the lengths of TLS records."""

from __future__ import annotations

from typing import Any

import pytest

from pcapdiag.capture.table import ACK, RST
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.quitting import encrypted_quit, last_record, quit_that_counts, reset_before
from pcapdiag.model import Side, Stage
from pcapdiag.session import Session
from pcapdiag.smtp.dialogue import DOT, Entry, Exchange, Missing, Reply, Tls, TlsEntry
from pcapdiag.tcp.connection import Fin, Handshake, Odd, Reset
from tests.factories import (
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
    make_surroundings,
)

C, S = Side.CLIENT, Side.SERVER

QUIT = make_command(b"QUIT", b"", 17, 3.0, end=800)
DOT_SENT = make_command(DOT, b"", 13, 0.6, end=794)
QUEUED = make_reply(250, b"queued", 14, 0.9, end=700)
BYE = make_reply(221, b"Bye", 18, 3.05, end=800)


def session(
    dot_reply: Reply | None,
    quit_reply: Reply | None,
    *,
    fins: tuple[Fin, ...] = (),
    resets: tuple[Reset, ...] = (),
    unasked: Reply | None = None,
    **server: Any,
) -> Session:
    entries = tuple(sorted([each for each in (dot_reply, unasked, quit_reply) if each], key=lambda each: each.at))
    dialogue = make_dialogue(
        exchanges=(Exchange(DOT_SENT, dot_reply, Stage.END_OF_DATA), Exchange(QUIT, quit_reply, Stage.QUIT)),
        entries=entries,
    )
    halves = (make_half(C), make_half(S, **server))
    return Session(make_connection(closing=make_closing(fins, resets), halves=halves), dialogue)


CASES: dict[str, tuple[Session, bool]] = {
    "answered 221": (session(QUEUED, BYE), True),
    "221 never came": (session(QUEUED, None), True),
    "the dot has no reply": (session(None, None), False),
    "the dot has half a reply": (session(QUEUED._replace(complete=False), None), False),
    "the client's TCP never acknowledged the reply to the dot": (session(QUEUED, BYE, acked=699), False),
    "it did so exactly": (session(QUEUED, None, acked=700), True),
    "the server's FIN had seen the QUIT": (session(QUEUED, None, fins=(make_fin(20, S, 3.1, ack=800),)), True),
    "the server's FIN crossed the QUIT": (session(QUEUED, None, fins=(make_fin(16, S, 2.99, ack=799),)), False),
    "it crossed, and yet 221 came": (session(QUEUED, BYE, fins=(make_fin(16, S, 2.99, ack=799),)), True),
    "a refused FIN of the server does not count": (
        session(QUEUED, None, fins=(make_fin(16, S, 2.99, ack=799, accepted=False),)),
        True,
    ),
    "the client's own FIN does not count": (session(QUEUED, None, fins=(make_fin(16, C, 2.99, ack=10),)), True),
    "the server's reset came before": (session(QUEUED, None, resets=(make_reset(16, S, 2.99, flags=RST),)), False),
    "an echo is no reset before": (
        session(QUEUED, None, resets=(make_reset(16, S, 2.99, flags=RST, effect=make_reset().effect.ECHO),)),
        True,
    ),
    "an unasked 421, and the server closed by itself": (
        session(
            QUEUED,
            make_reply(421, b"timeout", 15, 2.9, unasked=True),
            fins=(make_fin(20, S, 3.1, ack=799),),
        ),
        False,
    ),
    "an unasked 421, and a FIN that does not say what it had seen": (
        session(QUEUED, make_reply(421, b"timeout", 15, 2.9, unasked=True), fins=(make_fin(20, S, 3.1, ack=None),)),
        False,
    ),
    "an unasked 421, and a socket that was gone": (
        session(QUEUED, make_reply(421, b"timeout", 15, 2.9, unasked=True), resets=(make_reset(20, S, 3.1),)),
        False,
    ),
    "the server's FIN behind its 221 still lacks the QUIT": (
        session(QUEUED, BYE, fins=(make_fin(20, S, 3.1, ack=794),)),
        False,
    ),
    "no QUIT at all": (Session(make_connection(), make_dialogue(exchanges=(), entries=())), False),
}


@pytest.mark.parametrize(("given", "counts"), CASES.values(), ids=CASES)
def test_quit_that_counts(given: Session, counts: bool) -> None:
    found = quit_that_counts(given)
    assert (found is not None) is counts
    assert found is None or (found.at, found.command) == (QUIT.at, QUIT)


MIDWAY = Handshake((), (), at(1), None, None, None, False)
HOLE = Missing(at(15, 1.0), S, 21, "capture")
EARLY_HOLE, LATE_HOLE = HOLE._replace(at=at(12, 0.5)), HOLE._replace(at=at(17, 3.01))

HOLES: dict[str, tuple[tuple[Entry, ...], Reply | None, dict[str, Any], bool]] = {
    # what was said, the reply to QUIT, fields of the connection -> it counts though the dot has no reply
    "a hole between them": ((DOT_SENT, HOLE, QUIT), None, {}, True),
    "a hole by the snap length": ((DOT_SENT, HOLE._replace(reason="snaplen"), QUIT), None, {}, True),
    "octets that nobody acknowledged": ((DOT_SENT, HOLE._replace(reason="path"), QUIT), None, {}, False),
    "a hole of the client": ((DOT_SENT, HOLE._replace(side=C), QUIT), None, {}, False),
    "a hole before the dot": ((EARLY_HOLE, DOT_SENT, QUIT), None, {}, False),
    "a hole behind QUIT": ((DOT_SENT, QUIT, LATE_HOLE), None, {}, False),
    "a hole between QUIT and its 221": ((DOT_SENT, QUIT, LATE_HOLE, BYE), BYE, {}, True),
    "the server's direction was not captured": (
        (DOT_SENT, HOLE, QUIT),
        None,
        dict(halves=(make_half(C), make_half(S, packets=0))),
        False,
    ),
}


@pytest.mark.parametrize(("said", "bye", "fields", "counts"), HOLES.values(), ids=HOLES)
def test_a_reply_in_a_hole(said: tuple[Entry, ...], bye: Reply | None, fields: dict[str, Any], counts: bool) -> None:
    exchanges = (Exchange(DOT_SENT, None, Stage.END_OF_DATA), Exchange(QUIT, bye, Stage.QUIT))
    dialogue = make_dialogue(exchanges=exchanges, entries=said)
    connection = make_connection(closing=make_closing((), ()), **fields)
    assert (quit_that_counts(Session(connection, dialogue)) is not None) is counts


def test_the_capture_ends_before_the_acknowledgement() -> None:
    """It may end, or have no pure ACKs; a server that repeats its reply has no acknowledgement."""
    halves = (make_half(C, last=QUIT.at), make_half(S, acked=600))
    said = session(QUEUED, BYE).dialogue
    assert quit_that_counts(Session(make_connection(closing=make_closing((), ()), halves=halves), said)) is None
    exchanges = (
        Exchange(DOT_SENT, QUEUED._replace(at=at(18, 3.04)), Stage.END_OF_DATA),
        Exchange(QUIT, BYE, Stage.QUIT),
    )
    late = make_dialogue(exchanges=exchanges, entries=(exchanges[0].reply, BYE))
    assert quit_that_counts(Session(make_connection(closing=make_closing((), ()), halves=halves), late)) is not None
    again = make_segment(20, S, 3.3, odd=Odd.RETRANSMISSION, offset=600, length=100)
    repeated = make_connection(closing=make_closing((), ()), halves=halves, segments=(again,))
    assert quit_that_counts(Session(repeated, late)) is None


def test_sent_behind_a_fin_that_was_not_captured() -> None:
    """The QUIT's segment acknowledges one octet more than the server was seen to send."""
    halves = (make_half(C), make_half(S, octets=700, acked=701))
    for ack, counts in ((701, False), (700, True)):
        said = make_segment(17, C, 3.0, offset=794, length=6, ack=ack)
        connection = make_connection(closing=make_closing((), ()), halves=halves, segments=(said,))
        assert (quit_that_counts(Session(connection, session(QUEUED, None).dialogue)) is not None) is counts


def test_a_capture_that_began_in_the_middle() -> None:
    """Nothing before it counts as answered, until the server says something."""
    midway = make_connection(closing=make_closing((), ()), handshake=MIDWAY)
    for said, bye, counts in (((QUIT,), None, False), ((QUIT, BYE), BYE, True), ((QUEUED, QUIT), None, True)):
        dialogue = make_dialogue(exchanges=(Exchange(QUIT, bye, Stage.QUIT),), entries=said)
        assert (quit_that_counts(Session(midway, dialogue)) is not None) is counts


def test_six_octets_are_a_quit_only_at_the_end() -> None:
    six, more = QUIT._replace(cut=True), make_command(b"", b"", 18, 3.2, offset=800, end=2000, cut=True)
    exchanges = (Exchange(DOT_SENT, QUEUED, Stage.END_OF_DATA), Exchange(six, None, Stage.QUIT))
    for behind, counts in (((), True), ((Exchange(more, None, Stage.OTHER),), False)):
        dialogue = make_dialogue(exchanges=exchanges + behind, entries=(QUEUED,))
        found = quit_that_counts(Session(make_connection(closing=make_closing((), ())), dialogue))
        assert (found is not None) is counts


UNSEEN = {
    # the client's packets, octets and missing octets; the server's last reply -> the 221 counts
    "the client's direction was not captured": (0, 0, 0, 221, True),
    "octets of the client are missing": (10, 800, 100, 221, True),
    "the client said something, all of which was captured": (10, 800, 0, 221, False),
    "the last reply is another": (0, 0, 0, 250, False),
}


@pytest.mark.parametrize(("packets", "octets", "missing", "code", "counts"), UNSEEN.values(), ids=UNSEEN)
def test_goodbye_alone(packets: int, octets: int, missing: int, code: int, counts: bool) -> None:
    halves = (make_half(C, packets=packets, octets=octets, missing=missing), make_half(S))
    dialogue = make_dialogue(exchanges=(), entries=(make_reply(code, b"", 18, 3.05),))
    found = quit_that_counts(Session(make_connection(halves=halves), dialogue))
    assert (found is not None) is counts
    assert found is None or found.command is None


def test_a_quit_is_whole_where_nothing_is_left_to_guess() -> None:
    noop = Exchange(make_command(b"NOOP", b"", 19, 3.1, end=806), None, Stage.OTHER)
    answered = session(QUEUED, BYE)
    talked_on = answered._replace(
        dialogue=answered.dialogue._replace(exchanges=(*answered.dialogue.exchanges, noop)),
    )
    guessed = make_connection(
        closing=make_closing((), ()), halves=(make_half(C, last=QUEUED.at), make_half(S, acked=699))
    )
    for given, whole in ((answered, True), (talked_on, False), (Session(guessed, answered.dialogue), False)):
        found = quit_that_counts(given)
        assert found is not None
        assert found.whole is whole


def test_reset_before_reads_the_acknowledgement_first() -> None:
    reset = make_reset(20, S, 3.5, flags=RST | ACK)
    said = make_segment(20, S, 3.5, flags=RST | ACK, ack=790)
    connection = make_connection(segments=(said,))
    assert reset_before(connection, reset, 800, QUIT.start), "it acknowledges 790 octets only"
    assert not reset_before(connection, reset, 790, QUIT.start)
    assert not reset_before(make_connection(), make_reset(20, S, 3.5, flags=RST), 800, QUIT.start)
    answer = make_reset(20, S, 3.5, flags=RST, provoked_by=at(16, 2.9))
    assert reset_before(make_connection(), answer, 800, QUIT.start), "what drew it was sent before the QUIT"


def record(frame: int, side: Side, seconds: float, length: int, says: str = "application data") -> TlsEntry:
    return TlsEntry(at(frame, seconds), side, 23, length, says, 0)


ENDS = {
    # TLS version, length of the client's last record, seconds from the server's answer to the close -> exact, or None
    "QUIT in TLS 1.3": ("TLS 1.3", 6 + 17, 0.1, True),
    "QUIT in TLS 1.2, GCM": ("TLS 1.2", 6 + 24, 0.1, True),
    "QUIT in TLS 1.2, ChaCha20": ("TLS 1.2", 6 + 16, 0.1, True),
    "QUIT in TLS 1.2, CBC": ("TLS 1.2", 48, 0.1, True),
    "the GCM length means something else in TLS 1.3": ("TLS 1.3", 6 + 24, 0.1, None),
    "the end of a message with QUIT behind it": ("TLS 1.3", 200, 0.1, False),
    "too short for that": ("TLS 1.3", 199, 0.1, None),
    "a second of pause": ("TLS 1.3", 23, 1.0, True),
    "more than a second": ("TLS 1.3", 23, 1.001, None),
}


@pytest.mark.parametrize(("version", "length", "pause", "exact"), ENDS.values(), ids=ENDS)
def test_encrypted_quit(version: str, length: int, pause: float, exact: bool | None) -> None:
    found = encrypted_quit(encrypted(version, record(9, C, 1.0, length), record(10, S, 1.1, 40)), at(12, 1.1 + pause))
    assert (found and found.quit_sized) is exact
    assert found is None or found.farewells == 1


def test_the_cipher_suite_tells_a_dot_from_a_quit_behind_it() -> None:
    """27 octets of TLS 1.2: a dot (3) in GCM, or a dot with QUIT (11) in ChaCha20. The ServerHello says which."""
    body, last, told = record(8, C, 0.9, 900), record(9, C, 1.0, 27), record(10, S, 1.1, 40)
    assert encrypted_quit(encrypted("TLS 1.2", body, last, told), at(12, 1.2)) is not None
    assert encrypted_quit(encrypted("TLS 1.2", body, last, told, suite=0xCCA8), at(12, 1.2)) is not None
    assert encrypted_quit(encrypted("TLS 1.2", body, last, told, suite=0xC02F), at(12, 1.2)) is None


def encrypted(version: str, *records: TlsEntry, finished: bool = True, suite: int | None = None) -> Session:
    tls = Tls(at(5), False, version, (), None, at(8) if finished else None, (), records, (1, 1), suite)
    return Session(make_connection(), make_dialogue(tls=tls))


def test_encrypted_quit_wants_an_answer_and_a_finished_handshake() -> None:
    asked, told = record(9, C, 1.0, 23), record(10, S, 1.1, 40)
    close = at(12, 1.2)
    assert encrypted_quit(encrypted("TLS 1.3", asked, told, finished=False), close) is None
    assert encrypted_quit(encrypted("TLS 1.3", record(8, S, 0.9, 40), asked), close) is None, "the server owed"
    assert encrypted_quit(encrypted("TLS 1.3", asked, record(13, S, 1.3, 40)), close) is None, "it came after the close"
    alert = record(11, C, 1.15, 19, "encrypted alert")
    found = encrypted_quit(encrypted("TLS 1.3", asked, told, record(11, S, 1.12, 40), alert), close)
    assert found is not None, "alerts do not count"
    assert found.farewells == 2


ASKED, TOLD = record(17, C, 3.0, 23)._replace(end=800), record(18, S, 3.05, 40)._replace(end=800)
CLOSE = at(19, 3.1)

KNOWN: dict[str, tuple[dict[str, Any], tuple[TlsEntry, ...], bool]] = {
    "both FINs stand behind the last records": ({}, (ASKED, TOLD), True),
    "some octets came twice": ({"halves": (make_half(C, retransmissions=2), make_half(S))}, (ASKED, TOLD), True),
    "some came late, perhaps after the last": ({"halves": (make_half(C, out_of_order=1), make_half(S))}, (ASKED, TOLD), False),
    "some were not captured": ({"halves": (make_half(C), make_half(S, missing=10))}, (ASKED, TOLD), False),
    "some were cut off": ({"halves": (make_half(C), make_half(S, cut=10))}, (ASKED, TOLD), False),
    "octets that are no record stand before a FIN": ({}, (ASKED, TOLD._replace(end=790)), False),
    "one side's records are not known": ({}, (TOLD,), False),
    "the last record came with the close": ({}, (ASKED, TOLD._replace(at=CLOSE)), False),
    "one FIN only": ({"closing": make_closing((make_fin(19, C),))}, (ASKED, TOLD), False),
    "two of one side": ({"closing": make_closing((make_fin(19, C), make_fin(20, C, 3.2)))}, (ASKED, TOLD), False),
    "one that was no close": ({"closing": make_closing((make_fin(18, S, 3.06), make_fin(19, C)))}, (ASKED, TOLD), False),
}  # fmt: skip


@pytest.mark.parametrize(("connection", "records", "known"), KNOWN.values(), ids=KNOWN)
def test_the_records_tell_the_last_news_where_nothing_else_can_be_news(
    connection: dict[str, Any], records: tuple[TlsEntry, ...], known: bool
) -> None:
    session = Session(make_connection(**connection), encrypted("TLS 1.3", *records).dialogue)
    assert last_record(session, CLOSE) == (TOLD.at if known else None)


def test_an_encrypted_end_needs_no_segments() -> None:
    """Where not all were kept, the last that brought anything may not be among them; its record is."""
    dialogue = encrypted("TLS 1.3", ASKED, TOLD).dialogue._replace(exchanges=(), entries=())
    for sampled in (False, True):
        connection = make_connection(sampled=sampled, segments=lambda: pytest.fail("somebody made the segments"))
        see = Observation(Session(connection, dialogue), make_surroundings())
        assert see.ending.kind is Kind.ENCRYPTED_QUIT
        assert see.waited_ns == CLOSE.time_ns - TOLD.at.time_ns
