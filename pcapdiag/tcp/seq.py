"""Sequence numbers: the one place where they are compared.

    RFC 9293 3.4: "the actual sequence number space is finite, though large. This space ranges from 0 to 2**32 - 1.
    Since the space is finite, all arithmetic dealing with sequence numbers must be performed modulo 2**32."

Everything above this module works with stream offsets, plain integers that do not wrap: `offset_near` turns the one into
the other, given an offset that is known to be less than 2 GiB away.
"""

from __future__ import annotations

MASK = 0xFFFFFFFF
_HALF = 0x80000000


def distance(later: int, earlier: int) -> int:
    """How far `later` stands after `earlier`, from -2**31 to 2**31 - 1; negative when it stands before it."""
    return ((later - earlier + _HALF) & MASK) - _HALF


def offset_near(number: int, base: int, near: int) -> int:
    """The stream offset of sequence number `number`, where offset 0 has the number `base`, closest to offset `near`."""
    return near + ((number - base - near + _HALF) & MASK) - _HALF
