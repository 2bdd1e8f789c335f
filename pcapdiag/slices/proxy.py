"""The PROXY protocol's header (HAProxy, doc/proxy-protocol.txt) -> the same header about other hosts.

At level ``mail`` its addresses stay; what a version 2 header tells beside them (the names in a certificate, tokens) goes always.
"""

from __future__ import annotations

import ipaddress

from pcapdiag.pseudonym import Level, Pseudonyms
from pcapdiag.slices.lines import filled
from pcapdiag.smtp.proxy import Found, Header

_WORD = b"PROXY "
_HEAD = 16
_ADDRESSES = {1: 4, 2: 16}
"""Section 2.2: family (the upper half of octet 14) -> octets of an address."""
_UNIX = 216


def masked(header: Header, octets: bytes, names: Pseudonyms) -> bytes:
    """The header that stands in `octets`, or what has come of it; as long as before."""
    if header.found is Found.V1:
        return _first(octets, names)
    if header.found is Found.V2:
        return _second(octets, names)
    return octets[: len(_WORD)] + filled(octets[len(_WORD) :]) if octets.startswith(_WORD) else octets


def _first(octets: bytes, names: Pseudonyms) -> bytes:
    if names.level is not Level.ALL:
        return octets
    line = octets.rstrip(b"\r\n")
    words = [word if number not in (2, 3) else _text(word, names) for number, word in enumerate(line.split(b" "))]
    return b" ".join(words) + octets[len(line) :]


def _text(word: bytes, names: Pseudonyms) -> bytes:
    try:
        ipaddress.ip_address(word.decode("ascii"))
    except ValueError:
        return b"0" * len(word)
    return names.address_in(word)


def _second(octets: bytes, names: Pseudonyms) -> bytes:
    size = _ADDRESSES.get(octets[13] >> 4, 0)
    behind = _HEAD + (2 * size + 4 if size else _UNIX if octets[13] >> 4 == 3 else 0)
    body = octets[_HEAD:behind]
    if names.level is Level.ALL:
        if size and len(body) >= 2 * size:
            body = names.packed(body[:size]) + names.packed(body[size : 2 * size]) + body[2 * size :]
        else:
            body = bytes(len(body))
    return octets[:_HEAD] + body + b"".join(_tlvs(octets[behind:]))


def _tlvs(octets: bytes) -> list[bytes]:
    """Section 2.2: type, length in two octets, value. Types and lengths stay."""
    parts, at = [], 0
    while at < len(octets):
        head = octets[at : at + 3]
        value = octets[at + 3 : at + 3 + int.from_bytes(head[1:3])]
        parts += [head, bytes(len(value))]
        at += 3 + len(value)
    return parts
