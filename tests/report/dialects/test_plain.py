"""Plain text: narrow, and what a stranger said begins no line, where gateways of ticket systems look for commands."""

from __future__ import annotations

from datetime import UTC

from pcapdiag.report.brief import short
from pcapdiag.report.dialects import dialect
from pcapdiag.report.document import Bullets, Code, Facts, Heading, Numbered, Paragraph, Table
from pcapdiag.report.options import Options
from pcapdiag.report.text.style import columns
from tests.report.attacks import LINES, attacked

PLAIN = dialect("plain")


def test_blocks() -> None:
    written = PLAIN.write(
        [
            Heading(2, "Session 1"),
            Paragraph("The server " + "said no " * 15),
            Facts([("client", "192.0.2.10"), ("mail", "delayed"), ("", "not sent")]),
            Heading(3, "Why"),
            Bullets(["one", "two"]),
            Numbered(["first", "second"]),
            Code(["tcpdump -w x"]),
            Table(("a", "b"), [("1", "2"), ("3", "")]),
        ]
    )
    assert written == (
        "SESSION 1\n"
        "The server said no said no said no said no said no said no said no said no said no said no said no\n"
        "  said no said no said no said no\n\n"
        "client  192.0.2.10\nmail    delayed\n        not sent\n\n"
        "Why:\n* one\n* two\n\n1. first\n2. second\n\n  tcpdump -w x\n\n* 1, 2\n* 3\n\n"
    )


def test_no_line_is_wide_and_none_begins_with_what_a_stranger_said() -> None:
    ours = (
        "SESSION",
        "CAPTURES",
        "* ",
        "  ",
        "Why",
        "What",
        "In ",
        "Not told",
        "The ",
        "pcapdiag",
        "1. ",
        "2. ",
        "3. ",
    )
    labels = ("client ", "server ", "time ", "dropped by ", "mail ", "2 SMTP sessions")
    lines = short(attacked(), PLAIN, Options(zone=UTC)).splitlines()
    lines += PLAIN.write([Paragraph(line) for line in LINES if not line.strip()[0].isalnum()]).splitlines()
    for line in lines:
        assert not line or line.startswith(ours + labels), line
        assert columns(line) <= 100 or ".addr == " in line or "tcpdump" in line, line
