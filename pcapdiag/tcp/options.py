"""TCP options (RFC 9293 3.1) of one header, as far as captured: what SYNs offer and what SACK reports.

Timestamps are a column of the `PacketTable` already. Broken lengths end the list: what came before stays.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

_END, _NOP, _MSS, _SCALE, _SACK_PERMITTED, _SACK, _TIMESTAMPS = 0, 1, 2, 3, 4, 5, 8
_MAX_SCALE = 14
"""RFC 7323 2.3: a larger shift is taken for 14."""


_COMMONEST = bytes([_MSS, 4, _SACK_PERMITTED, 2, _TIMESTAMPS, 10, _NOP, _SCALE, 3])
"""What stands around the values in the SYNs of Linux: the commonest are read without a loop."""


class SynOptions(NamedTuple):
    """What a SYN or SYN+ACK offers."""

    mss: int | None
    window_scale: int | None
    sack_permitted: bool
    timestamps: bool


_offer = lru_cache(1 << 10)(SynOptions)
"""Few different ones are ever seen."""


def options_of(octets: bytes | memoryview, tcp_at: int, payload_at: int) -> bytes:
    """The options between the fixed header and the payload; empty where they were not captured."""
    return bytes(octets[tcp_at + 20 : payload_at]) if payload_at > tcp_at + 20 else b""


def each(options: bytes) -> list[tuple[int, bytes]]:
    """Kind and data of each option, no-operations left out."""
    found, at, size = [], 0, len(options)
    while at < size and (kind := options[at]) != _END:
        if kind == _NOP:
            at += 1
            continue
        length = options[at + 1] if at + 1 < size else 0
        if length < 2 or at + length > size:
            break
        found.append((kind, options[at + 2 : at + length]))
        at += length
    return found


def syn_options(options: bytes) -> SynOptions:
    """RFC 9293 3.7.1, RFC 7323 2.2 and 3.2, RFC 2018 section 2."""
    if len(options) == 20 and options[:2] + options[4:8] + options[16:19] == _COMMONEST:
        scale = options[19]
        return _offer(options[2] << 8 | options[3], scale if scale < _MAX_SCALE else _MAX_SCALE, True, True)
    found = dict(each(options))
    mss, scaled = found.get(_MSS), found.get(_SCALE)
    return _offer(
        int.from_bytes(mss, "big") if mss and len(mss) == 2 else None,
        min(scaled[0], _MAX_SCALE) if scaled else None,
        _SACK_PERMITTED in found,
        _TIMESTAMPS in found,
    )


def sack_blocks(options: bytes) -> tuple[tuple[int, int], ...]:
    """Left and right edges in sequence numbers, in the order sent (RFC 2018 section 3)."""
    for kind, data in each(options):
        if kind == _SACK:
            edges = [int.from_bytes(data[at : at + 4], "big") for at in range(0, len(data) - 3, 4)]
            return tuple(zip(edges[::2], edges[1::2], strict=False))
    return ()
