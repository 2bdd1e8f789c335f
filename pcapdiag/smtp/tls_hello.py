"""The clear part of a TLS handshake: what ClientHello and ServerHello say, and the names of alerts.

Layouts: RFC 8446 4.1.2 and 4.1.3 (RFC 5246 7.4.1 before), server name RFC 6066 3, alerts RFC 8446 6. A hello that is cut
or malformed gives what could be read before the damage.
"""

from __future__ import annotations

from typing import NamedTuple

VERSIONS = {0x0300: "SSL 3.0", 0x0301: "TLS 1.0", 0x0302: "TLS 1.1", 0x0303: "TLS 1.2", 0x0304: "TLS 1.3"}

HANDSHAKE_TYPES = {
    0: "HelloRequest",
    1: "ClientHello",
    2: "ServerHello",
    4: "NewSessionTicket",
    11: "Certificate",
    12: "ServerKeyExchange",
    13: "CertificateRequest",
    14: "ServerHelloDone",
    15: "CertificateVerify",
    16: "ClientKeyExchange",
    20: "Finished",
    22: "CertificateStatus",
}

ALERT_LEVELS = {1: "warning", 2: "fatal"}

ALERTS = {
    0: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    21: "decryption_failed",
    22: "record_overflow",
    30: "decompression_failure",
    40: "handshake_failure",
    41: "no_certificate",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    60: "export_restriction",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    100: "no_renegotiation",
    109: "missing_extension",
    110: "unsupported_extension",
    111: "certificate_unobtainable",
    112: "unrecognized_name",
    113: "bad_certificate_status_response",
    114: "bad_certificate_hash_value",
    115: "unknown_psk_identity",
    116: "certificate_required",
    120: "no_application_protocol",
}

_SERVER_NAME = 0
_SUPPORTED_VERSIONS = 43
_LEGACY = 0x0303
"""TLS 1.2, or what TLS 1.3 says for the sake of old devices."""
# RFC 8446 4.1.3: a HelloRetryRequest is a ServerHello with this Random (SHA-256 of "HelloRetryRequest").
_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")


class Hello(NamedTuple):
    """What a hello says."""

    versions: tuple[str, ...]
    """Offered by the client, or the one that the server chose: none where the hello was cut before it."""
    server_name: bytes | None
    retry: bool
    suite: int | None = None
    """Chosen by the server, as numbered by IANA; None when the hello was cut before it."""


class _Reader:
    """Reads big-endian fields; past the end it gives zeros and nothing, and never raises."""

    __slots__ = ("at", "octets")

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.at = 0

    def take(self, length: int) -> bytes:
        found = self.octets[self.at : self.at + length]
        self.at += length
        return found

    def number(self, length: int) -> int:
        return int.from_bytes(self.take(length), "big")

    def vector(self, prefix: int) -> bytes:
        return self.take(self.number(prefix))

    def __bool__(self) -> bool:
        return self.at < len(self.octets)


def version_name(number: int) -> str:
    return VERSIONS.get(number, f"0x{number:04x}")


def _extensions(reader: _Reader) -> dict[int, bytes]:
    block = _Reader(reader.vector(2))
    found: dict[int, bytes] = {}
    while block and len(found) < 64:
        kind = block.number(2)
        found.setdefault(kind, block.vector(2))
    return found


def _server_name(extension: bytes) -> bytes | None:
    names = _Reader(_Reader(extension).vector(2))
    while names:
        kind, name = names.number(1), names.vector(2)
        if kind == 0:
            return name[:255] or None
    return None


def _is_grease(version: int) -> bool:
    """RFC 8701: values that clients put in so that servers learn to ignore the unknown."""
    return version & 0x0F0F == 0x0A0A


def client_hello(message: bytes) -> Hello:
    """`message` is the handshake message behind its four octets of type and length."""
    reader = _Reader(message)
    legacy = reader.number(2)
    reader.take(32)
    reader.vector(1)
    reader.vector(2)
    reader.vector(1)
    extensions = _extensions(reader)
    offered: list[int] = []
    if _SUPPORTED_VERSIONS in extensions:
        block = _Reader(_Reader(extensions[_SUPPORTED_VERSIONS]).vector(1))
        while block and len(offered) < 16:
            offered.append(block.number(2))
    versions = [v for v in offered if not _is_grease(v)] or [legacy]
    name = _server_name(extensions[_SERVER_NAME]) if _SERVER_NAME in extensions else None
    return Hello(tuple(version_name(v) for v in versions), name, False)


def server_hello(message: bytes) -> Hello:
    """`message` is the handshake message behind its four octets of type and length."""
    reader = _Reader(message)
    chosen = reader.number(2)
    random = reader.take(32)
    reader.vector(1)
    suite = reader.take(2)
    reader.take(1)
    extensions = _extensions(reader)
    if _SUPPORTED_VERSIONS in extensions:
        chosen = int.from_bytes(extensions[_SUPPORTED_VERSIONS][:2], "big")
    # RFC 8446 4.1.3: legacy_version "MUST be set to 0x0303"; where the extension may have been cut off that says nothing.
    unknown = chosen == _LEGACY and _SUPPORTED_VERSIONS not in extensions and reader.at > len(message)
    versions = () if unknown else (version_name(chosen),)
    return Hello(versions, None, random == _RETRY, int.from_bytes(suite) if len(suite) == 2 else None)


def alert_words(fragment: bytes) -> tuple[str, str]:
    """Level and description of a clear alert's two octets."""
    level, description = fragment[0], fragment[1]
    return ALERT_LEVELS.get(level, f"level {level}"), ALERTS.get(description, f"alert {description}")
