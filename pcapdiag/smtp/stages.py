"""The SMTP session as data: which step a verb begins, and what a reply to it leaves behind.

Two tables. `STEPS` says for every verb what kind of step it is and which stage it opens;
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

    # Members are keys of `OUTCOMES`, asked for with every reply; an enumeration's own hash is written in Python.
    __hash__ = object.__hash__


class Reading(Enum):
    """How the client's octets behind a reply are to be read."""

    AS_BEFORE = "as-before"
    CONTENT = "content"
    NO_CONTENT = "no-content"
    """DATA was refused: what was sent behind it is commands."""
    SASL = "sasl"
    RECORDS = "records"


class Outcome(NamedTuple):
    """What stands after a reply: a row of `OUTCOMES`."""

    stage: Stage | None
    """None: the stage is left alone."""
    owing: Side | None
    reading: Reading = Reading.AS_BEFORE


class Step(NamedTuple):
    """What a verb begins: a row of `STEPS`."""

    kind: Kind
    stage: Stage | None
    """The stage it opens; None: it leaves the stage alone."""


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

_CLIENT = Side.CLIENT


def _row(otherwise: Outcome, **by_class: Outcome) -> tuple[Outcome, ...]:
    """Outcomes by the first digit of the reply, from 0 (which no reply has) to 5."""
    return tuple(by_class.get(f"on_{digit}", otherwise) for digit in range(6))


OUTCOMES: dict[Kind, tuple[Outcome, ...]] = {
    Kind.HELLO: _row(Outcome(Stage.EHLO, _CLIENT)),
    # RFC 3207 4: "220 Ready to start TLS"; what follows is the client's hello.
    Kind.TLS: _row(Outcome(Stage.STARTTLS, _CLIENT), on_2=Outcome(Stage.STARTTLS, _CLIENT, Reading.RECORDS)),
    # RFC 4954 4: a challenge is a 334 reply; the next line is the client's response, whatever it looks like.
    Kind.AUTH: _row(Outcome(Stage.AUTH, _CLIENT), on_3=Outcome(Stage.AUTH, _CLIENT, Reading.SASL)),
    Kind.SASL: _row(Outcome(Stage.AUTH, _CLIENT), on_3=Outcome(Stage.AUTH, _CLIENT, Reading.SASL)),
    Kind.MAIL: _row(Outcome(Stage.MAIL, _CLIENT)),
    Kind.RCPT: _row(Outcome(Stage.RCPT, _CLIENT)),
    # RFC 5321 4.1.1.4: the receiver sends 354 and then treats the lines that follow as mail data.
    Kind.DATA: _row(
        Outcome(Stage.DATA, _CLIENT, Reading.NO_CONTENT), on_3=Outcome(Stage.BODY, _CLIENT, Reading.CONTENT)
    ),
    Kind.CHUNK: _row(Outcome(Stage.BODY, _CLIENT)),
    Kind.LAST: _row(Outcome(Stage.END_OF_DATA, _CLIENT)),
    Kind.DOT: _row(Outcome(Stage.END_OF_DATA, _CLIENT)),
    Kind.RESET: _row(Outcome(Stage.OTHER, _CLIENT)),
    Kind.ASIDE: _row(Outcome(Stage.OTHER, _CLIENT)),
    # RFC 5321 4.1.1.10: after the reply to QUIT the server closes the channel; nobody owes anything.
    Kind.QUIT: _row(Outcome(Stage.QUIT, None)),
    Kind.ALONE: _row(Outcome(None, _CLIENT)),
}
"""Kind of step -> what stands after a reply, by the reply's first digit."""
