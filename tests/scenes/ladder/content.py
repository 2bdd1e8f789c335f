"""Octets that a ladder names instead of spelling: message content and TLS records, the same every time.

A name stands in braces: ``{message 3000}`` is a whole message of 3,000 octets without its terminating dot, ``{more 500}``
goes on with its text, ``{tls client-hello 1.2}`` and ``{tls application 160}`` are records.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

_HEAD = (
    b"From: Anna <anna@example.com>\r\nTo: Ben <ben@example.net>\r\nSubject: Minutes of the meeting\r\n"
    b"Message-ID: <20240514093000.1@example.com>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n"
)
_LINE = b"The quick brown fox jumps over the lazy dog and the mail goes through\r\n"


def _text(octets: int) -> bytes:
    """That many octets of lines, the last one cut short and still ended by CRLF."""
    if octets < 3:
        raise ValueError(f"{octets} octets hold no line of text")
    whole, rest = divmod(octets, len(_LINE))
    if rest == 0:
        return _LINE * whole
    if rest < 3:  # too short for a line of its own: taken from the line before
        whole, rest = whole - 1, rest + len(_LINE)
        return _LINE * whole + b"x" * (rest - 2) + b"\r\n"
    return _LINE * whole + b"x" * (rest - 2) + b"\r\n"


def message(octets: int) -> bytes:
    """A header and lines of text; ends with CRLF, so that a line ``.`` terminates it (RFC 5321 section 4.1.1.4)."""
    return _HEAD + _text(octets - len(_HEAD))


# --- TLS (RFC 8446 section 5.1: type, legacy version, length) ---------------------------------------------------------

_VERSIONS = {"1.0": b"\x03\x01", "1.1": b"\x03\x02", "1.2": b"\x03\x03", "1.3": b"\x03\x04"}
_ALERTS = {
    "close_notify": 0,
    "handshake_failure": 40,
    "certificate_expired": 45,
    "unknown_ca": 48,
    "protocol_version": 70,
}


def _record(kind: int, fragment: bytes) -> bytes:
    return bytes([kind]) + b"\x03\x03" + len(fragment).to_bytes(2, "big") + fragment


def _handshake(kind: int, body: bytes) -> bytes:
    return _record(22, bytes([kind]) + len(body).to_bytes(3, "big") + body)


def _noise(octets: int) -> bytes:
    """Looks encrypted and is always the same."""
    state, out = 0x9E3779B9, bytearray()
    while len(out) < octets:
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        out += state.to_bytes(4, "big")
    return bytes(out[:octets])


def _extension(number: int, body: bytes) -> bytes:
    return number.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body


def _client_hello(version: str) -> bytes:
    """Offers no more than `version`; 1.3 in the supported_versions extension (RFC 8446 section 4.2.1)."""
    name = b"gw.example.net"
    extensions = _extension(0, (len(name) + 3).to_bytes(2, "big") + b"\x00" + len(name).to_bytes(2, "big") + name)
    legacy = version
    if version == "1.3":
        extensions += _extension(43, b"\x04" + _VERSIONS["1.3"] + _VERSIONS["1.2"])
        legacy = "1.2"
    suites = bytes.fromhex("1301 c02f 009c".replace(" ", ""))
    body = _VERSIONS[legacy] + _noise(32) + b"\x00" + len(suites).to_bytes(2, "big") + suites + b"\x01\x00"
    return _handshake(1, body + len(extensions).to_bytes(2, "big") + extensions)


def _server_hello(version: str) -> bytes:
    body = _VERSIONS["1.2" if version == "1.3" else version] + _noise(32) + b"\x00"
    if version == "1.3":
        extensions = _extension(43, _VERSIONS["1.3"])
        return _handshake(2, body + b"\x13\x01\x00" + len(extensions).to_bytes(2, "big") + extensions)
    return _handshake(2, body + b"\xc0\x2f\x00")


_CERTIFICATE = base64.b64decode(
    "MIIBGzCBwgIBATAKBggqhkjOPQQDAjAZMRcwFQYDVQQDDA5ndy5leGFtcGxlLm5ldDAgFw0yNjExMjMyMzEwMDJaGA8yMTI2"
    "MTAzMDIzMTAwMlowGTEXMBUGA1UEAwwOZ3cuZXhhbXBsZS5uZXQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATJtkvuCyc/"
    "VPxZZCh6wh68lj1tVB6+PQBfUFyMaSvatyjuC6COm7SjjUQa1ZjrS0QvjAB9Z5Wv7CQaW8l7HOSyMAoGCCqGSM49BAMCA0gA"
    "MEUCIA21Gxua5YdNa/oPsPIhCplgMEHh5GQ1aAiUIkYOSdjBAiEA3Nibs6grzs46ApbfVv3D5LDXgRq/3Mu3q8sckkdlW+E="
)
"""Self-signed, for gw.example.net; nobody has its key."""


def _certificate() -> bytes:
    one = len(_CERTIFICATE).to_bytes(3, "big") + _CERTIFICATE  # RFC 5246 section 7.4.2
    return _handshake(11, len(one).to_bytes(3, "big") + one)


def _tls(words: list[str]) -> bytes:
    what, arguments = words[0], words[1:]
    if what == "alert":
        level = {"warning": 1, "fatal": 2}[arguments[0]]
        return _record(21, bytes([level, _ALERTS[arguments[1]]]))
    made: dict[str, Callable[[], bytes]] = {
        "client-hello": lambda: _client_hello(arguments[0]),
        "server-hello": lambda: _server_hello(arguments[0]),
        "certificate": _certificate,
        "server-hello-done": lambda: _handshake(14, b""),
        "client-key-exchange": lambda: _handshake(16, b"\x20" + _noise(32)),
        "change-cipher-spec": lambda: _record(20, b"\x01"),
        "finished": lambda: _record(22, _noise(40)),  # encrypted (RFC 5246 section 7.4.9)
        "application": lambda: _record(23, _noise(int(arguments[0]))),
        "encrypted-alert": lambda: _record(21, _noise(26)),
    }
    return made[what]()


def named(name: str) -> bytes:
    """The octets that a name in braces stands for."""
    words = name.split()
    try:
        if words[0] == "message":
            return message(int(words[1]))
        if words[0] == "more":
            return _text(int(words[1]))
        if words[0] == "tls":
            return _tls(words[1:])
        if words[0] == "raw":  # text without a line end
            return name.partition(" ")[2].encode("latin-1").decode("unicode_escape").encode("latin-1")
    except (KeyError, IndexError, ValueError) as error:
        raise ValueError(f"cannot make {{{name}}}: {error}") from error
    raise ValueError(f"no content is called {{{name}}}")
