"""pcap: every flavour, every cut, damage, and that the lockstep walk finds what a walk record by record finds."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcapdiag.capture import pcap as reader
from pcapdiag.capture.frames import TAIL
from pcapdiag.capture.walk import LANE, lanes
from tests.capture.capture_files import START, TICK_NS, frame, pcap, read

FRAMES = [frame(i, b"p" * i) for i in range(4)]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("nano", "modified"), [(False, False), (True, False), (False, True)])
def test_flavours(tmp_path: Path, order: str, nano: bool, modified: bool) -> None:
    path = tmp_path / "a"
    path.write_bytes(pcap(FRAMES, order=order, nano=nano, modified=modified))
    got = read(path)
    assert [row.frame for row in got.rows] == [1, 2, 3, 4]
    assert [row.seq for row in got.rows] == [1000, 1001, 1002, 1003]
    assert [row.time_ns for row in got.rows] == [START * 10**9 + i * TICK_NS for i in range(4)]
    assert [row.payload for row in got.rows] == [b"p" * i for i in range(4)]
    assert {row.outgoing for row in got.rows} == {1 if modified else -1}
    assert got.codes == []


def test_nanoseconds_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(pcap(FRAMES[:1], nano=True, times_ns=[START * 10**9 + 123456789]))
    assert read(path).rows[0].time_ns == START * 10**9 + 123456789


def test_cut_at_every_octet(tmp_path: Path) -> None:
    """A cut file is read up to the cut, and says so unless the cut lies between two records."""
    whole = pcap(FRAMES)
    ends = [24]
    for octets in FRAMES:
        ends.append(ends[-1] + 16 + len(octets))
    path = tmp_path / "a"
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        got = read(path)
        if cut < 24:
            assert len(got.captures.errors) == 1, cut
            continue
        complete = sum(end <= cut for end in ends[1:])
        assert len(got.rows) == got.packets == complete, cut
        assert got.codes == ([] if cut in ends else ["truncated"]), cut


def test_lying_record_length_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(pcap(FRAMES) + struct.pack("<IIII", START, 0, 0x7FFFFFFF, 60) + bytes(1000))
    got = read(path)
    assert got.packets == 4
    assert got.codes == ["damaged"]
    assert "2147483647" in got.captures.infos()[0].notes[0].says


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (struct.pack("<IHHiIII", 0xA1B2C3D4, 9, 9, 0, 0, 65535, 1), "version 9.9"),
        (struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 0x00300001), "reserved bits"),
    ],
)
def test_damaged_header(tmp_path: Path, header: bytes, says: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(header)
    assert says in read(path).captures.errors[0][1]


def test_frame_check_sequence_flag_is_no_link_type(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(pcap(FRAMES, link=0x44000001))
    assert len(read(path).rows) == 4


def _chain(records: list[bytes]) -> tuple[np.ndarray, list[int], int]:
    starts, at = [], 0
    for record in records:
        starts.append(at)
        at += len(record)
    octets = b"".join(records)
    return np.frombuffer(octets + bytes(TAIL), np.uint8), starts, len(octets)


def _record(body: bytes, time: int = START) -> bytes:
    return struct.pack("<IIII", time, 5, len(body), len(body)) + body


@settings(max_examples=12)
@given(st.integers(0, 2**32), st.sampled_from([20, 60, 1500, 9000, 65000]), st.booleans())
def test_lockstep_equals_record_by_record(seed: int, largest: int, hostile: bool) -> None:
    """Also when the payload is full of records that look right (a capture of a transfer of a capture)."""
    chance = random.Random(seed)
    fake = _record(bytes(40)) * 30
    records, size = [], 0
    while size < LANE * 12:
        length = chance.randint(0, largest)
        body = (fake * (length // len(fake) + 1))[:length] if hostile else chance.randbytes(length)
        records.append(_record(body))
        size += len(records[-1])
    buffer, starts, end = _chain(records)
    chain = reader._Records(buffer, 0, reader.MAGIC[struct.pack("<I", 0xA1B2C3D4)])
    found, at = lanes(buffer, chain, 0, end)
    assert found.tolist() == starts[: len(found)]
    assert at == (starts[len(found)] if len(found) < len(starts) else end)
    if not hostile and largest >= 60:
        assert len(found) > len(starts) * 0.6


@pytest.mark.parametrize("damage_at", [0.2, 0.5, 0.9])
def test_damage_in_a_big_file_is_found_where_it_is(tmp_path: Path, damage_at: float) -> None:
    frames = [frame(i, b"q" * 1400) for i in range(3000)]
    whole = bytearray(pcap(frames))
    bad = int(len(frames) * damage_at)
    at = 24 + bad * (16 + len(frames[0]))
    whole[at + 8 : at + 12] = b"\xff\xff\xff\x7f"
    path = tmp_path / "a"
    path.write_bytes(whole)
    got = read(path)
    assert got.packets == bad
    assert got.rows[-1].frame == bad
    assert got.codes == ["damaged"]
