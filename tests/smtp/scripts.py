"""Conversations of every kind, each with where it ends: the table that several tests walk."""

from __future__ import annotations

from typing import NamedTuple

from tests.smtp.talk import C, S, Script, script

HELLO = """
S: 220 mx.example ESMTP Postfix
C: EHLO client.example
S: 250-mx.example
S: 250-PIPELINING
S: 250-SIZE 10240000
S: 250-AUTH PLAIN LOGIN
S: 250 CHUNKING
"""
ENVELOPE = (
    HELLO
    + """
C: MAIL FROM:<a@client.example> SIZE=100
S: 250 2.1.0 Ok
C: RCPT TO:<b@mx.example>
S: 250 2.1.5 Ok
"""
)
BODY = ENVELOPE + "C: DATA\nS: 354 go ahead\n"


class Case(NamedTuple):
    """A conversation."""

    script: Script
    ends: str
    """The last position."""
    odd: str = ""
    """Kinds of oddities in order."""
    implicit_tls: bool = False


CASES: dict[str, Case] = {
    "silence after the greeting": Case(script("S: 220 mx ESMTP"), "greeting/client"),
    "half a greeting": Case([(S, b"220-mx.example ESMTP\r\n")], "greeting/server", "partial-reply"),
    "greeting refuses": Case(script("S: 554 5.7.1 no"), "greeting/client"),
    "early talker waits": Case([(C, b"EHLO x\r\n")], "greeting/server", "early-talk"),
    "early talker is refused": Case(
        [(C, b"EHLO x\r\n"), (S, b"554 5.5.1 pregreet\r\n")], "greeting/server", "early-talk"
    ),
    "EHLO unanswered": Case(script("S: 220 mx ESMTP\nC: EHLO x"), "ehlo/server"),
    "EHLO answered in part": Case(
        [*script("S: 220 mx ESMTP\nC: EHLO x"), (S, b"250-mx\r\n250-SIZE\r\n")], "ehlo/server", "partial-reply"
    ),
    "EHLO answered": Case(script(HELLO), "ehlo/client"),
    "EHLO refused, then HELO": Case(script("S: 220 mx\nC: EHLO x\nS: 502 no\nC: HELO x\nS: 250 mx"), "ehlo/client"),
    "MAIL unanswered": Case(script(HELLO + "C: MAIL FROM:<a@b>"), "mail/server"),
    "MAIL refused": Case(script(HELLO + "C: MAIL FROM:<a@b>\nS: 451 later"), "mail/client"),
    "RCPT answered": Case(script(ENVELOPE), "rcpt/client"),
    "NOOP leaves the stage alone": Case(script(ENVELOPE + "C: NOOP\nS: 250 ok"), "rcpt/client"),
    "unknown verbs leave the stage alone": Case(script(ENVELOPE + "C: FROB x\nS: 500 what"), "rcpt/client"),
    "RSET": Case(script(ENVELOPE + "C: RSET"), "other/server"),
    "VRFY": Case(script(HELLO + "C: VRFY a\nS: 252 perhaps"), "other/client"),
    "DATA unanswered": Case(script(ENVELOPE + "C: DATA"), "data/server"),
    "DATA refused": Case(script(ENVELOPE + "C: DATA\nS: 554 no"), "data/client"),
    "DATA refused, text comes nevertheless": Case(
        script(ENVELOPE + "C: DATA\nS: 554 no\nC: Subject: x\nC: hello there\nC: ."), "data/server", "unstuffed-text"
    ),
    "body": Case(script(BODY), "body/client"),
    "in the body": Case(script(BODY + "C: Subject: x\nC: .."), "body/client"),
    "dot": Case(script(BODY + "C: Subject: x\nC:\nC: hello\nC: ."), "end-of-data/server"),
    "empty message": Case(script(BODY + "C: ."), "end-of-data/server"),
    "dot answered": Case(script(BODY + "C: x\nC: .\nS: 250 2.0.0 Ok: queued as 4ABCDEF"), "end-of-data/client"),
    "dot refused": Case(script(BODY + "C: x\nC: .\nS: 552 5.3.4 too big"), "end-of-data/client"),
    "QUIT behind the dot": Case(script(BODY + "C: x\nC: .\nC: QUIT"), "end-of-data/server"),
    "QUIT behind the dot, dot answered": Case(script(BODY + "C: x\nC: .\nC: QUIT\nS: 250 ok"), "quit/server"),
    "QUIT": Case(script(BODY + "C: x\nC: .\nC: QUIT\nS: 250 ok\nS: 221 bye"), "quit/-"),
    "pipelined envelope": Case(
        script(HELLO + "C: MAIL FROM:<a@b>\nC: RCPT TO:<c@d>\nC: DATA\nS: 250 2.1.0 ok"), "rcpt/server"
    ),
    "pipelined envelope refused, RSET behind DATA": Case(
        script(HELLO + "C: MAIL FROM:<a@b>\nC: RCPT TO:<c@d>\nC: DATA\nC: RSET\nS: 550 no\nS: 503 no\nS: 503 no"),
        "other/server",
    ),
    "content without waiting for 354": Case(
        script(ENVELOPE + "C: DATA\nC: Subject: x\nC: .\nC: QUIT\nS: 354 go\nS: 250 ok"), "quit/server"
    ),
    "two messages": Case(
        script(BODY + "C: x\nC: .\nS: 250 ok\nC: MAIL FROM:<e@f>\nS: 250 ok"), "mail/client"
    ),
    "reply in the body": Case(
        script(BODY + "C: x\n---\nS: 552 5.3.4 too big\nC: y"), "body/client", "early-reply-in-body"
    ),
    "unasked 421": Case(script(HELLO + "---\nS: 421 4.4.2 timeout"), "ehlo/client", "unasked-reply"),
    "BDAT announced": Case(script(ENVELOPE + "C: BDAT 10"), "body/client"),
    "BDAT chunk holds QUIT": Case([*script(ENVELOPE), (C, b"BDAT 9\r\nQUIT\r\n.\r\n")], "body/server"),
    "BDAT chunk answered": Case([*script(ENVELOPE), (C, b"BDAT 3\r\nabc"), (S, b"250 ok\r\n")], "body/client"),
    "BDAT LAST": Case([*script(ENVELOPE), (C, b"BDAT 3\r\nabcBDAT 0 LAST\r\n")], "end-of-data/server"),
    "BDAT LAST answered": Case(
        [*script(ENVELOPE), (C, b"BDAT 3 LAST\r\nabc"), (S, b"250 ok\r\n")], "end-of-data/client"
    ),
    "BDAT refused in mid-chunk": Case(
        [*script(ENVELOPE), (C, b"BDAT 30 LAST\r\nabc"), (S, b"552 no\r\n"), (C, b"d" * 27 + b"QUIT\r\n")],
        "quit/server",
        "early-reply-in-body",
    ),
    "AUTH waits": Case(script(HELLO + "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6"), "auth/client"),
    "AUTH user name sent": Case(script(HELLO + "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: c2VjcmV0"), "auth/server"),
    "AUTH accepted": Case(script(HELLO + "C: AUTH PLAIN c2VjcmV0\nS: 235 2.7.0 ok"), "auth/client"),
    "AUTH cancelled": Case(script(HELLO + "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: *\nS: 501 ok"), "auth/client"),
    "AUTH response that looks like QUIT": Case(
        script(HELLO + "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: QUIT\nS: 535 no"), "auth/client"
    ),
    "STARTTLS unanswered": Case(script(HELLO + "C: STARTTLS"), "starttls/server"),
    "STARTTLS refused": Case(script(HELLO + "C: STARTTLS\nS: 454 no"), "starttls/client"),
    "STARTTLS accepted": Case(script(HELLO + "C: STARTTLS\nS: 220 go"), "starttls/client"),
    "command behind STARTTLS": Case(
        script(HELLO + "C: STARTTLS\nC: MAIL FROM:<a@b>\nS: 220 go"), "mail/server", "pipelined-after-starttls"
    ),
    "PROXY v1": Case(
        [(C, b"PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n"), *script(HELLO)], "ehlo/client", "proxy-v1"
    ),
    "PROXY v2": Case(
        [(C, b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12)), *script(HELLO)], "ehlo/client", "proxy-v2"
    ),
    "LF only": Case(
        [(S, b"220 mx ESMTP\r\n"), (C, b"HELO x\n"), (S, b"250 mx\r\n")], "ehlo/client", "bare-lf"
    ),
    "LF.LF that the server takes": Case(
        [*script(BODY), (C, b"hello\n.\n"), (S, b"250 ok\r\n")], "end-of-data/client", "bare-lf"
    ),
    "LF.LF that the server does not take": Case([*script(BODY), (C, b"hello\n.\nmore\r\n")], "body/client", "bare-lf"),
    "early talker is welcome": Case(
        [(C, b"EHLO x\r\n"), (S, b"220 mx ESMTP\r\n"), (S, b"250 mx\r\n")], "ehlo/client", "early-talk"
    ),
    "early talker goes on": Case(
        [(C, b"EHLO x\r\n"), (S, b"220 mx ESMTP\r\n"), (C, b"MAIL FROM:<a@b>\r\n")], "ehlo/server", "early-talk"
    ),
    "HTTP": Case(
        [(S, b"220 mx ESMTP\r\n"), (C, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), (S, b"221 2.7.0 Error\r\n")],
        "greeting/server",
        "not-smtp unstuffed-text",
    ),
    "masked": Case(
        script("S: 220 ****************\nC: EHLO x\nS: 250-mx\nS: 250 XXXXXXXA"), "ehlo/client", "masked-banner masked-verb"
    ),
    "masked command": Case(script("S: 220 mx ESMTP\nC: XXXX client\nS: 500 what"), "greeting/client", "masked-verb"),
    "LMTP, two recipients, one reply": Case(
        script("S: 220 mx LMTP\nC: LHLO x\nS: 250 mx\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<c@d>\nS: 250 ok\n"
               "C: RCPT TO:<e@f>\nS: 250 ok\nC: DATA\nS: 354 go\nC: x\nC: .\nS: 250 ok"),
        "end-of-data/server",
    ),
    "TLS hello on a clear port": Case(
        [(S, b"220 mx ESMTP\r\n"), (C, b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"), (S, b"500 what\r\n")],
        "greeting/client",
        "not-smtp",
    ),
    "TLS hello before a clear greeting": Case(
        [(C, b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"), (S, b"220 mx ESMTP\r\n")], "greeting/client", "not-smtp"
    ),
    "clear text on 465": Case(script(HELLO), "ehlo/client", implicit_tls=True),
    "capture begins in the envelope": Case(script("C: RCPT TO:<a@b>\nS: 250 2.1.5 ok"), "rcpt/client"),
    "capture begins in a body": Case(script("C: some text\nC: more text\nC: and more"), "body/client"),
    "capture begins in a body, dot": Case(
        script("C: some text\nC: more text\nC: and more\nC: .\nS: 250 2.0.0 Ok: queued as 4ABCDEF"), "end-of-data/client"
    ),
    "server only": Case(script("S: 250 2.1.5 Ok\n---\nS: 354 go ahead"), "body/client"),
    "binary junk from both": Case([(C, b"\x80\x00\x01\x02"), (S, b"\x00\x01\x02\x03\x04\n")], "other/-", "not-smtp not-smtp"),
}  # fmt: skip
