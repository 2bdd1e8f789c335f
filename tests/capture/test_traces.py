"""Which files are one trace, which are not, and what merging makes of them."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from pcapdiag.capture import open_captures
from pcapdiag.capture.files import CaptureFile
from tests.capture.capture_files import START, block, frame, option, pcap, pcapng, read

S = 10**9


def _write(path: Path, seconds: list[float], link: int = 1) -> Path:
    times = [START * S + int(second * S) for second in seconds]
    path.write_bytes(pcap([frame(int(second * 10)) for second in seconds], times_ns=times, link=link))
    return path


def test_a_ring_is_one_trace_in_time_order(tmp_path: Path) -> None:
    third = _write(tmp_path / "ring1.pcap", [20, 21])
    first = _write(tmp_path / "ring2.pcap", [0, 1])
    second = _write(tmp_path / "ring3.pcap", [10, 11])
    got = read(third, first, second)
    assert [[row.capture for row in trace] for trace in got.traces] == [[1, 1, 2, 2, 0, 0]]
    assert [info.trace for info in got.captures.infos()] == [0, 0, 0]
    assert "follow one another" in got.captures.says[0]


def test_overlapping_files_are_separate(tmp_path: Path) -> None:
    got = read(_write(tmp_path / "client.pcap", [0, 5, 9]), _write(tmp_path / "server.pcap", [1, 6, 10]))
    assert [len(trace) for trace in got.traces] == [3, 3]
    assert [info.trace for info in got.captures.infos()] == [0, 1]
    assert "--merge" in got.captures.says[-1]


def test_two_rings_side_by_side(tmp_path: Path) -> None:
    files = [
        _write(tmp_path / f"{tap}{i}.pcap", [i * 10 + shift, i * 10 + 9])
        for i in range(3)
        for tap, shift in (("a", 0), ("b", 0.5))
    ]
    got = read(*files)
    assert [sorted({row.capture for row in trace}) for trace in got.traces] == [[0, 2, 4], [1, 3, 5]]


def test_a_ring_goes_on_before_any_stranger(tmp_path: Path) -> None:
    """A file of another name that begins sooner waits for its turn, and then nothing goes on from it."""
    files = [
        _write(tmp_path / name, [begin, begin + 9])
        for name, begin in (("ring1.pcap", 0), ("other.pcap", 10), ("ring2.pcap", 3 * 3600), ("ring3.pcap", 9 * 3600))
    ]
    got = read(*files)
    assert [sorted({row.capture for row in trace}) for trace in got.traces] == [[0, 2, 3], [1]]


def test_a_thousand_files_are_not_compared_with_one_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    link_types = CaptureFile.kind.fget
    assert link_types is not None

    def kind(file: CaptureFile) -> tuple[str, ...]:
        asked.append(file.path)
        return link_types(file)

    monkeypatch.setattr(CaptureFile, "kind", property(kind))
    files = [_write(tmp_path / f"ring{number}.pcap", [number * 10, number * 10 + 9]) for number in range(1000)]
    captures = open_captures([str(file) for file in files], ports=None)
    assert [len(list(trace.batches())) for trace in captures.traces] == [1000]
    assert len(asked) < 5 * len(files)


def test_what_another_trace_lost_is_not_this_ones_loss(tmp_path: Path) -> None:
    lost = block(5, struct.pack("<III", 0, 0, 0) + option(5, struct.pack("<Q", 7)))
    octets = pcapng([frame(number) for number in range(5)])
    (tmp_path / "lossy").write_bytes(octets + lost)
    (tmp_path / "whole").write_bytes(octets)
    captures = open_captures([str(tmp_path / "lossy"), str(tmp_path / "whole")], ports=None)
    dropped = []
    for trace in captures.traces:
        before = trace.dropped
        for _ in trace.batches():
            pass
        dropped.append((before, trace.dropped))
    assert dropped == [(None, 7), (None, None)]


def test_days_apart_is_not_one_trace(tmp_path: Path) -> None:
    got = read(_write(tmp_path / "monday.pcap", [0]), _write(tmp_path / "friday.pcap", [4 * 86400]))
    assert len(got.traces) == 2


@pytest.mark.parametrize("count", [2, 5])
def test_merge_is_by_time(tmp_path: Path, count: int) -> None:
    files = [_write(tmp_path / f"{i}.pcap", [i / 10 + step * 0.7 for step in range(50)]) for i in range(count)]
    got = read(*files, merge=True)
    assert len(got.traces) == 1
    assert [row.time_ns for row in got.rows] == sorted(row.time_ns for row in got.rows)
    assert len(got.rows) == 50 * count
    assert {row.payload for row in got.rows} == {b"x"}
    for capture in range(count):
        assert [row.frame for row in got.rows if row.capture == capture] == list(range(1, 51))


def test_merge_of_big_files_keeps_payload_with_its_row(tmp_path: Path) -> None:
    for name, shift in (("a", 0), ("b", 1)):
        frames = [frame(i, bytes([i % 251, shift]) * 600) for i in range(4000)]
        times = [START * S + i * 2000 + shift * 1000 for i in range(4000)]
        (tmp_path / name).write_bytes(pcap(frames, times_ns=times, nano=True))
    got = read(tmp_path / "a", tmp_path / "b", merge=True)
    assert len(got.rows) == 8000
    assert all(row.payload == bytes([(row.frame - 1) % 251, row.capture]) * 600 for row in got.rows)
    assert [row.capture for row in got.rows[:6]] == [0, 1, 0, 1, 0, 1]


def test_empty_capture_and_bad_file_disturb_nobody(tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"nonsense of any kind")
    (tmp_path / "empty").write_bytes(pcapng([]))
    got = read(tmp_path / "bad", tmp_path / "empty", _write(tmp_path / "good", [0, 1]))
    assert len(got.rows) == 2
    assert [path for path, _ in got.captures.errors] == [str(tmp_path / "bad")]
    assert got.rows[0].capture == 1


def test_unknown_link_type_is_an_error_that_names_the_option(tmp_path: Path) -> None:
    got = read(_write(tmp_path / "odd.pcap", [0, 1], link=147))
    assert "USER0" in got.captures.errors[0][1]
    assert "--engine tshark" in got.captures.errors[0][1]
    assert got.codes == ["unknown-link"]


def test_progress_reaches_the_end(tmp_path: Path) -> None:
    heard: list[tuple[int, int | None]] = []
    paths = [str(_write(tmp_path / f"{i}", [i])) for i in range(3)]
    for trace in open_captures(paths, ports=None, progress=lambda *step: heard.append(step)).traces:
        list(trace.batches())
    assert heard[-1][0] == heard[-1][1] == sum(Path(path).stat().st_size for path in paths)
