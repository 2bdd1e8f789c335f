"""The contract of the room: any octets are read, or named in one sentence. Nothing else escapes, nothing grows."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.capture.capture_files import (
    block,
    enhanced,
    ethernet,
    frame,
    interface,
    ipv4,
    option,
    pcap,
    pcapng,
    read,
    section,
    segment,
)

SEEDS = [
    pcap([frame(i, b"p" * 40) for i in range(5)]),
    pcap([frame(i, b"p" * 40) for i in range(5)], order=">", modified=True),
    pcapng([frame(i, b"p" * 40) for i in range(5)]),
    section(">")
    + interface(">", options=option(9, b"\x09", ">"))
    + enhanced(frame(), 5, ">")
    + block(5, bytes(12), ">"),
    pcap(
        [ethernet(ipv4(segment(), fragment=0x2000)), ethernet(ipv4(b"\3\1" + bytes(6) + ipv4(segment()), protocol=1))]
    ),
    pcap(
        [
            ethernet(ipv4(b"\xb0\0\x88\xbe" + bytes(20) + frame(), protocol=47)),
            ethernet(b"\0\5\x86\xdd`" + bytes(60), 0x8100),
        ]
    ),
]


@given(st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_octets(tmp_path: Path, octets: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(octets)
    got = read(path)
    assert got.captures.errors or got.captures.infos()


@pytest.mark.parametrize("seed", range(len(SEEDS)))
@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_altered_captures(tmp_path: Path, seed: int, data: st.DataObject) -> None:
    octets = bytearray(SEEDS[seed])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(octets) - 1))
        octets[at : at + 1] = data.draw(st.sampled_from([b"\0", b"\xff", b"\x7f", b"\x80", b"", b"ab", b"\x01"]))
    path = tmp_path / "a"
    path.write_bytes(octets)
    got = read(path)
    assert all(0 <= len(row.payload) <= row.seg_len for row in got.rows)


@pytest.mark.parametrize(
    "hostile",
    [
        lambda: section() + b"\6\0\0\0\xf0\xff\xff\xff" + bytes(1000),
        lambda: pcap([])[:24] + b"\0" * 3_000_000,
        lambda: section() + interface() * 20_000,
        lambda: section() * 5_000,
        lambda: pcapng([b""] * 60_000),
        lambda: section() + interface(options=option(1, b"x" * 60000) * 100),
    ],
    ids=["a block of 4 GiB", "empty records", "interfaces", "sections", "empty packets", "comments"],
)
def test_memory_stays_bounded(tmp_path: Path, hostile: Callable[[], bytes]) -> None:
    path = tmp_path / "a"
    path.write_bytes(hostile())
    tracemalloc.start()
    try:
        read(path)
        assert tracemalloc.get_traced_memory()[1] < 150 << 20
    finally:
        tracemalloc.stop()
