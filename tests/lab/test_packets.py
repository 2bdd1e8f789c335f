"""Frames taken apart and put together; addresses that a scenario's name decides."""

import ipaddress
from dataclasses import replace

import pytest

from .lab import hops_of
from .network import Addresses
from .packets import ACK, FIN, PSH, RST, SYN, Segment, build, internet_checksum, parse, routed

PLAIN = Segment(
    "192.0.2.10", "198.51.100.25", 49152, 25, 4711, 815, PSH | ACK, 501, 64, 7, (100, 200), b"QUIT\r\n", bytes(12) + b"\x08\x00"
)  # fmt: skip
SIX = replace(PLAIN, source="2001:db8::a", destination="2001:db8:1::19", ip_id=0, ethernet=bytes(12) + b"\x86\xdd")


@pytest.mark.parametrize("segment", [PLAIN, SIX, replace(PLAIN, timestamps=None, payload=b"", flags=RST)])
def test_what_is_built_is_read_again(segment: Segment) -> None:
    assert parse(build(segment)) == segment


@pytest.mark.parametrize(("flags", "behind"), [(ACK, 6), (SYN, 7), (FIN | ACK, 7), (RST, 6)])
def test_syn_and_fin_take_a_sequence_number(flags: int, behind: int) -> None:
    assert replace(PLAIN, flags=flags).next_seq == PLAIN.seq + behind


def test_sequence_numbers_wrap() -> None:
    assert replace(PLAIN, seq=(1 << 32) - 2).next_seq == 4


def test_checksums_are_right() -> None:
    frame = build(PLAIN)
    assert internet_checksum(frame[14:34]) == b"\0\0"
    pseudo = frame[26:34] + len(frame[34:]).to_bytes(4) + (6).to_bytes(4)
    assert internet_checksum(pseudo + frame[34:]) == b"\0\0"


@pytest.mark.parametrize("segment", [PLAIN, SIX])
def test_routers_take_from_the_ttl(segment: Segment) -> None:
    passed = routed(build(segment), 5)
    assert passed == build(replace(segment, ttl=59))


def test_a_frame_does_not_outlive_its_ttl() -> None:
    assert routed(build(replace(PLAIN, ttl=3)), 3) is None


def test_what_holds_no_segment_is_none() -> None:
    icmp = bytearray(build(PLAIN))
    icmp[23] = 1
    assert parse(bytes(icmp)) is None
    assert parse(bytes(12) + b"\x08\x06" + bytes(28)) is None


def test_addresses_are_those_of_documentation_and_private_nets_and_the_same_each_time() -> None:
    documentation = [
        ipaddress.ip_network(net) for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
    ]
    for name in ("data_server_aborts", "delivery", "quit"):
        at = Addresses.of(name)
        assert at == Addresses.of(name)
        assert ipaddress.ip_address(at.client4) in ipaddress.ip_network("10.0.0.0/8")
        for address in (at.server4, at.client6, at.server6):
            assert any(ipaddress.ip_address(address) in net for net in documentation)
        assert len({at.client4, at.near4, at.server4, at.far4}) == 4
        assert 32768 <= at.client_port < 61000


def test_ttls_tell_who_is_who_at_the_middle() -> None:
    for number in range(200):
        near, far = hops_of(f"scenario {number}")
        assert near != far + 1
        assert near >= 2
        assert far >= 2
