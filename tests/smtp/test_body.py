"""Where message content ends, and the line feeds in it."""

from __future__ import annotations

import random

import pytest

from pcapdiag.smtp.body import LOOKED_AT, TERMINATOR, DataScanner, find_terminator


@pytest.mark.parametrize(
    "pieces", [(b"A" * 76 + b"\r\n",), (b"a.b.c\r\n", b"..\r\n"), (b"A" * 76 + b"\r\n", b".", b"\r\n.")]
)
@pytest.mark.parametrize("size", [0, 4000, 4096, 4100, 20_000, 100_000])
def test_the_terminator_is_found_wherever_a_search_for_all_of_it_finds_it(pieces: tuple[bytes, ...], size: int) -> None:
    rng = random.Random(size)
    for _ in range(20):
        text = b"".join(rng.choices(pieces, k=size // len(pieces[0])))
        place = rng.choice((len(text), rng.randrange(len(text) + 1), 4090 + rng.randrange(12)))
        text = rng.choice((text, text[:place] + TERMINATOR + text[place:]))
        begin = rng.randrange(4)
        assert find_terminator(text, begin) == text.find(TERMINATOR, begin)


@pytest.mark.parametrize(
    ("chunks", "bare"),
    [
        ((b"a\r\nb\r\n.\r\n",), None),
        ((b"a\nb\r\n.\r\n",), 1),
        ((b"\n",), 0),
        ((b"a\r", b"\nb\n"), 4),
        ((b"a\r\n.\r\nNOOP\n",), None),
        ((b"x" * LOOKED_AT, b"\n"), None),
        ((b"x" * (LOOKED_AT - 1), b"\n"), LOOKED_AT - 1),
    ],
)
def test_the_first_bare_line_feed(chunks: tuple[bytes, ...], bare: int | None) -> None:
    scanner, offset = DataScanner(100), 100
    for chunk in chunks:
        scanner.scan(chunk, offset, 0)
        offset += len(chunk)
    assert scanner.bare == (None if bare is None else 100 + bare)


def test_a_line_feed_behind_a_hole_is_not_called_bare() -> None:
    scanner = DataScanner(0)
    scanner.scan(b"abc", 0, 0)
    scanner.gap(3, 10)
    scanner.scan(b"\ndef", 13, 0)
    assert scanner.bare is None
