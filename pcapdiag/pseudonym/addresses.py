"""IP addresses -> pseudonyms that share exactly as many first bits as the addresses did.

Each bit is flipped or not by a keyed function of the bits before it (the idea of Crypto-PAn: Xu, Fan, Ammar and Moon,
"Prefix-Preserving IP Address Anonymization", ICNP 2002). So the hosts of a network are still seen to be neighbours, and
nothing but the key says which network it is. IPv4 and IPv6 are two trees.

Some bits are never flipped, so that an address keeps its kind and no host turns into a loopback or multicast address:

* IPv4: those on the way to 127.0.0.0/8 (loopback, which stays as it is) and 224.0.0.0/4. The class of an address (A, B
  or C) is seen therefore, and of 64.0.0.0 to 126.255.255.255 how many first bits it has in common with 127.
  Private networks do not look private any more.
* IPv6: those on the way to 2000::/3 (global), fc00::/7 (private), fe80::/10 (link-local) and ff00::/8 (multicast).
* ``0.0.0.0``, ``::`` and ``::1`` stay. ``::ffff:0:0/96`` and ``64:ff9b::/96`` hold IPv4 addresses (RFC 4291 2.5.5.2,
  RFC 6052): the prefix stays, and the address in it gets the pseudonym that it has by itself.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from hashlib import blake2b

_KEPT_PATHS = {
    4: ("01111111", "1110"),
    16: ("001", "1111110", "1111111010", "11111111"),
}
_KEPT = {size: frozenset(path[:n] for path in paths for n in range(len(path))) for size, paths in _KEPT_PATHS.items()}
"""The ways, from no bit at all, behind which the next bit is not flipped."""
_LONGEST = max(len(path) for path in _KEPT_PATHS[16])
_HOLDS_IPV4 = (bytes(10) + b"\xff\xff", bytes.fromhex("0064ff9b") + bytes(8))
_ITSELF = frozenset((bytes(4), bytes(16), bytes(15) + b"\1"))
_HEX_DIGIT = re.compile(rb"[0-9A-Fa-f]")


def is_address(octets: bytes) -> bool:
    """The text of an IPv4 or IPv6 address, and nothing besides."""
    if len(octets) > 45 or not (b":" in octets or (octets[-1:].isdigit() and octets.count(b".") == 3)):
        return False  # most words: without the price of an exception
    try:
        ipaddress.ip_address(octets.decode("ascii"))
    except ValueError:
        return False
    return True


def shape(octets: bytes) -> bytes:
    """What is left of an address whose pseudonym does not fit: ``xxx.x.x.x``."""
    return _HEX_DIGIT.sub(b"x", octets)


@lru_cache(maxsize=65_536)
def text(address: str, key: bytes) -> str:
    """The pseudonym as RFC 5952 text or dotted quad; of what is no address, itself."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_address(packed(found.packed, key)))


@lru_cache(maxsize=65_536)
def packed(octets: bytes, key: bytes) -> bytes:
    """The pseudonym of an address in network byte order."""
    if len(octets) not in _KEPT:
        raise ValueError(f"{len(octets)} octets are no IP address: it has 4 or 16")
    if octets in _ITSELF or (len(octets) == 4 and octets[0] == 127):
        return octets
    if octets[:12] in _HOLDS_IPV4:
        return octets[:12] + packed(octets[12:], key)
    return bytes([octet ^ _flips(octets[:place], octet, key, len(octets)) for place, octet in enumerate(octets)])


def _flips(before: bytes, octet: int, key: bytes, size: int) -> int:
    """Which bits of the octet behind `before` are flipped.

    The digest has a bit for every way through an octet: bit 1 for the empty way, 2 and 3 for those of one step...
    """
    digest = int.from_bytes(blake2b(before, key=key, digest_size=32, person=b"ip%d" % size).digest(), "big")
    way, flips = 1, 0
    for bit in range(7, -1, -1):
        kept = 8 * len(before) < _LONGEST and _way(before, way) in _KEPT[size]
        flips |= (digest >> way & 1 and not kept) << bit
        way = way << 1 | octet >> bit & 1
    return flips


def _way(before: bytes, way: int) -> str:
    return "".join([f"{octet:08b}" for octet in before]) + f"{way:b}"[1:]
