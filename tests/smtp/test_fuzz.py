"""Whatever comes, in whatever order: nothing is raised, and memory stays bounded."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcapdiag.model import Side
from pcapdiag.smtp.dialogue import Command, Reply
from pcapdiag.tcp.connection import GapReason
from tests.smtp.talk import C, Feeder, Gap, S, talk

WORDS = [
    b"EHLO x\r\n", b"HELO", b"LHLO y\r\n", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<c@d>\r\n", b"DATA\r\n", b"BDAT 5\r\n",
    b"BDAT 20 LAST\r\n", b"BDAT x\r\n", b"RSET\r\n", b"NOOP\r\n", b"QUIT\r\n", b"AUTH LOGIN\r\n", b"AUTH PLAIN x\r\n",
    b"STARTTLS\r\n", b"*\r\n", b".\r\n", b"\r\n.\r\n", b"\n.\n", b"text\r\n", b"Subject: x\r\n", b"220 mx\r\n", b"250 ok\r\n",
    b"250-a\r\n250 b\r\n", b"250-", b"354 go\r\n", b"334 \r\n", b"235 ok\r\n", b"421 bye\r\n", b"500 what\r\n", b"221 bye\r\n",
    b"\x16\x03\x01\x00\x02\x01\x00", b"\x17\x03\x03\x00\x13" + bytes(19), b"\x15\x03\x03\x00\x02\x02\x28",
    b"\x14\x03\x03\x00\x01\x01", b"\x16\x03\x03\xff\xff", b"PROXY TCP4 ", b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c",
    b"GET / HTTP/1.1\r\n", b"XXXX\r\n", b"\x00\x01\x02", b"a" * 3000, b"\r", b"\n", b"999 x\r\n", b"2", b"600 x\r\n", b"000 \r\n",
]  # fmt: skip

SIDES = st.sampled_from([C, S])
DATA = st.tuples(SIDES, st.one_of(st.sampled_from(WORDS), st.binary(min_size=1, max_size=40)))
GAPS = st.builds(Gap, SIDES, st.sampled_from([1, 3, 6, 40, 2000]), st.sampled_from(list(GapReason)))


@given(steps=st.lists(st.one_of(DATA, DATA, DATA, GAPS), max_size=40), implicit_tls=st.booleans())
def test_anything(steps: list[tuple[Side, bytes] | Gap], implicit_tls: bool) -> None:
    dialogue = talk(steps, implicit_tls=implicit_tls)
    assert bool(dialogue.positions) == bool(steps)
    assert [e.at for e in dialogue.entries] == sorted(e.at for e in dialogue.entries)


@given(steps=st.lists(DATA, max_size=25), sizes=st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_cuts_do_not_matter(steps: list[tuple[Side, bytes]], sizes: list[int]) -> None:
    whole, cut = talk(steps), talk(steps, sizes)
    assert [type(e) for e in whole.entries] == [type(e) for e in cut.entries]
    assert [(p.stage, p.owing) for p in whole.positions] == [(p.stage, p.owing) for p in cut.positions]


@pytest.mark.parametrize(
    "line", [b"NOOP\r\n", b"RCPT TO:<a@b>\r\n", b"junk of a kind\r\n", b"MAIL FROM:<>\r\n", b"BDAT 0\r\n"]
)
def test_very_many_commands(line: bytes) -> None:
    feeder = Feeder()
    feeder.data(S, b"220 mx ESMTP\r\n")
    for _ in range(100):
        feeder.data(C, line * 200)
        feeder.data(S, b"250 ok\r\n" * 100)
    dialogue = feeder.observer.finish()
    assert len(dialogue.entries) == 800
    assert dialogue.entries_total == 30_001
    assert len(dialogue.exchanges) == 800
    assert len(dialogue.positions) <= 400
    assert len(dialogue.transactions) <= 200
    assert len(dialogue.outstanding) <= 500
    assert len(dialogue.oddities) <= 50
    assert all(len(t.recipients) <= 1000 for t in dialogue.transactions)


@pytest.mark.parametrize("side", [C, S])
@pytest.mark.parametrize("octets", [b"a" * 65536, b"\r" * 65536, b"250-", b"\x16\x03\x03\x40\x00" + bytes(60000)])
def test_endless_line(side: Side, octets: bytes) -> None:
    feeder = Feeder()
    for _ in range(300):
        feeder.data(side, octets)
    assert sys.getsizeof(repr(feeder.observer.finish())) < 2_000_000


def test_long_lines_are_cut() -> None:
    dialogue = talk([(S, b"220 " + b"x" * 5000 + b"\r\n"), (C, b"EHLO " + b"y" * 5000 + b"\r\n")])
    command = next(e for e in dialogue.entries if isinstance(e, Command))
    reply = next(e for e in dialogue.entries if isinstance(e, Reply))
    assert len(command.argument) == 1000
    assert len(reply.lines[0]) == 1000
    assert [o.kind.value for o in dialogue.oddities] == ["long-line", "long-line"]
