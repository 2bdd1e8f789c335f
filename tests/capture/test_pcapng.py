"""pcapng: byte orders, sections, clocks, packet blocks of all kinds, options, and blocks that lie."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from pcapdiag.capture import open_captures
from tests.capture.capture_files import START, block, enhanced, frame, interface, option, pcapng, read, section

FRAMES = [frame(i, b"p" * i) for i in range(5)]


def _read(tmp_path: Path, octets: bytes):
    path = tmp_path / "a"
    path.write_bytes(octets)
    return read(path)


@pytest.mark.parametrize("order", ["<", ">"])
def test_enhanced_packets(tmp_path: Path, order: str) -> None:
    got = _read(tmp_path, pcapng(FRAMES, order))
    assert [row.frame for row in got.rows] == [1, 2, 3, 4, 5]
    assert [row.payload for row in got.rows] == [b"p" * i for i in range(5)]
    assert got.rows[1].time_ns == START * 10**9 + 1_000_000
    assert got.codes == []


def test_sections_of_both_orders_number_their_frames_through(tmp_path: Path) -> None:
    got = _read(tmp_path, pcapng(FRAMES[:2], "<") + pcapng(FRAMES[2:], ">"))
    assert [row.frame for row in got.rows] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("resolution", "ticks", "nanoseconds"),
    [
        (3, START * 10**3 + 7, START * 10**9 + 7_000_000),
        (9, START * 10**9 + 7, START * 10**9 + 7),
        (12, 1000 * 10**12 + 7000, 1000 * 10**9 + 7),
        (0x80 | 10, START * 1024 + 512, START * 10**9 + 500_000_000),
        (0x80 | 32, (START << 32) + (1 << 31), START * 10**9 + 500_000_000),
        (7, START * 10**7 + 1, START * 10**9 + 100),
    ],
)
def test_clock_resolutions(tmp_path: Path, resolution: int, ticks: int, nanoseconds: int) -> None:
    iface = interface(options=option(9, bytes([resolution])))
    got = _read(tmp_path, section() + iface + enhanced(FRAMES[0], ticks & (1 << 64) - 1))
    assert got.rows[0].time_ns == nanoseconds


@pytest.mark.parametrize("octet", range(256))
def test_any_resolution_is_survived(tmp_path: Path, octet: int) -> None:
    iface = interface(options=option(9, bytes([octet])) + option(14, b"\xff" * 8))
    assert len(_read(tmp_path, section() + iface + enhanced(FRAMES[0], (1 << 64) - 1)).rows) == 1


def test_offset_in_seconds(tmp_path: Path) -> None:
    iface = interface(options=option(14, struct.pack("<q", -3600)))
    got = _read(tmp_path, section() + iface + enhanced(FRAMES[0], START * 10**6))
    assert got.rows[0].time_ns == (START - 3600) * 10**9


def test_simple_and_obsolete_blocks_in_file_order(tmp_path: Path) -> None:
    simple = block(3, struct.pack("<I", len(FRAMES[1])) + FRAMES[1])
    ticks = START * 10**6 + 5
    old = block(
        2, struct.pack("<HHIIII", 0, 3, ticks >> 32, ticks & 0xFFFFFFFF, len(FRAMES[2]), len(FRAMES[2])) + FRAMES[2]
    )
    got = _read(tmp_path, section() + interface() + enhanced(FRAMES[0], ticks) + simple + old)
    assert [(row.frame, row.seq) for row in got.rows] == [(1, 1000), (2, 1001), (3, 1002)]
    assert {row.time_ns for row in got.rows} == {ticks * 1000}, "a simple packet has the time of the one before"


def test_simple_block_is_cut_by_the_interface(tmp_path: Path) -> None:
    long = frame(1, b"z" * 500)
    simple = block(3, struct.pack("<I", len(long)) + long[:100])
    got = _read(tmp_path, section() + interface(snaplen=100) + simple)
    assert got.rows[0].seg_len == 500
    assert len(got.rows[0].payload) == 100 - 54
    assert got.codes == ["snaplen"]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("flags", "outgoing"), [(0, -1), (1, 0), (2, 1)])
@pytest.mark.parametrize("comment_first", [False, True])
def test_direction_and_comments(tmp_path: Path, order: str, flags: int, outgoing: int, comment_first: bool) -> None:
    words = [option(2, struct.pack(order + "I", flags), order)]
    if comment_first:
        words.insert(0, option(1, b"look \x1b[31m here", order))
    octets = section(order) + interface(order) + enhanced(FRAMES[0], 1, order, options=b"".join(words) + bytes(4))
    got = _read(tmp_path, octets)
    assert got.rows[0].outgoing == outgoing
    assert got.codes == (["comment"] if comment_first else [])
    assert "\x1b" not in str(got.captures.infos()[0].notes)


def test_drop_counters_are_the_last_of_each_interface(tmp_path: Path) -> None:
    def statistics(number: int, drops: int) -> bytes:
        return block(5, struct.pack("<III", number, 0, 0) + option(5, struct.pack("<Q", drops)))

    body = statistics(0, 3) + enhanced(FRAMES[0], 1) + statistics(0, 10) + statistics(1, 5)
    got = _read(tmp_path, section() + interface() + interface() + body)
    assert got.captures.infos()[0].dropped_by_capture == 15
    assert got.codes == ["dropped"]


def test_journal_entries_take_a_frame_number_but_are_no_packets(tmp_path: Path) -> None:
    journal = block(9, b"__REALTIME_TIMESTAMP=1\n")
    got = _read(tmp_path, section() + interface() + enhanced(FRAMES[0], 1) + journal + enhanced(FRAMES[1], 2))
    assert [row.frame for row in got.rows] == [1, 3]
    assert got.packets == 2


def test_custom_blocks_take_a_frame_number(tmp_path: Path) -> None:
    """As Wireshark 4 counts them."""
    custom = b"".join(block(kind, struct.pack("<I", 32473) + b"anything") for kind in (0xBAD, 0x40000BAD))
    got = _read(tmp_path, section() + interface() + custom + enhanced(FRAMES[0], 1))
    assert [(row.frame, got.packets) for row in got.rows] == [(3, 1)]


def test_the_end_of_the_capture_moves_the_clock(tmp_path: Path) -> None:
    """isb_endtime: nothing came for so long, and that is known."""
    ticks = (START + 90) * 10**6
    end = struct.pack("<II", ticks >> 32, ticks & 0xFFFFFFFF)
    statistics = block(5, struct.pack("<I", 0) + end + option(3, end))
    (tmp_path / "a").write_bytes(pcapng(FRAMES[:1]) + statistics)
    captures = open_captures([str(tmp_path / "a")], ports=None)
    clock = [table.until_ns for trace in captures.traces for table in trace.batches()]
    assert clock == [START * 10**9, (START + 90) * 10**9]
    assert captures.infos()[0].dropped_by_capture is None, "nothing was said of drops"


def test_unknown_blocks_are_stepped_over(tmp_path: Path) -> None:
    strange = block(0x40000BAD, bytes(200))
    got = _read(tmp_path, section() + interface() + (strange + enhanced(FRAMES[0], 1)) * 50)
    assert len(got.rows) == 50


@pytest.mark.parametrize("length", [0, 8, 11, 0xFFFFFFFC, 0x02000000])
def test_lying_block_length_is_damage(tmp_path: Path, length: int) -> None:
    got = _read(tmp_path, pcapng(FRAMES) + struct.pack("<II", 6, length) + bytes(500))
    assert got.packets == 5
    assert got.codes == ["damaged"]


@pytest.mark.parametrize(
    "bad",
    [
        enhanced(FRAMES[0], 1, interface=7),
        enhanced(FRAMES[0], 1)[:-4] + b"\1\2\3\4",
        block(6, struct.pack("<IIIII", 0, 0, 1, 5000, 5000) + FRAMES[0]),
    ],
)
def test_contradictory_packet_block_is_damage(tmp_path: Path, bad: bytes) -> None:
    got = _read(tmp_path, pcapng(FRAMES) + bad + enhanced(FRAMES[0], 1))
    assert got.packets == 5
    assert got.codes == ["damaged"]


def test_cut_at_every_octet(tmp_path: Path) -> None:
    whole = pcapng(FRAMES[:3])
    begin = len(section() + interface())
    ends = [len(section()), begin]
    for octets in FRAMES[:3]:
        ends.append(ends[-1] + len(enhanced(octets, 1)))
    for cut in range(len(whole) + 1):
        got = _read(tmp_path, whole[:cut])
        if cut < 12:
            assert len(got.captures.errors) == 1, cut
            continue
        assert len(got.rows) == sum(end <= cut for end in ends[2:]), cut
        assert got.codes == ([] if cut in ends else ["truncated"]), cut


def test_many_packets_among_other_blocks(tmp_path: Path) -> None:
    """More than a block of the reader, with statistics in between."""
    statistics = block(5, struct.pack("<III", 0, 0, 0))
    body = [
        enhanced(frame(i, b"r" * (i % 1400)), START * 10**6 + i) + (statistics if i % 997 == 0 else b"")
        for i in range(30000)
    ]
    got = _read(tmp_path, section() + interface() + b"".join(body))
    assert [row.frame for row in got.rows] == list(range(1, 30001))
    assert all(len(row.payload) == i % 1400 for i, row in enumerate(got.rows))
