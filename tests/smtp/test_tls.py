"""TLS as seen from outside: hellos, alerts, and what lengths tell."""

from __future__ import annotations

import pytest

from pcapdiag.smtp.dialogue import Dialogue, OddKind, TlsEntry
from pcapdiag.smtp.tls_hello import client_hello, server_hello
from pcapdiag.smtp.tls_records import looks_like_record
from pcapdiag.tcp.connection import GapReason
from tests.smtp.scripts import HELLO
from tests.smtp.talk import C, Gap, S, Script, script, stages, standing, talk

STARTTLS = script(HELLO + "C: STARTTLS\nS: 220 go")


def record(kind: int, fragment: bytes) -> bytes:
    return bytes([kind, 3, 3]) + len(fragment).to_bytes(2, "big") + fragment


def extension(kind: int, octets: bytes) -> bytes:
    return kind.to_bytes(2, "big") + len(octets).to_bytes(2, "big") + octets


def message(kind: int, octets: bytes) -> bytes:
    return bytes([kind]) + len(octets).to_bytes(3, "big") + octets


def hello_c(versions: tuple[int, ...] = (0x0304, 0x0303), name: bytes = b"mx.example") -> bytes:
    names = b"\x00" + len(name).to_bytes(2, "big") + name
    offered = b"".join(v.to_bytes(2, "big") for v in versions)
    extensions = extension(0, len(names).to_bytes(2, "big") + names) + extension(43, bytes([len(offered)]) + offered)
    head = b"\x03\x03" + bytes(32) + b"\x00" + b"\x00\x02\x13\x01" + b"\x01\x00"
    return record(22, message(1, head + len(extensions).to_bytes(2, "big") + extensions))


def hello_s(version: int = 0x0304) -> bytes:
    extensions = extension(43, version.to_bytes(2, "big")) if version == 0x0304 else b""
    head = min(version, 0x0303).to_bytes(2, "big") + bytes(32) + b"\x00" + b"\x13\x01" + b"\x00"
    return record(22, message(2, head + len(extensions).to_bytes(2, "big") + extensions))


def app(length: int) -> bytes:
    return record(23, b"\xaa" * length)


CCS = record(20, b"\x01")
HANDSHAKE_13: Script = [
    (C, hello_c()),
    (S, hello_s() + CCS + app(23) + app(848) + app(281) + app(69)),
    (C, CCS + app(69)),
]
HANDSHAKE_12: Script = [
    (C, hello_c((0x0303,))),
    (S, hello_s(0x0303) + record(22, message(11, bytes(600)) + message(14, b""))),
    (C, record(22, message(16, bytes(60))) + CCS + record(22, bytes(40))),
    (S, CCS + record(22, bytes(40))),
]


def says(dialogue: Dialogue) -> list[str]:
    return [e.says for e in dialogue.entries if isinstance(e, TlsEntry)]


def test_tls13() -> None:
    dialogue = talk(
        [*STARTTLS, *HANDSHAKE_13, (C, app(40)), (S, app(250) + app(250) + app(120)), (C, app(23)), (S, app(32))]
    )
    tls = dialogue.tls
    assert tls is not None
    assert (tls.version, tls.offered, tls.server_name) == ("TLS 1.3", ("TLS 1.3", "TLS 1.2"), b"mx.example")
    assert tls.application == (2, 2)
    assert not tls.implicit
    assert standing(dialogue) == "encrypted/client"
    assert "tls/server tls/client tls/server encrypted/server encrypted/client" in stages(dialogue)
    assert says(dialogue)[-4:] == [
        "session tickets (by their lengths)",
        "application data",
        "application data",
        "application data",
    ]


def test_tickets_before_the_first_command() -> None:
    dialogue = talk([*STARTTLS, *HANDSHAKE_13, (S, app(250)), (C, app(40)), (S, app(250) + app(71))])
    assert dialogue.tls is not None
    assert dialogue.tls.application == (1, 1)


def test_tls12() -> None:
    dialogue = talk([*STARTTLS, *HANDSHAKE_12, (C, app(40)), (S, app(50) + app(60)), (S, record(21, bytes(24)))])
    tls = dialogue.tls
    assert tls is not None
    assert tls.version == "TLS 1.2"
    assert tls.application == (1, 2)
    assert tls.finished is not None
    assert not tls.alerts
    assert says(dialogue)[-2:] == ["application data (2 records)", "encrypted alert"]
    assert says(dialogue)[1] == "ServerHello"
    assert says(dialogue)[2] == "Certificate, ServerHelloDone"


def test_clear_alert() -> None:
    dialogue = talk([*STARTTLS, (C, hello_c()), (S, record(21, b"\x02\x46"))])
    assert dialogue.tls is not None
    assert [alert[1:4] for alert in dialogue.tls.alerts] == [(S, "fatal", "protocol_version")]
    assert standing(dialogue) == "tls/client"


