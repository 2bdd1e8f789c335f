"""Credentials never leave the parser: not in commands, replies, oddities, anywhere."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcapdiag.smtp import auth
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


def leaks(text: str) -> list[bytes]:
    """Secrets of which ten characters in a row stand in `text`."""
    words = [USER, PASSWORD, *(line.rstrip(b"=") for line in ENCODED)]
    return [w for w in words if any(w[i : i + 10].decode() in text for i in range(len(w) - 9))]


@pytest.mark.parametrize("name", EXCHANGES)
@pytest.mark.parametrize("sizes", [[], [1], [7]])
def test_nothing_leaks(name: str, sizes: list[int]) -> None:
    assert not leaks(repr(talk([*START, *EXCHANGES[name]], sizes)))


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
