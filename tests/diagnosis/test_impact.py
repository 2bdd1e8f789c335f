"""What an end did to the mail, by message, recipient and stage."""

from __future__ import annotations

from typing import Any

import pytest

from pcapdiag.diagnosis.impact import impact_of, refusal
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.model import How, Impact, Party, Position, Side, Stage
from pcapdiag.session import Session
from pcapdiag.smtp.dialogue import Exchange, MailTransaction, Oddity, OddKind, Recipient, Reply, Tls
from tests.factories import (
    at,
    make_command,
    make_connection,
    make_dialogue,
    make_half,
    make_reply,
    make_surroundings,
    make_transaction,
)

ADDRESS = b"bob@example.net"
YES, LATER, NO = (make_reply(code, b"", 10, 0.5) for code in (250, 450, 550))
MAIL = make_command(b"MAIL", b"", 7, 0.3)


def recipients(*replies: Reply | None, finals: tuple[Reply, ...] = ()) -> dict[str, Any]:
    found = tuple(Recipient(ADDRESS, reply, finals[index] if finals else None) for index, reply in enumerate(replies))
    return dict(recipients=found, recipients_total=len(found))


def done(reply: Reply | None, *replies: Reply | None, **fields: Any) -> MailTransaction:
    """A message that was sent to its end."""
    return make_transaction(reply=reply, **(recipients(*(replies or (YES,))) | fields))


def begun(*replies: Reply | None, **fields: Any) -> MailTransaction:
    """A message that was not."""
    return make_transaction(complete=False, terminator=None, reply=None, octets=None, **(recipients(*replies) | fields))


QUIT = (Party.NOBODY, How.QUIT, Stage.QUIT)
DROPPED = (Party.SERVER, How.FIN, Stage.BODY)
OPEN = (Party.NOBODY, How.OPEN, Stage.BODY)

MESSAGES: dict[str, tuple[tuple[MailTransaction, ...], tuple[Party, How, Stage], Impact]] = {
    "taken": ((done(YES),), QUIT, Impact.NONE),
    "taken, then dropped": ((done(YES),), DROPPED, Impact.NONE),
    "refused for good": ((done(NO),), QUIT, Impact.REJECTED),
    "put off": ((done(LATER),), QUIT, Impact.DELAYED),
    "one recipient refused, the others taken": ((done(YES, YES, NO),), QUIT, Impact.REJECTED),
    "the dot without a reply": ((done(None),), DROPPED, Impact.DUPLICATE_RISK),
    "half a reply": ((done(YES._replace(complete=False)),), DROPPED, Impact.DUPLICATE_RISK),
    "a reply that never arrived": ((done(YES._replace(end=801)),), DROPPED, Impact.DUPLICATE_RISK),
    "LMTP: one recipient refused at the end": ((done(YES, YES, YES, **recipients(YES, YES, finals=(YES, NO))),), QUIT, Impact.REJECTED),
    "in the middle": ((begun(YES),), DROPPED, Impact.DELAYED),
    "in the middle, still open": ((begun(YES),), OPEN, Impact.UNKNOWN),
    "all recipients refused, then dropped": ((begun(NO),), DROPPED, Impact.REJECTED),
    "one refused, one accepted, then dropped": ((begun(NO, YES),), DROPPED, Impact.REJECTED),
    "one put off, one accepted, then dropped": ((begun(LATER, YES),), DROPPED, Impact.DELAYED),
    "the recipient not answered": ((begun(None),), DROPPED, Impact.DELAYED),
    "MAIL refused": ((begun(mail=Exchange(MAIL, NO, Stage.MAIL)),), QUIT, Impact.REJECTED),
    "given up by RSET": ((begun(YES, reset=True),), QUIT, Impact.NONE),
    "given up by RSET after a refusal": ((begun(NO, reset=True),), QUIT, Impact.REJECTED),
    "the worst of several counts": ((done(YES), done(None), done(NO)), DROPPED, Impact.DUPLICATE_RISK),
    "one taken, the next one dropped": ((done(YES), begun(YES)), DROPPED, Impact.DELAYED),
}  # fmt: skip


def see(*transactions: MailTransaction, server_packets: int = 10, **dialogue: Any) -> Observation:
    connection = make_connection(halves=(make_half(Side.CLIENT), make_half(Side.SERVER, packets=server_packets)))
    return Observation(Session(connection, make_dialogue(transactions=transactions, **dialogue)), make_surroundings())


@pytest.mark.parametrize(("messages", "end", "expected"), MESSAGES.values(), ids=MESSAGES)
def test_messages(messages: tuple[MailTransaction, ...], end: tuple[Party, How, Stage], expected: Impact) -> None:
    assert impact_of(see(*messages), *end, benign=False) is expected