def test_encrypted_alert_of_tls13_by_its_length() -> None:
    dialogue = talk([*STARTTLS, *HANDSHAKE_13[:2], (C, app(19))])
    assert says(dialogue)[-1] == "encrypted alert (by its length)"
    assert standing(dialogue) == "tls/server"


def test_implicit() -> None:
    dialogue = talk([*HANDSHAKE_13, (S, app(250) + app(250) + app(90))], implicit_tls=True)
    assert dialogue.tls is not None
    assert dialogue.tls.implicit
    assert dialogue.tls.application == (0, 1)
    assert stages(dialogue).startswith("tls/server tls/client")
    assert standing(dialogue) == "encrypted/client"


def test_capture_began_inside() -> None:
    dialogue = talk([(C, app(40)), (S, app(50))])
    assert standing(dialogue) == "encrypted/client"


def test_hello_and_server_silent() -> None:
    assert standing(talk([*STARTTLS, (C, hello_c())])) == "tls/server"


@pytest.mark.parametrize("sizes", [[], [1], [3, 700]])
def test_holes_inside_records_are_skipped(sizes: list[int]) -> None:
    steps: Script = [*STARTTLS, *HANDSHAKE_13, (C, app(1000)[:300]), Gap(C, 705), (C, app(23))]
    dialogue = talk(steps, sizes)
    assert dialogue.tls is not None
    assert dialogue.tls.application == (2, 0)


@pytest.mark.parametrize("sizes", [[], [1], [2, 5]])
def test_records_are_found_again_behind_a_hole(sizes: list[int]) -> None:
    steps: Script = [
        *STARTTLS,
        *HANDSHAKE_13,
        (C, app(1000)[:300]),
        Gap(C, 900),
        (C, b"\xaa" * 100 + app(23) + app(23)),
    ]
    dialogue = talk(steps, sizes)
    assert dialogue.tls is not None
    assert dialogue.tls.application[0] == 3


def test_hellos_that_are_cut_give_what_they_hold() -> None:
    whole = hello_c()[9:]
    for length in range(len(whole)):
        client_hello(whole[:length])
        server_hello(whole[:length])
    assert client_hello(whole).server_name == b"mx.example"


def test_looks_like_record() -> None:
    assert looks_like_record(b"\x16\x03\x01") is True
    assert looks_like_record(b"\x16") is None
    assert looks_like_record(b"EHL") is False
    assert looks_like_record(b"") is None


CUT_HELLO = hello_s()[:45]
"""As far as the session id: version 0x0303, and no extension."""


@pytest.mark.parametrize(
    ("behind", "version"),
    [
        ([(S, app(23)), (C, CCS + app(69)), (S, app(100))], "TLS 1.3"),
        ([(C, record(22, bytes(60)) + CCS + record(22, bytes(40))), (S, CCS + record(22, bytes(40)) + app(50))], None),
        ([Gap(C, 200), (S, CCS + record(22, bytes(40)) + app(50))], None),
    ],
)
def test_a_cut_server_hello_does_not_tell_the_version(behind: Script, version: str | None) -> None:
    """0x0303 means nothing without the extensions; application data of a server whose client said nothing yet does."""
    rest = Gap(S, len(hello_s()) - len(CUT_HELLO), GapReason.SNAPLEN)
    tls = talk([*STARTTLS, (C, hello_c()), (S, CUT_HELLO), rest, *behind]).tls
    assert tls is not None
    assert tls.version == version


def test_a_capture_that_begins_inside_a_record_of_the_client() -> None:
    """Port 465: the server's record shows that the client speaks TLS as well, whatever its first octets were."""
    tls = talk([(C, bytes(range(128, 228))), (S, app(60)), (C, app(23)), (S, app(40))], implicit_tls=True).tls
    assert tls is not None
    assert [(entry.side, entry.length) for entry in tls.records] == [(S, 60), (C, 23), (S, 40)]


def test_a_hole_that_swallows_the_finished_of_the_client() -> None:
    tls = talk([*STARTTLS, *HANDSHAKE_13[:2], (C, CCS), Gap(C, 74), (C, app(38)), (S, app(250))]).tls
    assert tls is not None
    assert tls.finished is not None
    assert [(entry.side, entry.length) for entry in tls.records] == [(C, 38), (S, 250)]


def test_a_hello_that_met_clear_text_is_shown_by_its_own_frame() -> None:
    odd, *_ = talk([(C, hello_c()), (S, b"220 mx ESMTP\r\n")], implicit_tls=True).oddities
    assert (odd.kind, odd.side, odd.at.frame) == (OddKind.NOT_SMTP, C, 1)
