"""The benchmark's trace is what its module says it is: the same every time, in order, with right checksums."""

from __future__ import annotations

import itertools
import struct

import pytest

from benchmarks.generate import EPOCH_US, trace
from benchmarks.tcp import checksum


@pytest.fixture(scope="module")
def packets() -> list[tuple[int, bytes]]:
    return [(time, frame) for time, _, frame in itertools.islice(trace(6000, seed=25), 6000)]


def headers(frame: bytes) -> tuple[bytes, bytes]:
    """The pseudo-header of the TCP checksum (RFC 9293 section 3.1), and the segment."""
    addresses, start = (frame[26:34], 34) if frame[12:14] == b"\x08\x00" else (frame[22:54], 54)
    segment = frame[start:]
    return addresses + struct.pack("!HH", 6, len(segment)), segment


def test_same_again(packets: list[tuple[int, bytes]]) -> None:
    again = [(time, frame) for time, _, frame in itertools.islice(trace(6000, seed=25), 6000)]
    assert again == packets


def test_smaller_bodies_make_more_sessions(packets: list[tuple[int, bytes]]) -> None:
    small = [(time, frame) for time, _, frame in itertools.islice(trace(6000, seed=25, median_body=3000), 6000)]
    assert _openings(small) > 2 * _openings(packets)


def _openings(packets: list[tuple[int, bytes]]) -> int:
    """SYNs without ACK."""
    return sum(headers(frame)[1][13] == 0x02 for _, frame in packets)


def test_in_time_order(packets: list[tuple[int, bytes]]) -> None:
    times = [time for time, _ in packets]
    assert times == sorted(times)
    assert times[0] >= EPOCH_US


def test_checksums(packets: list[tuple[int, bytes]]) -> None:
    for _, frame in packets:
        pseudo, segment = headers(frame)
        assert checksum(pseudo + segment) == 0
        if frame[12:14] == b"\x08\x00":
            assert checksum(frame[14:34]) == 0


def connection(frame: bytes) -> frozenset[tuple[bytes, bytes]]:
    """Both ends, in no order."""
    pseudo, segment = headers(frame)
    half = (len(pseudo) - 4) // 2
    return frozenset({(pseudo[:half], segment[:2]), (pseudo[half:-4], segment[2:4])})


def test_many_sessions_are_open_at_once(packets: list[tuple[int, bytes]]) -> None:
    seen = [connection(frame) for _, frame in packets]
    assert len(set(seen[:3000]) & set(seen[3000:])) > 20


@pytest.mark.parametrize(
    ("octets", "expected"),
    [(b"\xff\xff", 0), (b"\x00\x01\xf2\x03\xf4\xf5\xf6\xf7", 0x220D), (b"\x01", 0xFEFF)],
    ids=["all ones", "RFC 1071 section 3", "odd length"],
)
def test_checksum(octets: bytes, expected: int) -> None:
    assert checksum(octets) == expected
