"""The PROXY protocol's header, which a load balancer puts before the client's first octet.

`header(octets)` says how many octets of it stand at the beginning: sans-I/O, over what has come so far. Both forms are
from "The PROXY protocol, Versions 1 & 2" (HAProxy, doc/proxy-protocol.txt, section 2).
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

# Section 2.2: twelve octets that no protocol begins with, then version and command, family, and the length of the rest.
SIGNATURE_V2 = b"\r\n\r\n\x00\r\nQUIT\n"
_PREFIX_V1 = b"PROXY "
# Section 2.1: "a 108-byte buffer is always enough to store all the line and a trailing zero".
_LONGEST_V1 = 107


class Found(Enum):
    """What stands at the beginning of the client's octets."""

    NOTHING = "nothing"
    MORE = "more"
    """It cannot be said before more octets came."""
    V1 = "v1"
    V2 = "v2"


class Header(NamedTuple):
    """The answer, and for `V1` and `V2` how long the header is."""

    found: Found
    length: int


NONE = Header(Found.NOTHING, 0)
_MORE = Header(Found.MORE, 0)


def header(octets: bytes) -> Header:
    """Look for a header at the beginning of `octets`, the client's first ones."""
    if octets.startswith(SIGNATURE_V2):
        if len(octets) < 16:
            return _MORE
        return Header(Found.V2, 16 + int.from_bytes(octets[14:16], "big"))
    if SIGNATURE_V2.startswith(octets):
        return _MORE
    if octets.startswith(_PREFIX_V1):
        end = octets.find(b"\r\n", 0, _LONGEST_V1)
        if end >= 0:
            return Header(Found.V1, end + 2)
        return _MORE if len(octets) < _LONGEST_V1 else NONE
    return _MORE if _PREFIX_V1.startswith(octets) else NONE
