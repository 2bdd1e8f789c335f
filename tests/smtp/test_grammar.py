"""Lines, paths, sizes, queue ids: tables of examples."""

from __future__ import annotations

import pytest

from pcapdiag.smtp import grammar, proxy
from pcapdiag.smtp.grammar import ReplyLine, Words
from pcapdiag.smtp.queueid import queue_id
from pcapdiag.smtp.stages import OUTCOMES, STEPS, UNKNOWN, Kind


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"EHLO mx.example", Words(b"EHLO", b"mx.example", True)),
        (b"mail from:<a@b>", Words(b"MAIL", b"from:<a@b>", True)),
        (b"  RCPT\tTO:<a@b> ", Words(b"RCPT", b"TO:<a@b>", True)),
        (b"QUIT", Words(b"QUIT", b"", True)),
        (b"XFROB secret", Words(b"XFROB", b"", False)),
        (b".", Words(b"", b"", False)),
        (b"", Words(b"", b"", False)),
        (b"dXNlcm5hbWU", Words(b"", b"", False)),
        (b"Subject: x", Words(b"", b"", False)),
        (b"\x00\x01", Words(b"", b"", False)),
    ],
)
def test_command_line(line: bytes, words: Words) -> None:
    assert grammar.command_line(line) == words


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b"250 Ok", ReplyLine(250, True, b"Ok")),
        (b"250-SIZE 100", ReplyLine(250, False, b"SIZE 100")),
        (b"220", ReplyLine(220, True, b"")),
        (b"421\tbye", ReplyLine(421, True, b"bye")),
        (b"25", None),
        (b"250x", None),
        (b"999 no", None),
        (b"HTTP/1.1 400 Bad Request", None),
    ],
)
def test_reply_line(line: bytes, found: ReplyLine | None) -> None:
    assert grammar.reply_line(line) == found


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"2.1.0 Ok", b"2.1.0"),
        (b"5.7.606", b"5.7.606"),
        (b"3.1.0 Ok", None),
        (b"2.1 Ok", None),
        (b"2.1.0x", None),
        (b"", None),
    ],
)
def test_enhanced_code(text: bytes, code: bytes | None) -> None:
    assert grammar.enhanced_code(text) == code


@pytest.mark.parametrize(
    ("argument", "path"),
    [
        (b"FROM:<a@b> SIZE=1", b"a@b"),
        (b"FROM: <>", b""),
        (b"FROM:a@b BODY=8BITMIME", b"a@b"),
        (b'TO:<"odd>name"@b>', b'"odd>name"@b'),
        (b"TO:<a@b", b"a@b"),
        (b"TO:", b""),
        (b"", b""),
    ],
)
def test_path_of(argument: bytes, path: bytes) -> None:
    assert grammar.path_of(argument) == path


def test_declared_size() -> None:
    assert grammar.declared_size(b"FROM:<a@b> BODY=8BITMIME size=1234") == 1234
    assert grammar.declared_size(b"FROM:<a@b> SIZE=x") is None
    assert grammar.declared_size(b"FROM:<a@b>") is None


def test_chunk_size() -> None:
    assert grammar.chunk_size(b"100 LAST") == (100, True)
    assert grammar.chunk_size(b"0") == (0, False)
    assert grammar.chunk_size(b"5 X") is None
    assert grammar.chunk_size(b"-5") is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"2.0.0 Ok: queued as 4Rz1Kx2Jz3z9y", b"4Rz1Kx2Jz3z9y"),
        (b"OK id=1xVW7m-0001KD-0L", b"1xVW7m-0001KD-0L"),
        (b"2.0.0 3AN8Xx1k012345 Message accepted for delivery", b"3AN8Xx1k012345"),
        (b"2.0.0 5a0d7c2b Message accepted for delivery", b"5a0d7c2b"),
        (
            b"2.6.0 <a1@EX.example> [InternalId=12, Hostname=EX] 1 bytes in 0.1 sec Queued mail for delivery",
            b"<a1@EX.example>",
        ),
        (b"ok 1700000000 qp 4711", b"4711"),
        (b"2.0.0 OK  1700000000 a1b2c3-d4 - gsmtp", b"a1b2c3-d4"),
        (b"2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 4ABCDEF", b"4ABCDEF"),
        (b"2.0.0 Ok", None),
    ],
)
def test_queue_id(text: bytes, found: bytes | None) -> None:
    assert queue_id(text) == found


def test_request_shown_without_what_may_be_secret() -> None:
    assert grammar.request_shown(b"GET /a?token=x HTTP/1.1") == b"GET /a HTTP/1.1"
    assert grammar.request_shown(b"CONNECT user:pass@host:25 HTTP/1.1") == b"CONNECT host:25 HTTP/1.1"


def test_proxy_header() -> None:
    v1 = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n"
    v2 = proxy.SIGNATURE_V2 + b"\x21\x11\x00\x0c" + bytes(12)
    for whole, kind in ((v1, proxy.Found.V1), (v2, proxy.Found.V2)):
        assert proxy.header(whole + b"EHLO x\r\n") == (kind, len(whole))
        assert all(proxy.header(whole[:n]).found is proxy.Found.MORE for n in range(1, min(len(whole), 16)))
    assert proxy.header(b"EHLO x\r\n") == proxy.NONE
    assert proxy.header(b"PROXY " + b"x" * 200) == proxy.NONE


def test_tables_are_total() -> None:
    assert set(OUTCOMES) == set(Kind)
    assert all(len(row) == 6 for row in OUTCOMES.values())
    assert UNKNOWN.stage is None
    assert all(verb == verb.upper() for verb in STEPS)
