"""Octets -> keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcapdiag.live.view.keys import Key, Keyboard


@pytest.mark.parametrize(
    ("octets", "keys"),
    [
        (b"jjk", [Key.DOWN, Key.DOWN, Key.UP]),
        (b"\x1b[A\x1bOB\x1b[5~\x1b[6~", [Key.UP, Key.DOWN, Key.PAGE_UP, Key.PAGE_DOWN]),
        (b"\x1b[1;5A", []),  # Ctrl-Up
        (b"\x1b[200~pasted", [Key.DROPPED]),
        ("é漢q".encode(), [Key.QUIT]),
        (b"\r\n", [Key.OPEN, Key.OPEN]),
        (b"gG", [Key.FIRST, Key.LAST]),
    ],
)
def test_keys(octets: bytes, keys: list[Key]) -> None:
    assert list(Keyboard().keys(octets)) == keys


def test_a_lone_escape_is_one_only_when_nothing_follows() -> None:
    keyboard = Keyboard()
    assert list(keyboard.keys(b"\x1b")) == []
    assert list(keyboard.keys(b"[A")) == [Key.UP]
    assert list(keyboard.keys(b"\x1b")) == []
    assert list(keyboard.keys(b"")) == [Key.BACK]
    assert list(keyboard.keys(b"")) == []


@given(st.lists(st.binary(max_size=20)))
def test_anything_may_be_typed_and_nothing_is_kept(pieces: list[bytes]) -> None:
    keyboard = Keyboard()
    for piece in pieces:
        list(keyboard.keys(piece))
    list(keyboard.keys(b""))
    assert list(keyboard.keys(b"q"))[-1:] == [Key.QUIT]
