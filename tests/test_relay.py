"""One process reads, others see: the same batches, whatever their size; and whoever goes away is missed by nobody."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import partial
from multiprocessing import Process
from pathlib import Path

import numpy as np
import pytest

import pcapdiag.relay
from pcapdiag.capture import Captures, CaptureSet, open_captures
from pcapdiag.capture.frames import BLOCK, FRAMES, MAX_CAPLEN, TAIL
from pcapdiag.capture.table import PacketTable, silence
from pcapdiag.errors import CaptureError, PcapdiagError
from pcapdiag.relay import LINE, SLOTS, Relay
from pcapdiag.shares import Elsewhere, HelperFailed, helping
from tests.capture.capture_files import START, block, frame, option, pcap, pcapng

COLUMNS = [each.name for each in fields(PacketTable) if each.name not in ("octets", "until_ns", "icmp")]


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Two traces of several batches each: a ring of files, and one that lost packets and overlaps with it."""
    for number in range(2 * SLOTS):
        frames = [frame(packet, bytes([number, packet]) * 300) for packet in range(40)]
        times = [(START + 100 * number + packet) * 10**9 for packet in range(40)]
        (tmp_path / f"ring{number}.pcap").write_bytes(pcap(frames, times_ns=times))
    lost = block(5, b"\0" * 12 + option(5, b"\7" + bytes(7)))
    (tmp_path / "lossy.pcapng").write_bytes(pcapng([frame(packet) for packet in range(9)]) + lost)
    (tmp_path / "text.txt").write_text("no capture")
    return [str(path) for path in sorted(tmp_path.iterdir())]


def everything(captures: Captures) -> list[object]:
    """All that can be seen of captures."""
    seen: list[object] = []
    for trace in captures.traces:
        for table in trace.batches():
            columns = [getattr(table, name).tobytes() for name in COLUMNS]
            ends = zip(table.ip_at.tolist(), (table.payload_at + table.payload_len).tolist(), strict=True)
            packets = [bytes(table.octets[begin:end]) for begin, end in ends]
            seen.append((trace.index, packets, table.until_ns, columns, table.icmp))
        seen.append(trace.dropped)
    return [*seen, captures.infos(), captures.errors]


def opened(files: list[str], progress: Callable[[int, int | None], None]) -> CaptureSet:
    return open_captures(files, ports=None, progress=progress)


def read_elsewhere(relay: Relay, files: list[str]) -> Process:
    return helping(partial(relay.read, partial(opened, files)))


def looks(relay: Relay, seer: int) -> list[object]:
    with relay.seen(seer) as captures:
        return everything(captures)


def looks_away(relay: Relay, seer: int) -> list[object]:
    with relay.seen(seer) as captures:
        return [next(next(captures.traces).batches()).until_ns]


def themselves(things: list[object]) -> Iterator[object]:
    return iter(things)


@pytest.mark.parametrize("room", [pcapdiag.relay.ROOM, 1 << 12])
def test_all_see_what_one_reads(files: list[str], room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where no batch fits into a slot."""
    monkeypatch.setattr(pcapdiag.relay, "ROOM", room)
    relay = Relay(2)
    read_elsewhere(relay, files)
    other = Elsewhere(partial(looks, relay, 1))
    mine = looks(relay, 0)
    assert mine == everything(open_captures(files, ports=None))
    assert list(other.ask(themselves)) == mine
    other.close()


def test_a_full_block_of_small_frames_fits() -> None:
    table = silence(0)
    octets = sum(getattr(table, name).itemsize * math.prod(getattr(table, name).shape[1:]) for name in COLUMNS)
    assert BLOCK + MAX_CAPLEN + TAIL + FRAMES * octets + LINE * len(COLUMNS) < pcapdiag.relay.ROOM


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="this Python has none anyway")
def test_a_python_without_memory_files(files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    relay = Relay(1)
    read_elsewhere(relay, files)
    assert looks(relay, 0) == everything(open_captures(files, ports=None))


def test_nobody_reads_on_for_nobody(files: list[str]) -> None:
    relay = Relay(1)
    reader = read_elsewhere(relay, files)
    looks_away(relay, 0)
    reader.join(30)
    assert reader.exitcode == 0


def test_nobody_can_change_what_others_see(files: list[str]) -> None:
    relay = Relay(1)
    read_elsewhere(relay, files)
    with relay.seen(0) as captures:
        table = next(next(captures.traces).batches())
        with pytest.raises(ValueError, match="read-only"):
            table.seq[0] = np.uint32(0)
        with pytest.raises(TypeError, match="read-only"):
            memoryview(table.octets)[0] = 0


def test_who_looks_away_holds_nobody_up(files: list[str]) -> None:
    relay = Relay(3)
    read_elsewhere(relay, files)
    others = [Elsewhere(partial(looks_away, relay, 1)), Elsewhere(partial(looks, relay, 2))]
    mine = looks(relay, 0)
    assert mine == everything(open_captures(files, ports=None))
    assert len(list(others[0].ask(themselves))) == 1
    assert list(others[1].ask(themselves)) == mine
    for other in others:
        other.close()


def test_progress_reaches_the_end(files: list[str]) -> None:
    relay = Relay(1)
    read_elsewhere(relay, files)
    heard: list[tuple[int, int | None]] = []
    with relay.seen(0, lambda *step: heard.append(step)) as captures:
        everything(captures)
    assert heard[-1] == (heard[-1][1], sum(Path(file).stat().st_size for file in files if not file.endswith("txt")))


def test_a_reader_that_was_killed_is_said(files: list[str]) -> None:
    relay = Relay(1)
    reader = read_elsewhere(relay, files)
    with relay.seen(0) as captures:
        batches = next(captures.traces).batches()
        next(batches)
        assert reader.pid
        os.kill(reader.pid, signal.SIGTERM)
        with pytest.raises(PcapdiagError, match=r"ended from outside.*; --processes 1"):
            list(batches)


def refused(_: object) -> CaptureSet:
    raise CaptureError("a.pcap", "cannot be read")


def broken(_: object) -> CaptureSet:
    raise RuntimeError("never thought of")


@pytest.mark.parametrize(
    ("fails", "error", "says"),
    [(refused, CaptureError, r"a\.pcap: cannot be read"), (broken, HelperFailed, "RuntimeError: never thought of")],
)
def test_what_the_reader_raises_is_raised_here(
    fails: Callable[[object], CaptureSet], error: type[Exception], says: str
) -> None:
    relay = Relay(1)
    helping(partial(relay.read, fails))
    with relay.seen(0) as captures, pytest.raises(error, match=says):
        everything(captures)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_however_processes_are_started(method: str) -> None:
    """Windows and macOS spawn them, and Linux has a fork server from Python 3.14 on."""
    program = (
        "import multiprocessing\n"
        "from pcapdiag.pipeline import analyze\n"
        "from pcapdiag.report.json import render\n"
        "if __name__ == '__main__':\n"
        f"    multiprocessing.set_start_method({method!r})\n"
        "    captures = ['captures/clean-delivery', 'captures/article-499-no-routing-hosts']\n"
        "    alone, shared = (''.join(render(analyze(captures, processes=number))) for number in (1, 2))\n"
        "    assert alone == shared\n"
        "    print('the same')\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120)
    assert ran.stdout == "the same\n", ran.stderr
