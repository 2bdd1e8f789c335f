"""TCP options (RFC 9293 3.1) of one header, as far as captured: what SYNs offer and what SACK reports.

Timestamps are a column of the `PacketTable` already. Broken lengths end the list: what came before stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

_END, _NOP, _MSS, _SCALE, _SACK_PERMITTED, _SACK, _TIMESTAMPS = 0, 1, 2, 3, 4, 5, 8
_MAX_SCALE = 14
"""RFC 7323 2.3: a larger shift is taken for 14."""


class SynOptions(NamedTuple):
    """What a SYN or SYN+ACK offers."""

    mss: int | None
    window_scale: int | None
    sack_permitted: bool
    timestamps: bool


def options_of(octets: bytes | memoryview, tcp_at: int, payload_at: int) -> bytes:
    """The options between the fixed header and the payload; empty where they were not captured."""
    return bytes(octets[tcp_at + 20 : payload_at]) if payload_at > tcp_at + 20 else b""


def each(options: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and data of each option, no-operations left out."""
    at = 0
    while at < len(options) and options[at] != _END:
        if options[at] == _NOP:
            at += 1
            continue
        length = options[at + 1] if at + 1 < len(options) else 0
        if length < 2 or at + length > len(options):
            return
        yield options[at], options[at + 2 : at + length]
        at += length


def syn_options(options: bytes) -> SynOptions:
    """RFC 9293 3.7.1, RFC 7323 2.2 and 3.2, RFC 2018 section 2."""
    found = dict(each(options))
    mss, scale = found.get(_MSS), found.get(_SCALE)
    return SynOptions(
        mss=int.from_bytes(mss, "big") if mss and len(mss) == 2 else None,
        window_scale=min(scale[0], _MAX_SCALE) if scale else None,
        sack_permitted=_SACK_PERMITTED in found,
        timestamps=_TIMESTAMPS in found,
    )


def sack_blocks(options: bytes) -> tuple[tuple[int, int], ...]:
    """Left and right edges in sequence numbers, in the order sent (RFC 2018 section 3)."""
    for kind, data in each(options):
        if kind == _SACK:
            edges = [int.from_bytes(data[at : at + 4], "big") for at in range(0, len(data) - 3, 4)]
            return tuple(zip(edges[::2], edges[1::2], strict=False))
    return ()
