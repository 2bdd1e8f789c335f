"""A capture in which a stranger wrote whatever may hurt a reader, and a user what nobody else may read.

`ATTACKS` are text for terminals, browsers, wikis, spreadsheets and ticket systems; `SECRETS` are octets that must not be
found in anything that leaves the machine. Built from a ladder, like the scenes.
"""

from __future__ import annotations

import base64

from tests.scenes.ladder import build

ATTACKS = (
    "\x1b[2J\x1b]0;title\x07",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{7*7}} ${7*7} {% raw %}",
    "[click](https://evil.example/) ![x](https://evil.example/x.png)",
    "[click|https://evil.example/] !https://evil.example/x.png!",
    '"click":https://evil.example/ <notextile>',
    "{code}{html}<b>{color:red}red{color}{noformat}",
    "@all @admin [~admin] MAIL-12 #123 !4 GH-5 user/repo#6 r7 [[Wiki]] {{macro}}",
    "| a | b |",
    "```` ``` ` </pre> </code> ]]> -->",
    "\u202eright to left\u202c \u200bzero\u2066width\u2069",
    "/close",
    "=cmd|' /C calc'!A0",
    "+1+1 -2+3 @SUM(A1:A9)",
    ":smile: *bold* _it_ -gone- ~sub~ h1. head bq. quote ---- (x) (!)",
)

PASSWORD = "correct-horse-battery"
LOGIN = "carla.geheim"
SENDER = "victor.absender"
RECIPIENT = "erika.mustermann"
STRANGER = "otto.normal"
"""Occurs in a reply only."""
BODY = "Zanzibarrel"
CREDENTIALS = base64.b64encode(f"\0{LOGIN}\0{PASSWORD}".encode()).decode()

SECRETS = (PASSWORD, CREDENTIALS, LOGIN, SENDER, RECIPIENT, STRANGER, BODY)


def _raw(text: str) -> str:
    """Text as a ladder names it: every octet spelled."""
    return "{raw " + "".join(f"\\x{octet:02x}" for octet in text.encode("utf-8")) + "}"


def _reply(code: int, lines: list[str]) -> str:
    return _raw("".join(f"{code}{'-' if n < len(lines) - 1 else ' '}{line}\r\n" for n, line in enumerate(lines)))


def ladder() -> str:
    """The story: a greeting full of attacks, a login, a message that repeats them, refusals, and a reset in mid-body."""
    everything = " ".join(ATTACKS)
    long_line = "A" * 65_536
    body = f"Subject: {BODY}\r\n\r\n" + f"{BODY} has the plans. {everything}\r\n" * 20
    steps = [
        "0.000  open",
        "+.080  <-- " + _reply(220, [f"gw.example.net ESMTP {everything}"]),
        "+.001  --> " + _raw(f"EHLO {everything}\r\n"),
        "+.026  <-- " + _reply(250, ["gw.example.net", "AUTH PLAIN LOGIN", "SIZE 10240000", f"X-{everything}"]),
        "+.001  --> " + _raw(f"AUTH PLAIN {CREDENTIALS}\r\n"),
        "+.026  <-- " + _reply(235, ["2.7.0 welcome"]),
        "+.001  --> " + _raw(f"MAIL FROM:<{SENDER}@example.org> SIZE=5000\r\n"),
        "+.026  <-- " + _reply(250, [f"2.1.0 <{SENDER}@example.org> sender ok {everything}"]),
        *(
            line
            for attack in ATTACKS
            for line in (
                "+.001  --> " + _raw(f"RCPT TO:<{attack}@example.net>\r\n"),
                "+.026  <-- " + _reply(550, [f"5.1.1 <{attack}@example.net>: no {attack}", f"5.1.1 {attack}"]),
            )
        ),
        "+.001  --> " + _raw(f"RCPT TO:<{RECIPIENT}@example.net> ORCPT=rfc822;{RECIPIENT}@example.net\r\n"),
        "+.026  <-- " + _reply(250, [f"2.1.5 {RECIPIENT} is forwarded to {STRANGER}@example.net", "2.1.5 ok"]),
        "+.001  --> " + _raw(f"NOOP {long_line}\r\n"),
        "+.026  <-- " + _reply(250, [f"2.0.0 {long_line}"]),
        "+.001  --> " + _raw("DATA\r\n"),
        "+.026  <-- " + _reply(354, [f"go ahead {everything}"]),
        "+.001  --> " + _raw(body),
        "+.300  <-- " + _reply(451, [f"4.3.0 {RECIPIENT}@example.net: {everything}"]),
        "+.001  <-- [RST, ACK]",
    ]
    hosts = ["client 192.0.2.66", "server 198.51.100.25 ttl 52", "port 587", "captured at the client, round trip 24 ms"]
    return "\n".join(["Hostile text.", "", *hosts, "", *steps, ""])


def capture() -> bytes:
    """The pcap file."""
    return build(ladder())