WITHOUT: dict[str, tuple[dict[str, Any], tuple[Party, How, Stage], bool, Impact]] = {
    "greeted with 554": (dict(greeting=make_reply(554, b"", 4, 0.1)), DROPPED, False, Impact.REJECTED),
    "greeted with 421": (dict(greeting=make_reply(421, b"", 4, 0.1)), DROPPED, False, Impact.DELAYED),
    "a probe": ({}, (Party.CLIENT, How.FIN, Stage.GREETING), True, Impact.NONE),
    "nobody knows": ({}, (Party.UNDETERMINED, How.RST, Stage.EHLO), False, Impact.UNKNOWN),
    "dropped before the message": ({}, (Party.SERVER, How.RST, Stage.EHLO), False, Impact.DELAYED),
    "dropped after QUIT": ({}, (Party.SERVER, How.RST, Stage.QUIT), False, Impact.NONE),
    "open": ({}, (Party.NOBODY, How.OPEN, Stage.EHLO), False, Impact.UNKNOWN),
    "EHLO and QUIT": (dict(entries=(YES,)), QUIT, False, Impact.NONE),
    "EHLO, AUTH refused, QUIT": (dict(entries=(YES, NO)), QUIT, False, Impact.REJECTED),
    "a dot from before the capture, no reply": (
        dict(positions=(Position(Stage.END_OF_DATA, Side.SERVER, at(3, 0.1)),), exchanges=(), entries=()),
        (Party.SERVER, How.FIN, Stage.END_OF_DATA),
        False,
        Impact.DUPLICATE_RISK,
    ),
}


@pytest.mark.parametrize(("dialogue", "end", "benign", "expected"), WITHOUT.values(), ids=WITHOUT)
def test_without_a_message(
    dialogue: dict[str, Any], end: tuple[Party, How, Stage], benign: bool, expected: Impact
) -> None:
    assert impact_of(see(**dialogue), *end, benign=benign) is expected


def test_tls_hides_it() -> None:
    tls = Tls(at(5), False, "TLS 1.3", (), None, at(8), (), (), (4, 4))
    assert impact_of(see(done(None), tls=tls), *DROPPED, benign=False) is Impact.UNKNOWN
    unfinished = Tls(at(5), False, "TLS 1.3", (), None, None, (), (), (0, 0))
    assert impact_of(see(tls=unfinished), Party.CLIENT, How.RST, Stage.TLS, benign=False) is Impact.DELAYED


def test_what_the_server_answered_was_not_captured() -> None:
    assert impact_of(see(done(None), server_packets=0), *QUIT, benign=False) is Impact.UNKNOWN


@pytest.mark.parametrize(("hidden", "expected"), [({}, Impact.DELAYED), (dict(cut=9), Impact.UNKNOWN)])
def test_where_nobody_can_be_named(hidden: dict[str, int], expected: Impact) -> None:
    """A message that was never finished was not accepted, whoever it was; its end may be where octets were cut off."""
    connection = make_connection(halves=(make_half(Side.CLIENT, **hidden), make_half(Side.SERVER)))
    session = Session(connection, make_dialogue(transactions=(begun(YES),)))
    end = Party.UNDETERMINED, How.FIN, Stage.BODY
    assert impact_of(Observation(session, make_surroundings()), *end, benign=False) is expected


def test_a_scanner_loses_no_mail() -> None:
    odd = (Oddity(OddKind.NOT_SMTP, at(5), Side.CLIENT, b"GET / HTTP/1.1"),)
    assert impact_of(see(helo=None, oddities=odd), *DROPPED, benign=False) is Impact.NONE


def test_a_refusal_in_the_middle_of_the_content_counts() -> None:
    data = Exchange(make_command(b"DATA", b"", 11, 0.5, end=300), make_reply(552, b"", 14, 0.9), Stage.DATA)
    message = begun(YES, mail=Exchange(MAIL, YES, Stage.MAIL))
    assert impact_of(see(message, exchanges=(data,)), *DROPPED, benign=False) is Impact.REJECTED


def test_the_refusal_that_decided_is_named() -> None:
    """The 554 to DATA says only that no recipient was left; the 550 to RCPT says why."""
    none_left = Exchange(make_command(b"DATA", b"", 11, 0.5, end=300), make_reply(554, b"", 11, 0.55), Stage.DATA)
    session = see(begun(NO), exchanges=(none_left,), entries=(NO, none_left.reply))
    assert refusal(session, Party.NOBODY, How.QUIT, benign=False)[0] == "a refusal: 550 "
    assert refusal(see(done(YES)), Party.NOBODY, How.QUIT, benign=False) == ()
