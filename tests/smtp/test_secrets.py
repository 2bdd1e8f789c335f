"""Credentials never leave the parser: not in commands, replies, oddities, anywhere."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcapdiag.smtp import auth
from pcapdiag.smtp.dialogue import Reply
from pcapdiag.tcp.connection import GapReason
from tests.smtp.scripts import HELLO
from tests.smtp.talk import C, Gap, S, Script, script, talk

USER, PASSWORD = b"heinrich.secretary", b"correct-horse-battery"
ENCODED = [base64.b64encode(o) for o in (USER, PASSWORD, b"\0" + USER + b"\0" + PASSWORD)]
USER_LINE, PASSWORD_LINE, PLAIN_LINE = ENCODED
START = script(HELLO)

EXCHANGES: dict[str, Script] = {
    "PLAIN with initial response": [(C, b"AUTH PLAIN " + PLAIN_LINE + b"\r\n"), (S, b"535 no\r\n")],
    "PLAIN in two steps": [(C, b"AUTH PLAIN\r\n"), (S, b"334 \r\n"), (C, PLAIN_LINE + b"\r\n"), (S, b"235 ok\r\n")],
    "LOGIN": [
        (C, b"AUTH LOGIN\r\n"),
        (S, b"334 VXNlcm5hbWU6\r\n"),
        (C, USER_LINE + b"\r\n"),
        (S, b"334 UGFzc3dvcmQ6\r\n"),
        (C, PASSWORD_LINE + b"\r\n"),
    ],
    "LOGIN, the password unfinished": [
        (C, b"AUTH LOGIN " + USER_LINE + b"\r\n"),
        (S, b"334 UGFzc3dvcmQ6\r\n"),
        (C, PASSWORD_LINE),
    ],
    "LOGIN without waiting": [(C, b"AUTH LOGIN\r\n" + USER_LINE + b"\r\n" + PASSWORD_LINE + b"\r\n")],
    "refused, the client goes on": [
        (C, b"AUTH LOGIN\r\n"),
        (S, b"502 not here\r\n"),
        (C, USER_LINE + b"\r\n"),
        (S, b'500 5.5.1 Command unrecognized: "' + USER_LINE + b'"\r\n'),
        (C, PASSWORD_LINE + b"\r\n"),
        (S, b'500 5.5.1 Command unrecognized: "' + PASSWORD_LINE[:20] + b'..."\r\n'),
    ],
    "the mechanism forgotten": [(C, b"AUTH " + PLAIN_LINE + b"\r\n"), (S, b"504 what is " + PLAIN_LINE + b"\r\n")],
    "clear text in the answer": [
        (C, b"AUTH LOGIN\r\n"),
        (S, b"334 VXNlcm5hbWU6\r\n"),
        (C, USER + b" " + PASSWORD + b"\r\n"),
        (S, b"500 unknown: " + USER + b" " + PASSWORD + b"\r\n"),
    ],
    "Exchange's verb": [(C, b"X-EXPS LOGIN " + PASSWORD_LINE + b"\r\n"), (S, b"334 \r\n"), (C, USER_LINE + b"\r\n")],
    "the challenge in a hole": [
        (C, b"AUTH LOGIN\r\n"),
        Gap(S, 18),
        (C, USER_LINE + b"\r\n"),
        Gap(S, 18),
        (C, PASSWORD_LINE + b"\r\n"),
    ],
    "AUTH in a hole": [
        Gap(C, 12),
        (S, b"334 VXNlcm5hbWU6\r\n"),
        (C, USER_LINE + b"\r\n"),
        (C, PASSWORD_LINE + b"\r\n"),
    ],
    "cut by the snap length": [
        (C, b"AUTH PLAIN " + PLAIN_LINE[:20]),
        Gap(C, len(PLAIN_LINE) - 18, GapReason.SNAPLEN),
        (S, b"535 bad: " + PLAIN_LINE[:20] + b"\r\n"),
    ],
}

BEARER = base64.b64encode(b"user=" + USER + b"\1auth=Bearer " + PASSWORD + b"\1\1")
DIGEST = base64.b64encode(USER + b" 0123456789abcdef0123456789abcdef")
IN_CLEAR: dict[str, Script] = {
    "PLAIN, decoded by the server": [
        (C, b"AUTH PLAIN " + PLAIN_LINE + b"\r\n"),
        (S, b"535-5.7.8 no such user: Heinrich.Secretary\r\n535 5.7.8 " + USER + b"/" + PASSWORD + b" refused\r\n"),
    ],
    "LOGIN, decoded by the server, later": [
        (C, b"AUTH LOGIN " + USER_LINE + b"\r\n"),
        (S, b"334 UGFzc3dvcmQ6\r\n"),
        (C, PASSWORD_LINE + b"\r\n"),
        (S, b"235 ok\r\n"),
        (C, b"MAIL FROM:<>\r\n"),
        (S, b"553 <" + USER + b"> may not, with " + PASSWORD + b"\r\n"),
    ],
    "XOAUTH2": [(C, b"AUTH XOAUTH2 " + BEARER + b"\r\n"), (S, b"535 " + USER + b": bad " + PASSWORD + b"\r\n")],
    "CRAM-MD5": [
        (C, b"AUTH CRAM-MD5\r\n"),
        (S, b"334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2U+\r\n"),
        (C, DIGEST + b"\r\n"),
        (S, b"535 no " + USER + b" here\r\n"),
    ],
    "tabs": [(C, b"AUTH\tPLAIN\t" + PLAIN_LINE + b"\r\n"), (S, b"501 what is " + PLAIN_LINE + b"\r\n")],
    "no AUTH": [(C, b"AUTH=PLAIN " + PLAIN_LINE + b"\r\n"), (S, b"500 what is " + PLAIN_LINE + b"\r\n")],
    "another protocol": [
        (C, b"USER " + USER + b"\r\nPASS " + PASSWORD + b"\r\n"),
        (S, b"500 unknown " + USER + b"\r\n500 unknown " + PASSWORD + b"\r\n"),
    ],
    "BURL": [
        (C, b"BURL imap://" + USER + b"@x/;urlauth=anon:" + PASSWORD + b" LAST\r\n"),
        (S, b"554 cannot fetch imap://" + USER + b"@x/;urlauth=anon:" + PASSWORD + b"\r\n"),
    ],
    "a chunk is refused while it is sent": [
        (C, b"AUTH PLAIN " + PLAIN_LINE + b"\r\n"),
        (S, b"235 ok\r\n"),
        (C, b"MAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nBDAT 20 LAST\r\nhalf of it"),
        (S, b"250 ok\r\n250 ok\r\n554 " + USER + b" may not send\r\n"),
    ],
    "nobody saw the client": [(S, b'502 5.5.2 unrecognized: "AUTH PLAIN ' + PLAIN_LINE + b'"\r\n')],
}

TEXT = [
    b"The zanzibar plans",
    b"MAIL the parcels to Zanzibar",
    b"help Zanzibar",
    b"QUIT Zanzibar",
    b"NOOP Zanzibar",
    b"Z: zanzibar",
]
LINES = b"\r\n".join(TEXT) + b"\r\n"
QUOTED = b"".join(b'500 5.5.1 Command unrecognized: "' + line + b'"\r\n' for line in TEXT)
REFUSED: dict[str, Script] = {
    "after the refusal": [(C, b"DATA\r\n"), (S, b"451 4.3.0 not now\r\n"), (C, LINES + b".\r\n"), (S, QUOTED)],
    "line by line": [
        (C, b"DATA\r\n"),
        (S, b"451 4.3.0 not now\r\n"),
        *(
            (side, line)
            for pair in zip(TEXT, QUOTED.splitlines(), strict=True)
            for side, line in zip((C, S), (o + b"\r\n" for o in pair), strict=True)
        ),
    ],
    "before the refusal": [(C, b"DATA\r\n" + LINES), (S, b"451 4.3.0 not now\r\n" + QUOTED)],
    "whole, and before the refusal": [(C, b"DATA\r\n" + LINES + b".\r\nQUIT\r\n"), (S, b"451 4.3.0 no\r\n" + QUOTED)],
    "more than anybody remembers": [
        (C, b"DATA\r\n"),
        (S, b"451 4.3.0 not now\r\n"),
        (C, LINES + b"".join(b"Line %d\r\n" % number for number in range(2000))),
        (S, QUOTED),
    ],
}


def leaks(text: str) -> list[bytes]:
    """Secrets of which ten characters in a row stand in `text`."""
    words = [USER, PASSWORD, *(line.rstrip(b"=") for line in ENCODED)]
    return [w for w in words if any(w[i : i + 10].decode() in text for i in range(len(w) - 9))]


@pytest.mark.parametrize("name", EXCHANGES | IN_CLEAR)
@pytest.mark.parametrize("sizes", [[], [1], [7]])
def test_nothing_leaks(name: str, sizes: list[int]) -> None:
    text = repr(talk([*START, *(EXCHANGES | IN_CLEAR)[name]], sizes))
    assert not leaks(text)
    assert not leaks(text.lower())


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("sizes", [[], [1], [7]])
def test_message_text_that_is_read_as_commands_is_not_quoted(name: str, sizes: list[int]) -> None:
    assert "zanzibar" not in repr(talk([*START, *REFUSED[name]], sizes)).lower()


def test_what_is_not_shown_of_a_line_costs_a_reply_no_word_of_its_own() -> None:
    steps: Script = [
        *START,
        (C, b"FROB the error\r\n"),
        (S, b"500 5.5.1 error: the command FROB is unknown\r\n"),
        (C, b"AUTH LOGIN bWFpbA==\r\n"),  # mail
        (S, b"535 5.7.8 mail: no such mailbox\r\n"),
    ]
    told = [entry.lines for entry in talk(steps).entries if isinstance(entry, Reply)]
    assert told[-2:] == [(b"5.5.1 error: the command FROB is unknown",), (b"5.7.8 ***: no such mailbox",)]


# Words that a server quotes in clear from a line that was not captured cannot be told from its own.
@pytest.mark.parametrize("name", sorted(set(EXCHANGES) - {"clear text in the answer"}))
def test_nothing_leaks_when_the_capture_began_later(name: str) -> None:
    for skipped in range(len(EXCHANGES[name])):
        assert not leaks(repr(talk(EXCHANGES[name][skipped:])))


@given(user=st.binary(min_size=9, max_size=40), password=st.binary(min_size=9, max_size=40))
def test_any_login(user: bytes, password: bytes) -> None:
    lines = [base64.b64encode(user), base64.b64encode(password)]
    steps: Script = [
        *START,
        (C, b"AUTH LOGIN\r\n"),
        (S, b"334 VXNlcm5hbWU6\r\n"),
        (C, lines[0] + b"\r\n"),
        (S, b"334 UGFzc3dvcmQ6\r\n"),
        (C, lines[1] + b"\r\n"),
        (S, b"535 5.7.8 failed: " + lines[1] + b"\r\n"),
    ]
    text = repr(talk(steps))
    assert lines[0].decode() not in text
    assert lines[1].decode() not in text


def test_mechanism_is_shown() -> None:
    assert auth.mechanism(b"cram-md5") == b"CRAM-MD5"
    assert auth.mechanism(b"PLAIN dGVzdA==") == b"PLAIN"
    assert auth.mechanism(b"dGVzdA==") == b""
    assert auth.mechanism(b"") == b""


def test_prompts_are_shown_and_challenges_are_not() -> None:
    assert auth.challenge(b"VXNlcm5hbWU6") == b"VXNlcm5hbWU6"
    assert auth.challenge(b"PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2U+") == auth.WITHHELD
