"""Cipher suite -> octets by which a record is longer than what it holds, where the suite settles that.

AEAD ciphers add a tag, and in TLS 1.2 most send a part of the nonce along (RFC 5288 3, RFC 6655 3, RFC 7905 2); TLS 1.3 adds the
tag and one octet of type (RFC 8446 5.2). CBC pads, so that many lengths look alike, and gives no answer here. Numbers
are those of IANA's registry of TLS cipher suites.
"""

from __future__ import annotations

_TAG, _SHORT_TAG, _EXPLICIT_NONCE = 16, 8, 8

_GCM = frozenset((*range(0x009C, 0x00AE), *range(0xC02B, 0xC033), *range(0xC07A, 0xC094), 0xD001, 0xD002))
"""AES (RFC 5288, 5487, 5289, 8442) and Camellia (RFC 6367) in GCM."""
_CCM = frozenset((*range(0xC09C, 0xC0A0), *range(0xC0A4, 0xC0A8), 0xC0AC, 0xC0AD, 0xD005))
_CCM_8 = frozenset((*range(0xC0A0, 0xC0A4), *range(0xC0A8, 0xC0AC), 0xC0AE, 0xC0AF, 0xD003))
"""RFC 6655, 7251, 8442."""
_CHACHA20 = frozenset(range(0xCCA8, 0xCCAF))
"""RFC 7905: "The nonce is not transmitted"."""

OVERHEADS = {
    **dict.fromkeys(_GCM | _CCM, _EXPLICIT_NONCE + _TAG),
    **dict.fromkeys(_CCM_8, _EXPLICIT_NONCE + _SHORT_TAG),
    **dict.fromkeys(_CHACHA20, _TAG),
}
TLS13_OVERHEAD = _TAG + 1
TLS13_CCM_8 = 0x1305


def overhead(version: str | None, suite: int | None) -> int | None:
    """The octets a record is longer, or None: the suite was not seen, or pads."""
    if version == "TLS 1.3":
        return _SHORT_TAG + 1 if suite == TLS13_CCM_8 else TLS13_OVERHEAD
    return OVERHEADS.get(suite) if suite is not None else None
