"""Addresses in the options of headers: routes that were recorded or asked for, home addresses, other ways to a host.

They are found by what the options are; of options that are not known nothing can be said, and their data goes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

END, NOP = 0, 1
RECORD_ROUTE, TIMESTAMP, LOOSE_ROUTE, STRICT_ROUTE, ROUTER_ALERT = 7, 68, 131, 137, 148
"""RFC 791 3.1, RFC 2113."""
HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION = 0, 43, 44, 60
HOME_ADDRESS = 0xC9
"""RFC 6275 6.3."""
_HARMLESS = frozenset((0, 1, 4, 5, 0xC2))
"""Of IPv6: padding, tunnel limit, router alert, jumbo payload (RFC 8200 4.2, RFC 2473, RFC 2711, RFC 2675)."""
MULTIPATH, ADD_ADDRESS = 30, 3
"""RFC 8684 3.4.1."""


class Place(NamedTuple):
    """Where something stands that names a host."""

    begin: int
    end: int
    is_address: bool
    """An IP address as it stands in headers; else it may be anything."""


def of_ip(octets: bytes | bytearray, at: int, end: int) -> Iterator[Place]:
    """In the options of an IPv4 header that ends at `end`, or in the extension headers of IPv6."""
    return _ipv4(octets, at + 20, min(end, len(octets))) if octets[at] >> 4 == 4 else _ipv6(octets, at)


def of_tcp(octets: bytes | bytearray, at: int, end: int) -> Iterator[Place]:
    """In the options of a TCP header."""
    for kind, begin, stop in _options(octets, at + 20, min(end, len(octets))):
        size = {8: 4, 10: 4, 16: 4, 18: 4, 20: 16, 22: 16, 28: 16, 30: 16}.get(stop - begin)
        if kind == MULTIPATH and size is not None and octets[begin + 2] >> 4 == ADD_ADDRESS:
            yield Place(begin + 4, begin + 4 + size, True)


def _ipv4(octets: bytes | bytearray, begin: int, end: int) -> Iterator[Place]:
    for kind, at, stop in _options(octets, begin, end):
        if kind in (RECORD_ROUTE, LOOSE_ROUTE, STRICT_ROUTE):
            yield from _each(at + 3, stop, 4)
        elif kind == TIMESTAMP and stop - at >= 4:
            if octets[at + 3] & 15:  # 1 and 3: each with the address of who stamped it
                yield from (Place(place, place + 4, True) for place in range(at + 4, stop - 3, 8))
        elif kind != ROUTER_ALERT:
            yield Place(at + 2, stop, False)


def _ipv6(octets: bytes | bytearray, at: int) -> Iterator[Place]:
    kind, at = octets[at + 6], at + 40
    while kind in (HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION) and at + 8 <= len(octets):
        size = 8 if kind == FRAGMENT else (octets[at + 1] + 1) * 8
        end = min(at + size, len(octets))
        if kind == ROUTING:
            yield from _each(at + 8, end, 16)
        elif kind != FRAGMENT:
            yield from _ipv6_options(octets, at + 2, end)
        kind, at = octets[at], at + size


def _ipv6_options(octets: bytes | bytearray, at: int, end: int) -> Iterator[Place]:
    while at + 2 <= end:
        kind, stop = octets[at], min(at + 2 + octets[at + 1], end)
        if kind == 0:
            at += 1
            continue
        if kind not in _HARMLESS:
            yield Place(at + 2, stop, kind == HOME_ADDRESS and stop - at == 18)
        at = stop


def _options(octets: bytes | bytearray, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Kind, begin and end of each (RFC 791 3.1, RFC 9293 3.1)."""
    while at < end and octets[at] != END:
        if octets[at] == NOP:
            at += 1
            continue
        length = octets[at + 1] if at + 1 < end else 0
        if length < 2:
            return
        yield octets[at], at, min(at + length, end)
        at += length


def _each(begin: int, end: int, size: int) -> Iterator[Place]:
    whole = begin + (max(0, end - begin)) // size * size
    yield from (Place(place, place + size, True) for place in range(begin, whole, size))
    if whole < end:
        yield Place(whole, end, False)
