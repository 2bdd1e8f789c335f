"""The file itself: times, interfaces and lengths as they were; nothing about who captured; and why scapy does not write it."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest
from scapy.utils import PcapNgWriter, RawPcapNgReader, rdpcap

from pcapdiag.capture import open_captures
from pcapdiag.capture.records import frames_of
from pcapdiag.pipeline import DEFAULT_PORTS, analyze
from pcapdiag.pseudonym import Level, Pseudonyms
from pcapdiag.slices import Reading, write
from tests.capture.capture_files import START, block, interface, option, pcap, section
from tests.slices.wire import plain, session

TOLD = [
    b"eth-of-alice",
    b"alice's laptop",
    b"port 25 and host secret",
    b"Linux of alice",
    b"CLIENT_RANDOM",
    b"intranet.example",
    b"private note",
]
RESOLUTIONS = [(6, 10**6), (9, 10**9), (10, 10**10), (3, 10**3), (0x80 | 20, 2**20), (0x80 | 10, 2**10)]
OFFSET_S = 3600


def hosted() -> tuple[bytes, list[int]]:
    """A capture of the session by a talkative host with an interface for each resolution, and the time of each frame in ticks."""
    out = [section(options=option(1, b"private note") + option(2, b"alice's laptop") + option(3, b"Linux of alice"))]
    for code, _ in RESOLUTIONS:
        told = (
            option(2, b"eth-of-alice")
            + option(3, b"alice's laptop")
            + option(11, b"\0port 25 and host secret")
            + option(12, b"Linux of alice")
        )
        told += (
            option(6, b"\2\0\0\0\0\x63")
            + option(9, bytes([code]))
            + option(14, struct.pack("<q", OFFSET_S))
            + option(0, b"")
        )
        out.append(interface(snaplen=9000, options=told))
    out.append(block(0x0A, struct.pack("<II", 0x544C534B, 13) + b"CLIENT_RANDOM"))
    out.append(block(4, struct.pack("<HH", 1, 21) + b"\xc0\0\2\x0aintranet.example\0" + bytes(3) + bytes(4)))
    out.append(block(0xBAD, struct.pack("<I", 32473) + b"private note"))
    ticks = []
    for number, seg in enumerate(session()):
        frame, which = plain(seg), number % len(RESOLUTIONS)
        time_ns = START * 10**9 + number * 250_000_000 + 977  # a quarter of a second is exact in all of them
        at = (time_ns - OFFSET_S * 10**9) * RESOLUTIONS[which][1] // 10**9
        ticks.append(at)
        body = (
            struct.pack("<5I", which, at >> 32, at & 0xFFFFFFFF, len(frame), len(frame) + 4)
            + frame
            + bytes(-len(frame) % 4)
        )
        told = (
            option(1, b"private note")
            + option(2, struct.pack("<I", 1 if seg.who == "S" else 2))
            + option(4, struct.pack("<Q", number))
        )
        out.append(block(6, body + told + option(2988, struct.pack("<I", 32473) + b"private note") + option(0, b"")))
    out.append(block(5, struct.pack("<III", 0, 0, 0) + option(5, struct.pack("<Q", 7)) + option(0, b"")))
    return b"".join(out), ticks


@pytest.fixture
def slice_of_hosted(tmp_path: Path) -> Path:
    (tmp_path / "trace.pcapng").write_bytes(hosted()[0])
    analysis = analyze([str(tmp_path / "trace.pcapng")])
    after = tmp_path / "slice.pcapng"
    info = write(analysis, [1], Pseudonyms(Level.MAIL, b"k" * 32), str(after), Reading(DEFAULT_PORTS))
    assert info.differences == ()
    return after


def test_times_lengths_and_interfaces_are_as_before(slice_of_hosted: Path) -> None:
    _, ticks = hosted()
    frames = list(frames_of(str(slice_of_hosted), range(1, len(ticks) + 1)))
    assert [frame.ticks for frame in frames] == ticks
    assert [frame.interface.ticks for frame in frames] == [
        RESOLUTIONS[n % len(RESOLUTIONS)][1] for n in range(len(ticks))
    ]
    assert {(frame.interface.offset_s, frame.interface.snaplen, frame.interface.link) for frame in frames} == {
        (OFFSET_S, 9000, 1)
    }
    assert all(frame.wirelen == len(frame.octets) + 4 for frame in frames)
    assert [dict(frame.options) for frame in frames] == [
        {2: 1 if seg.who == "S" else 2, 4: number} for number, seg in enumerate(session())
    ]


def test_nothing_of_the_host_is_copied(slice_of_hosted: Path) -> None:
    left = slice_of_hosted.read_bytes()
    assert all(told in hosted()[0] for told in TOLD)
    assert [told for told in TOLD if told in left] == []
    assert b"\2\0\0\0\0\x63" not in left


def test_drops_and_the_end_of_the_capture_stay(slice_of_hosted: Path, tmp_path: Path) -> None:
    one, other = (open_captures([str(path)], ports=None) for path in (tmp_path / "trace.pcapng", slice_of_hosted))
    for captures in (one, other):
        for trace in captures.traces:
            for _ in trace.batches():
                pass
    assert one.infos()[0].dropped_by_capture == other.infos()[0].dropped_by_capture == 7


@pytest.mark.tshark
def test_tshark_reads_it(slice_of_hosted: Path, tmp_path: Path, tshark: str) -> None:
    def seen(path: Path, *fields: str) -> list[str]:
        command = [tshark, "-r", str(path), "-Tfields", *(f"-e{field}" for field in fields)]
        return subprocess.run(command, capture_output=True, check=True).stdout.decode().splitlines()

    fields = "frame.time_epoch", "frame.interface_id", "frame.len", "frame.packet_flags_direction"
    before = seen(tmp_path / "trace.pcapng", *fields)
    assert seen(slice_of_hosted, *fields) == before[1:], "the custom block is Wireshark's first frame"
    comments = seen(slice_of_hosted, "frame.comment")
    assert comments == [f"frame {number} of trace.pcapng" for number in range(2, len(before) + 1)]


def test_scapy_reads_it(slice_of_hosted: Path) -> None:
    with RawPcapNgReader(str(slice_of_hosted)) as reader:
        found = [(metadata.wirelen, metadata.comments, octets) for octets, metadata in reader]
    frames = list(frames_of(str(slice_of_hosted), range(1, len(found) + 1)))
    assert [octets for _, _, octets in found] == [frame.octets for frame in frames]
    assert [wirelen for wirelen, _, _ in found] == [frame.wirelen for frame in frames]
    assert found[2][1] == [b"frame 4 of trace.pcapng"]


def test_the_section_tells_the_verdict(slice_of_hosted: Path) -> None:
    analysis = analyze([str(slice_of_hosted)])
    notes = [note.says for note in analysis.captures[0].notes if note.code == "comment"]
    assert len(notes) == 1, "what a slice says of each packet is no note"
    text = slice_of_hosted.read_bytes()
    for told in (
        b"Session 1 (dropped by the server, end-of-data",
        b"frames 2 to 26 of trace.pcapng",
        b"SHA-256 of trace.pcapng: ",
        b"Redaction: mail",
    ):
        assert told in text


def test_scapys_writer_would_cut_nanoseconds_and_say_nothing(tmp_path: Path) -> None:
    """The reason for `pcapdiag.slices.pcapng`: when this fails, scapy has learned it, and ours may go."""
    before, after = tmp_path / "before.pcap", tmp_path / "after.pcapng"
    before.write_bytes(pcap([plain(session()[0])], nano=True, times_ns=[START * 10**9 + 123_456_789]))
    with PcapNgWriter(str(after)) as writer:
        writer.write(rdpcap(str(before)))
    frame = next(iter(frames_of(str(after), [1])))
    assert frame.time_ns == START * 10**9 + 123_456_000
    assert not hasattr(writer, "comment")
