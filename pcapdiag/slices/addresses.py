"""Addresses in packets -> their pseudonyms, in the same number of octets. Only level ``all`` comes here."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

from pcapdiag.pseudonym import Pseudonyms

_GROUP, _LOCAL = 0x01, 0x02
"""IEEE 802, in a MAC address's first octet: to many stations; not given by a vendor."""


@lru_cache(1 << 14)
def station(address: bytes, names: Pseudonyms) -> bytes:
    """Another MAC address: no vendor's, but equal for equal ones. Broadcast, multicast and none at all stay."""
    if not address.strip(b"\0") or address[0] & _GROUP:
        return address
    other = blake2b(address, key=names.key, person=b"station", digest_size=len(address)).digest()
    return bytes([other[0] & ~_GROUP | _LOCAL]) + other[1:]
