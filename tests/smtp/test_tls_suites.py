"""How much longer a record is than what it holds, by cipher suite."""

from __future__ import annotations

import pytest

from pcapdiag.smtp.tls_hello import server_hello
from pcapdiag.smtp.tls_suites import overhead

TLS12, TLS13 = "TLS 1.2", "TLS 1.3"


@pytest.mark.parametrize(
    ("version", "suite", "octets"),
    [
        (TLS12, 0xC02F, 24),  # ECDHE_RSA_WITH_AES_128_GCM_SHA256
        (TLS12, 0xC02C, 24),  # ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
        (TLS12, 0x009C, 24),  # RSA_WITH_AES_128_GCM_SHA256
        (TLS12, 0xC09E, 24),  # DHE_RSA_WITH_AES_128_CCM
        (TLS12, 0xC0AF, 16),  # ECDHE_ECDSA_WITH_AES_256_CCM_8
        (TLS12, 0xCCA8, 16),  # ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
        (TLS12, 0xC013, None),  # ECDHE_RSA_WITH_AES_128_CBC_SHA: padding hides it
        (TLS12, 0xC027, None),  # ECDHE_RSA_WITH_AES_128_CBC_SHA256
        (TLS12, None, None),
        (None, None, None),
        (TLS13, 0x1301, 17),
        (TLS13, 0x1303, 17),
        (TLS13, 0x1305, 9),  # AES_128_CCM_8_SHA256
        (TLS13, None, 17),
    ],
)
def test_overhead(version: str | None, suite: int | None, octets: int | None) -> None:
    assert overhead(version, suite) == octets


def test_the_server_s_choice_is_read_from_its_hello() -> None:
    head = b"\x03\x03" + bytes(32) + b"\x02\xaa\xbb"
    assert server_hello(head + b"\xc0\x2f\x00").suite == 0xC02F
    assert server_hello(head + b"\xc0").suite is None
    assert server_hello(b"").suite is None
