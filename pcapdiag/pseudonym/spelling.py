"""A local part as it was written -> as it is meant, and the names that stand inside it.

Mail software writes one address inside another: what bounces come back to (VERP), what forwarders rewrite (SRS), what
signs a sender (BATV), and the relays of old times (``user%host``, ``host!user``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_QUOTED_PAIR = re.compile(rb"\\(.)", re.S)
_XTEXT = re.compile(rb"\+([0-9A-Fa-f]{2})")
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")
_TAGGED = re.compile(rb"(?:prvs=|btv1==|srs[01][=+-])")
_PIECES = re.compile(rb"([+=%!@/])")
_PERSON = re.compile(rb"[a-z]{2,}(?:\.[a-z]{2,}){1,2}")


def meant(local: bytes) -> bytes:
    """What a local part says: without quotes (RFC 5321 4.1.2: they are no part of it), in lower case."""
    if len(local) >= 2 and local[:1] == local[-1:] == b'"':
        local = _QUOTED_PAIR.sub(rb"\1", local[1:-1])
    if local.isascii():
        return local.lower()
    return local.decode("utf-8", "surrogateescape").lower().encode("utf-8", "surrogateescape")


def from_xtext(octets: bytes) -> bytes:
    """RFC 3461 section 4: ``+2B`` is a plus sign."""
    return _XTEXT.sub(_octet, octets)


def from_percent(octets: bytes) -> bytes:
    """RFC 3986 2.1: ``%40`` is an at sign."""
    return _PERCENT.sub(_octet, octets)


def _octet(found: re.Match[bytes]) -> bytes:
    return bytes([int(found[1], 16)])


def names_in(local: bytes) -> Iterator[bytes]:
    """The local part as it is meant, and every name inside it that may be quoted alone; host names are left out."""
    whole = meant(local)
    yield whole
    if _PERSON.fullmatch(whole):
        yield from whole.split(b".")  # anna.meier: "Anna Meier has left the company"
    pieces = _PIECES.split(whole)
    if len(pieces) == 1:
        return
    if _TAGGED.match(whole):
        yield pieces[-1]
    for before, name, behind in zip(["", *pieces[1::2]], pieces[::2], [*pieces[1::2], ""], strict=True):
        if b"." in name and (before in (b"=", b"%", b"@") or behind == b"!"):
            continue
        yield name
        if behind == b"=":
            yield name.rpartition(b"-")[2]  # VERP: bounces-anna=example.com
