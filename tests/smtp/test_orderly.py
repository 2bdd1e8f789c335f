"""The short way of whole chunks: it gives what the long way gives, and leaves nothing to the garbage collector."""

from __future__ import annotations

import gc
from itertools import pairwise

import pytest

from pcapdiag.smtp import orderly
from pcapdiag.smtp.observer import SmtpObserver
from tests.smtp.scripts import CASES
from tests.smtp.talk import Feeder, Gap, talk


@pytest.mark.parametrize("name", CASES)
def test_both_ways_give_the_same_dialogue(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES[name]
    short = talk(case.script, implicit_tls=case.implicit_tls)
    monkeypatch.setattr(orderly, "CHUNK_LIMIT", -1)
    assert talk(case.script, implicit_tls=case.implicit_tls) == short


@pytest.mark.parametrize(
    ("octets", "codes"),
    [
        (b"250 2.1.0 Ok\r\n", [250]),
        (b"250-a\r\n250 b\r\n354 go\r\n", [250, 354]),
        (b"250-a\r\n550 b\r\n", []),
        (b"250 a\r\n250\r\n250 b\r\n", [250]),
        (b"250 a\nb\r\n", []),
        (b"999 a\r\n", []),
        (b"250-a\r\n", []),
    ],
)
def test_replies_by_the_book(octets: bytes, codes: list[int]) -> None:
    found = orderly.replies(octets)
    assert [code for code, *_ in found] == codes
    ends = [0]
    for *_, length in found:
        ends.append(ends[-1] + length)
    assert all(octets[end - 2 : end] == b"\r\n" for _, end in pairwise(ends))


@pytest.mark.parametrize("name", ["QUIT", "two messages", "QUIT behind the dot, dot answered", "AUTH accepted"])
def test_a_conversation_is_freed_by_its_reference_count(name: str) -> None:
    gc.collect()
    gc.disable()
    try:
        feeder = Feeder()
        for step in CASES[name].script:
            assert not isinstance(step, Gap)
            feeder.data(*step)
        feeder.observer.finish()
        del feeder
        assert not [each for each in gc.get_objects() if isinstance(each, SmtpObserver)]
    finally:
        gc.enable()
