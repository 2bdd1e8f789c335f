"""The SMTP session as data: which step a verb begins, and what a reply to it leaves behind.

Two tables, and nothing that runs. `STEPS` says for every verb what kind of step it is and which stage it opens;
`OUTCOMES` says for every kind of step and every class of reply which stage then stands, whose turn it is and how the
octets behind it are to be read. Both are total by construction: a verb without a row is `UNKNOWN`, which opens no stage,
and an outcome without a row of its own leaves the stage alone. To support another extension, add its verb to `STEPS`.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from pcapdiag.model import Side, Stage


class Kind(Enum):
    """What a line of the client does to the session."""

    HELLO = "hello"
    TLS = "tls"
    AUTH = "auth"
    SASL = "sasl"
    """A later line of an AUTH exchange."""
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    DOT = "dot"
    CHUNK = "chunk"
    LAST = "last"
    """The chunk that ends the message."""
    RESET = "reset"
    ASIDE = "aside"
    """Neither begins nor moves a mail transaction, but takes its time: VRFY, HELP, ETRN..."""
    QUIT = "quit"
    ALONE = "alone"
    """Leaves the stage alone: NOOP, unknown verbs, junk."""


class Reading(Enum):
    """How the client's octets behind a reply are to be read."""

    AS_BEFORE = "as-before"
    CONTENT = "content"
    SASL = "sasl"
    RECORDS = "records"


class Step(NamedTuple):
    """A row of `STEPS`."""

    kind: Kind
    stage: Stage | None
    """The stage it opens; None: it leaves the stage alone."""


class Outcome(NamedTuple):
    """A row of `OUTCOMES`."""

    stage: Stage | None
    owing: Side | None
    reading: Reading = Reading.AS_BEFORE


_OTHER = Step(Kind.ASIDE, Stage.OTHER)
_ALONE = Step(Kind.ALONE, None)

UNKNOWN = _ALONE
"""The step of a verb that has no row."""

STEPS: dict[bytes, Step] = {
    # RFC 5321 4.1.1.1; LHLO stands in for EHLO in LMTP (RFC 2033 4.1).
    b"EHLO": Step(Kind.HELLO, Stage.EHLO),
    b"HELO": Step(Kind.HELLO, Stage.EHLO),
    b"LHLO": Step(Kind.HELLO, Stage.EHLO),
    # RFC 3207 4; Exchange servers speak the same step among themselves as X-ANONYMOUSTLS.
    b"STARTTLS": Step(Kind.TLS, Stage.STARTTLS),
    b"X-ANONYMOUSTLS": Step(Kind.TLS, Stage.STARTTLS),
    # RFC 4954 4; X-EXPS is the AUTH of Exchange servers among themselves.
    b"AUTH": Step(Kind.AUTH, Stage.AUTH),
    b"X-EXPS": Step(Kind.AUTH, Stage.AUTH),
    # RFC 5321 4.1.1.2 to 4.1.1.4; SEND, SOML and SAML begin a transaction like MAIL (RFC 821 3.4).
    b"MAIL": Step(Kind.MAIL, Stage.MAIL),
    b"SEND": Step(Kind.MAIL, Stage.MAIL),
    b"SOML": Step(Kind.MAIL, Stage.MAIL),
    b"SAML": Step(Kind.MAIL, Stage.MAIL),
    b"RCPT": Step(Kind.RCPT, Stage.RCPT),
    b"DATA": Step(Kind.DATA, Stage.DATA),
    # The end of mail data, RFC 5321 4.1.1.4.
    b".": Step(Kind.DOT, Stage.END_OF_DATA),
    # RFC 3030 2; BURL (RFC 4468) and Exchange's XEXCH50 announce nothing that a client sends as content here.
    b"BDAT": Step(Kind.CHUNK, Stage.BODY),
    # RFC 5321 4.1.1.5.
    b"RSET": Step(Kind.RESET, Stage.OTHER),
    # RFC 5321 4.1.1.6 to 4.1.1.8; ETRN RFC 1985, ATRN RFC 2645, TURN RFC 821; XCLIENT and XFORWARD are Postfix's;
    # BURL RFC 4468.
    b"VRFY": _OTHER,
    b"EXPN": _OTHER,
    b"HELP": _OTHER,
    b"ETRN": _OTHER,
    b"ATRN": _OTHER,
    b"TURN": _OTHER,
    b"XCLIENT": _OTHER,
    b"XFORWARD": _OTHER,
    b"BURL": _OTHER,
    b"XEXCH50": _OTHER,
    b"X-LINK2STATE": _OTHER,
    # RFC 5321 4.1.1.9: "This command does not affect any parameters or previously entered commands."
    b"NOOP": _ALONE,
    # RFC 5321 4.1.1.10.
    b"QUIT": Step(Kind.QUIT, Stage.QUIT),
}

SASL_LINE = Step(Kind.SASL, Stage.AUTH)
LAST_CHUNK = Step(Kind.LAST, Stage.END_OF_DATA)

_LEFT_ALONE = Outcome(None, Side.CLIENT)
_ANY = (1, 2, 3, 4, 5)


def _rows() -> dict[tuple[Kind, int], Outcome]:
    """Kind of step and first digit of the reply -> what stands afterwards."""
    table = {(kind, digit): _LEFT_ALONE for kind in Kind for digit in _ANY}
    client = Side.CLIENT
    rows: list[tuple[Kind, tuple[int, ...], Outcome]] = [
        (Kind.HELLO, _ANY, Outcome(Stage.EHLO, client)),
        (Kind.TLS, _ANY, Outcome(Stage.STARTTLS, client)),
        # RFC 3207 4: "220 Ready to start TLS"; what follows is the client's hello.
        (Kind.TLS, (2,), Outcome(Stage.STARTTLS, client, Reading.RECORDS)),
        (Kind.AUTH, _ANY, Outcome(Stage.AUTH, client)),
        (Kind.SASL, _ANY, Outcome(Stage.AUTH, client)),
        # RFC 4954 4: a challenge "is sent as a 334 reply"; the next line is the client's response, whatever it looks like.
        (Kind.AUTH, (3,), Outcome(Stage.AUTH, client, Reading.SASL)),
        (Kind.SASL, (3,), Outcome(Stage.AUTH, client, Reading.SASL)),
        (Kind.MAIL, _ANY, Outcome(Stage.MAIL, client)),
        (Kind.RCPT, _ANY, Outcome(Stage.RCPT, client)),
        (Kind.DATA, _ANY, Outcome(Stage.DATA, client)),
        # RFC 5321 4.1.1.4: "the receiver normally sends a 354 response to DATA, and then treats the lines [...]".
        (Kind.DATA, (3,), Outcome(Stage.BODY, client, Reading.CONTENT)),
        (Kind.CHUNK, _ANY, Outcome(Stage.BODY, client)),
        (Kind.LAST, _ANY, Outcome(Stage.END_OF_DATA, client)),
        (Kind.DOT, _ANY, Outcome(Stage.END_OF_DATA, client)),
        (Kind.RESET, _ANY, Outcome(Stage.OTHER, client)),
        (Kind.ASIDE, _ANY, Outcome(Stage.OTHER, client)),
        # RFC 5321 4.1.1.10: after the reply to QUIT the server closes the channel; nobody owes anything.
        (Kind.QUIT, _ANY, Outcome(Stage.QUIT, None)),
    ]
    for kind, digits, outcome in rows:
        for digit in digits:
            table[kind, digit] = outcome
    return table


OUTCOMES: dict[tuple[Kind, int], Outcome] = _rows()
