"""TLS records: headers and hellos are seen, ciphertext and personal certificates are not, however they are cut."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcapdiag.model import Side
from pcapdiag.pseudonym import Level, Pseudonyms
from pcapdiag.slices.tls import TlsMask
from pcapdiag.smtp.tls_hello import client_hello, server_hello

CIPHERTEXT, CERTIFICATE = b"ciphertext of a mail " * 20, b"CN=agatha@example.com " * 9


def record(kind: int, fragment: bytes) -> bytes:
    return struct.pack(">BHH", kind, 0x0303, len(fragment)) + fragment


def message(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3) + body


def extension(kind: int, body: bytes) -> bytes:
    return struct.pack(">HH", kind, len(body)) + body


NAME = b"mx.styles.example"
SNI = extension(0, struct.pack(">HBH", len(NAME) + 3, 0, len(NAME)) + NAME)
CLIENT_HELLO = b"\3\3" + bytes(32) + b"\0" + b"\0\2\x13\x01" + b"\1\0" + struct.pack(">H", len(SNI)) + SNI
SERVER_HELLO = b"\3\3" + b"r" * 32 + b"\0" + b"\xc0\x2f" + b"\0" + b"\0\0"
CLIENT = [
    record(22, message(1, CLIENT_HELLO)),
    record(22, message(11, CERTIFICATE)[:50]),
    record(22, message(11, CERTIFICATE)[50:] + message(16, b"key exchange")),
    record(20, b"\1"),
    record(22, b"encrypted finished " * 3),
    record(23, CIPHERTEXT),
    record(21, b"encrypted alert, long"),
]
SERVER = [
    record(22, message(2, SERVER_HELLO) + message(11, b"CN=" + NAME)),
    record(20, b"\1"),
    record(21, b"\2\x28"),
    record(23, CIPHERTEXT),
]


def seen(level: Level, sizes: list[int]) -> dict[Side, bytes]:
    """Both sides' octets as they may be seen, fed in pieces of these sizes; what is not shown is zero."""
    streams = {Side.CLIENT: b"".join(CLIENT), Side.SERVER: b"".join(SERVER)}
    out = {side: bytearray(len(octets)) for side, octets in streams.items()}

    def show(side: Side, offset: int, captured: bytes, shown: bytes) -> None:
        assert streams[side][offset : offset + len(captured)] == captured
        out[side][offset : offset + len(shown)] = shown

    talk = TlsMask(Pseudonyms(level, b"k" * 32), lambda side: lambda *what: show(side, *what))
    for side in (Side.SERVER, Side.CLIENT):
        at, turn = 0, 0
        while at < len(streams[side]):
            piece = streams[side][at : at + sizes[turn % len(sizes)]]
            talk.feed(side, at, piece)
            at, turn = at + len(piece), turn + 1
    talk.finish()
    return {side: bytes(octets) for side, octets in out.items()}


@given(st.lists(st.integers(1, 700), min_size=1, max_size=4), st.sampled_from([Level.MAIL, Level.ALL]))
def test_any_cut_is_seen_alike(sizes: list[int], level: Level) -> None:
    assert seen(level, sizes) == seen(level, [10_000])


@pytest.mark.parametrize("level", [Level.MAIL, Level.ALL])
def test_what_is_seen(level: Level) -> None:
    told = seen(level, [10_000])
    for side, records in ((Side.CLIENT, CLIENT), (Side.SERVER, SERVER)):
        at = 0
        for each in records:
            assert told[side][at : at + 5] == each[:5]
            at += len(each)
    both = told[Side.CLIENT] + told[Side.SERVER]
    for secret in (b"ciphertext", b"agatha", b"encrypted"):
        assert secret not in both
    assert b"key exchange" in both
    assert b"\2\x28" in both, "an alert in clear"
    assert (NAME in both) == (level is Level.MAIL)
    hello = told[Side.CLIENT][9 : 9 + len(CLIENT_HELLO)]
    name = client_hello(hello).server_name
    assert name is not None
    assert len(name) == len(NAME)
    assert server_hello(told[Side.SERVER][9 : 9 + len(SERVER_HELLO)]).versions == ("TLS 1.2",)


def test_behind_a_hole_only_headers_are_seen() -> None:
    shown: list[tuple[int, bytes]] = []
    talk = TlsMask(Pseudonyms(Level.MAIL, b"k" * 32), lambda side: lambda at, captured, told: shown.append((at, told)))
    hello = record(22, message(1, CLIENT_HELLO))
    talk.feed(Side.CLIENT, 0, hello[:20])
    talk.gap(Side.CLIENT, len(hello) - 20 + 3)  # the rest of it, and more than half of the next header
    behind = b"\0\7secret!" + record(23, CIPHERTEXT) + record(22, message(1, CLIENT_HELLO))
    talk.feed(Side.CLIENT, len(hello) + 3, behind)
    talk.finish()
    assert [told for _, told in shown[:2]] == [hello[:5], hello[5:20]]
    assert b"".join(told for _, told in shown[2:]) == record(23, CIPHERTEXT)[:5] + hello
