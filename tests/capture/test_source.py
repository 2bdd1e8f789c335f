"""Where octets come from: compression, pipes, and inputs that mean harm."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import lz4.frame
import pytest
import zstandard

from tests.capture.capture_files import frame, pcap, pcapng, read

FRAMES = [frame(i, bytes([i]) * 900) for i in range(200)]
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "lz4": lz4.frame.compress,
    "xz": lzma.compress,
}


@pytest.mark.parametrize("name", PACKERS)
@pytest.mark.parametrize("pieces", [1, 3])
def test_compressed_by_content_not_by_name(tmp_path: Path, name: str, pieces: int) -> None:
    """Also as several members one after the other, as `cat a.gz b.gz` makes them."""
    plain = pcapng(FRAMES)
    size = len(plain) // pieces + 1
    path = tmp_path / "capture.txt"
    path.write_bytes(b"".join(PACKERS[name](plain[at : at + size]) for at in range(0, len(plain), size)))
    got = read(path)
    assert got.captures.infos()[0].format == f"{name} pcapng"
    assert [row.frame for row in got.rows] == list(range(1, 201))
    assert got.codes == []


@pytest.mark.parametrize("name", PACKERS)
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9, 0.999])
def test_cut_compressed_stream_is_read_up_to_the_cut(tmp_path: Path, name: str, share: float) -> None:
    packed = PACKERS[name](pcap([frame(i, os.urandom(900)) for i in range(300)]))
    path = tmp_path / "a"
    path.write_bytes(packed[: max(int(len(packed) * share), 12)])
    got = read(path)
    assert got.captures.errors or set(got.codes) & {"damaged", "truncated"}


@pytest.mark.parametrize("name", PACKERS)
def test_damaged_compressed_stream(tmp_path: Path, name: str) -> None:
    packed = bytearray(PACKERS[name](pcap([frame(i, os.urandom(900)) for i in range(300)])))
    middle = len(packed) // 2
    packed[middle : middle + 40] = b"\xff" * 40
    path = tmp_path / "a"
    path.write_bytes(packed)
    got = read(path)
    assert got.captures.errors or got.packets == 300 or set(got.codes) & {"damaged", "truncated"}


def test_compressed_twice_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(gzip.compress(gzip.compress(pcap(FRAMES))))
    assert "compressed twice" in read(path).captures.errors[0][1]


@pytest.mark.parametrize(
    ("octets", "says"),
    [
        (b"", "is empty"),
        (b"hello, world of text\n", "is text"),
        (bytes(100), "no capture"),
        (b"\x1f\x8b\x08", "ends too early"),
    ],
)
def test_no_captures(tmp_path: Path, octets: bytes, says: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(octets)
    assert says in read(path).captures.errors[0][1]


def test_missing_file_and_empty_directory(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing here")
    errors = read(tmp_path / "missing", tmp_path).captures.errors
    assert "No such file" in errors[0][1]
    assert "directory without captures" in errors[1][1]


def test_directory_with_other_files(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("this is text")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.pcap").write_bytes(pcap(FRAMES))
    got = read(tmp_path)
    assert (got.packets, got.captures.errors) == (200, [])


def test_bomb_of_empty_records_is_stopped(tmp_path: Path) -> None:
    """Two gigabytes of nothing in two megabytes, behind a header that is in order."""
    packer = zstandard.ZstdCompressor(level=1)
    path = tmp_path / "bomb"
    with open(path, "wb") as file, packer.stream_writer(file) as out:
        out.write(pcap([frame(1, bytes(60000))])[:24])
        record = pcap([bytes(60000)])[24:] * 16
        for _ in range(2200):
            out.write(record)
    got = read(path)
    assert got.codes[-1] == "damaged"
    assert "not read further" in got.captures.infos()[0].notes[-1].says


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read from Linux's /proc")
def test_memory_is_bounded_by_the_block() -> None:
    """A quarter of a gigabyte through a pipe, in a process of its own. (ru_maxrss would be the parent's: exec keeps it.)"""
    script = (
        "from pcapdiag.capture import open_captures\n"
        "captures = open_captures(['-'], ports=None)\n"
        "rows = sum(len(table) for trace in captures.traces for table in trace.batches())\n"
        "peak = next(line for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
        "print(rows, int(peak.split()[1]) // 1024)\n"
    )
    one = pcap([frame(i, bytes(1400)) for i in range(1000)])
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(one[:24])
        for _ in range(170):
            process.stdin.write(one[24:])
        process.stdin.close()
        rows, megabytes = map(int, process.stdout.read().split())
    assert rows == 170_000
    assert megabytes < 200


LIVE = """
import sys, time
from pcapdiag.capture import open_captures
for trace in open_captures(['-'], ports=None).traces:
    for table in trace.batches():
        print(len(table), flush=True)
print('end', flush=True)
"""


@pytest.mark.parametrize("interrupt", [False, True])
def test_pipe_is_read_while_its_writer_runs(interrupt: bool) -> None:
    """The first packets come out long before the pipe ends, and Ctrl-C is the end of the input, not of the program."""
    octets = pcap(FRAMES[:3])
    with subprocess.Popen([sys.executable, "-c", LIVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(octets[:-20])
        process.stdin.flush()
        assert int(process.stdout.readline()) == 2
        process.stdin.write(octets[-20:])
        process.stdin.flush()
        assert int(process.stdout.readline()) == 1
        begun = time.monotonic()
        if interrupt:
            process.send_signal(signal.SIGINT)
        else:
            process.stdin.close()
        assert process.stdout.readline() == b"end\n"
        assert time.monotonic() - begun < 10
        process.stdin.close() if interrupt else None
        assert process.wait(10) == 0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_named_pipe(tmp_path: Path) -> None:
    """As `pcapdiag analyze <(zcat a.gz)` gives it: no regular file, read once only."""
    path, source = tmp_path / "pipe", tmp_path / "a"
    os.mkfifo(path)
    source.write_bytes(pcap(FRAMES))
    with subprocess.Popen(f"cat '{source}' > '{path}'", shell=True):
        assert len(read(path).rows) == 200


def test_standard_input_replaced_by_a_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(pcap(FRAMES))))
    assert len(read("-").rows) == 200
