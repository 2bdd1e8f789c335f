"""Octets of a terminal -> keys. A terminal sends a key as a character, or as ESC and some more (ECMA-48, xterm)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum


class Key(Enum):
    """What the view knows."""

    UP = "up"
    DOWN = "down"
    PAGE_UP = "page up"
    PAGE_DOWN = "page down"
    FIRST = "first"
    LAST = "last"
    OPEN = "open"
    BACK = "back"
    DROPPED = "dropped"
    QUIT = "quit"


_KEYS = {
    b"k": Key.UP, b"\x1b[A": Key.UP, b"\x1bOA": Key.UP,
    b"j": Key.DOWN, b"\x1b[B": Key.DOWN, b"\x1bOB": Key.DOWN,
    b"\x1b[5~": Key.PAGE_UP, b"b": Key.PAGE_UP, b"\x02": Key.PAGE_UP,
    b"\x1b[6~": Key.PAGE_DOWN, b" ": Key.PAGE_DOWN, b"\x06": Key.PAGE_DOWN,
    b"g": Key.FIRST, b"\x1b[H": Key.FIRST, b"\x1bOH": Key.FIRST, b"\x1b[1~": Key.FIRST,
    b"G": Key.LAST, b"\x1b[F": Key.LAST, b"\x1bOF": Key.LAST, b"\x1b[4~": Key.LAST,
    b"\r": Key.OPEN, b"\n": Key.OPEN, b"\x1b[C": Key.OPEN, b"\x1bOC": Key.OPEN, b"l": Key.OPEN,
    b"\x1b": Key.BACK, b"\x1b[D": Key.BACK, b"\x1bOD": Key.BACK, b"h": Key.BACK, b"\x7f": Key.BACK, b"\x08": Key.BACK,
    b"d": Key.DROPPED,
    b"q": Key.QUIT, b"Q": Key.QUIT,
}  # fmt: skip

_ONE = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1bO[@-~]|\x1b\x1b|.", re.DOTALL)
_BEGUN = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|O)?\Z")


class Keyboard:
    """Cuts what is read into keys; what is none is left out."""

    def __init__(self) -> None:
        self._rest = b""

    def keys(self, octets: bytes) -> Iterator[Key]:
        """The keys in it. The beginning of a sequence waits for more; no octets: nothing more has come for a moment, so
        that a lone ESC is the key of that name."""
        octets = self._rest + octets
        begun = _BEGUN.search(octets) if octets != self._rest else None
        self._rest = begun[0] if begun else b""
        for found in _ONE.finditer(octets[: len(octets) - len(self._rest)]):
            if (key := _KEYS.get(found[0])) is not None:
                yield key
