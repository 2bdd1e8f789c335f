"""The second reader sees what ours sees, says in one sentence why it cannot run, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import gzip
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import GRE, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.utils import wrpcap

from pcapdiag.capture import open_captures
from pcapdiag.capture.table import PacketTable, address_text
from pcapdiag.capture.tshark import BATCH, TsharkSource
from pcapdiag.errors import CaptureError, NotACapture, TsharkMissing, UnsupportedLinkType

SCENES = Path(__file__).parents[2] / "captures"
PORTS = frozenset({25, 465, 587, 2525})
COLUMNS = (
    *("frame_number", "time_ns", "interface", "outgoing", "frame_len", "ttl", "ip_id", "dont_fragment"),
    *("srcport", "dstport", "seq", "ack", "flags", "window", "seg_len", "payload_len", "tsval", "tsecr"),
)


def rows(batches: Iterable[PacketTable]) -> list[dict[str, Any]]:
    """All columns, and the octets that the ``*_at`` columns point at."""
    found = []
    for batch in batches:
        octets = bytes(batch.octets)
        for i in range(len(batch)):
            row: dict[str, Any] = {name: int(getattr(batch, name)[i]) for name in COLUMNS}
            row["src"], row["dst"] = address_text(*map(int, batch.src[i])), address_text(*map(int, batch.dst[i]))
            at, header, ip = int(batch.payload_at[i]), int(batch.tcp_at[i]), int(batch.ip_at[i])
            row["payload"] = octets[at : at + row["payload_len"]]
            row["tcp header"] = octets[header:at]
            row["ip header"] = octets[ip : ip + 20]
            found.append(row)
    return found


def icmp(batches: Iterable[PacketTable]) -> list[tuple[Any, ...]]:
    return [
        (e.frame_number, e.sender, e.version, e.type, e.code, e.mtu, e.src, e.dst, e.srcport, e.dstport, e.seq)
        for batch in batches
        for e in batch.icmp
    ]


def own(path: Path, ports: frozenset[int] | None = PORTS) -> list[PacketTable]:
    return [
        batch for trace in open_captures([str(path)], ports=ports, engine="own").traces for batch in trace.batches()
    ]


def second(path: Path, ports: frozenset[int] | None = PORTS, **options: Any) -> list[PacketTable]:
    return list(TsharkSource(str(path), capture=0, ports=ports, **options).batches())


def agree(path: Path, ports: frozenset[int] | None = PORTS, without: frozenset[str] = frozenset()) -> int:
    """Rows of both engines are the same, whatever the order; how many there are."""
    theirs, ours = second(path, ports), own(path, ports)
    by_frame = [{row["frame_number"]: row for row in rows(batches)} for batches in (theirs, ours)]
    assert by_frame[0].keys() == by_frame[1].keys()
    for frame, row in by_frame[0].items():
        different = {k: (row[k], by_frame[1][frame][k]) for k in row if row[k] != by_frame[1][frame][k]}
        assert not {k: v for k, v in different.items() if k not in without}, f"frame {frame}: tshark, own"
    assert icmp(theirs) == icmp(ours)
    return len(by_frame[0])


def capture(tmp_path: Path, *packets: Any, name: str = "trace.pcap", **options: Any) -> Path:
    path = tmp_path / name
    wrpcap(str(path), packets, **options)
    return path


def a_segment(payload: bytes = b"220 mx.example.net ESMTP\r\n", flags: str = "PA", **tcp: Any) -> Any:
    return (
        IP(src="192.0.2.25", dst="198.51.100.7", id=7, ttl=57)
        / TCP(sport=25, dport=40000, seq=100, ack=200, flags=flags, options=[("Timestamp", (5, 6))], **tcp)
        / payload
    )


def many(tmp_path: Path, count: int) -> Path:
    """A capture of so many times the same segment."""
    path = capture(tmp_path, Ether() / a_segment())
    data = path.read_bytes()
    path.write_bytes(data[:24] + data[24:] * count)
    return path


def children() -> set[int]:
    """Processes that this one started and that are still there, zombies too."""
    command = ["ps", "-o", "pid=,comm=", "--ppid", str(os.getpid())]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    return {int(line.split()[0]) for line in listed.stdout.splitlines() if line.split()[1] != "ps"}


def a_program(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("#!/bin/sh\n" + textwrap.dedent(script), encoding="utf-8")
    (folder / name).chmod(0o755)


# --- What it sees ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("tshark")
@pytest.mark.parametrize(
    "scene",
    [
        "clean-delivery",
        "ip-fragments",
        "icmp-prohibited-at-connect-ipv6",
        "pmtu-discovery-works",
        "mirror-shows-everything-twice",
    ],
)
def test_both_engines_see_the_same(scene: str) -> None:
    """Known difference: of a fragmented packet tshark gives the IP header of its last fragment, ours that of the first."""
    without = frozenset({"ip header"}) if scene == "ip-fragments" else frozenset[str]()
    assert agree(SCENES / scene / "capture.pcap", without=without) > 0


@pytest.mark.usefixtures("tshark")
def test_the_innermost_segment_counts(tmp_path: Path) -> None:
    outer = IP(src="10.0.0.1", dst="10.0.0.2", ttl=255)
    inner = a_segment()
    path = capture(
        tmp_path,
        Ether() / Dot1Q(vlan=5) / inner,
        Ether() / outer / UDP(dport=4789) / VXLAN(vni=1) / Ether() / inner,
        Ether() / outer / GRE() / inner,
        Ether() / outer / inner,
    )
    (batch,) = second(path)
    assert len(batch) == 4
    for row in rows([batch]):
        assert (row["src"], row["ttl"], row["srcport"], row["tsval"]) == ("192.0.2.25", 57, 25, 5)
        assert row["payload"] == b"220 mx.example.net ESMTP\r\n"
    agree(path)


@pytest.mark.usefixtures("tshark")
def test_the_text_of_a_reset_is_payload(tmp_path: Path) -> None:
    path = capture(tmp_path, Ether() / a_segment(b"no more memory \xff", flags="RA"))
    (row,) = rows(second(path))
    assert row["payload"] == b"no more memory \xff"


@pytest.mark.usefixtures("tshark")
def test_packets_cut_by_the_snap_length(tmp_path: Path) -> None:
    whole = bytes(Ether() / a_segment(b"x" * 1000))
    path = capture(tmp_path, whole)
    data = path.read_bytes()
    # One record whose captured length is 80 and whose length on the wire stays.
    path.write_bytes(data[:32] + (80).to_bytes(4, "little") + len(whole).to_bytes(4, "little") + whole[:80])
    (row,) = rows(second(path))
    assert (row["seg_len"], row["payload_len"], row["frame_len"]) == (1000, 80 - 14 - 20 - 32, len(whole))
    agree(path)


@pytest.mark.usefixtures("tshark")
def test_frames_out_of_time_order_are_put_in_order(tmp_path: Path) -> None:
    packets = [Ether() / a_segment() for _ in range(4)]
    for packet, at in zip(packets, (100.0, 100.5, 100.2, 99.0), strict=True):
        packet.time = at
    (batch,) = second(capture(tmp_path, *packets))
    assert batch.frame_number.tolist() == [1, 3, 2, 4], "less than a second is disorder, more is a clock that was set"


@pytest.mark.usefixtures("tshark")
def test_many_packets_come_in_several_batches(tmp_path: Path) -> None:
    path = many(tmp_path, 2 * BATCH + 1)
    source = TsharkSource(str(path), capture=3, ports=PORTS)
    sizes = [len(batch) for batch in source.batches()]
    assert sizes == [BATCH, BATCH + 1]
    assert source.info().packets == source.info().smtp_packets == 2 * BATCH + 1


@pytest.mark.usefixtures("tshark")
def test_other_ports_are_left_out_and_any_port_is_not() -> None:
    path = SCENES / "clean-delivery" / "capture.pcap"
    assert not rows(second(path, frozenset({2525})))
    assert len(rows(second(path, None))) == len(rows(second(path)))


@pytest.mark.usefixtures("tshark")
def test_corpus_files_of_every_kind_agree(corpus: Path) -> None:
    """Known differences: the modified pcap's packet type is not shown by tshark; frames without a time are left out."""
    left_out = ("snoop", "fuzz", "test102", "test202", "test006", "test008", "reserved", "bad_rsn")
    files = [path for path in sorted((corpus / "odd").iterdir()) if not any(part in path.name for part in left_out)]
    assert sum(agree(path, None, frozenset({"outgoing"})) for path in files) > 200


# --- What it says about files ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("tshark")
def test_info_is_that_of_the_file(tmp_path: Path) -> None:
    data = (SCENES / "clean-delivery" / "capture.pcap").read_bytes()
    (tmp_path / "trace.gz").write_bytes(gzip.compress(data))
    source = TsharkSource(str(tmp_path / "trace.gz"), capture=0, ports=PORTS)
    count = sum(len(batch) for batch in source.batches())
    info = source.info()
    assert (info.format, info.link_types, info.packets, info.notes) == ("gzip pcap", ("EN10MB",), count, ())
    assert info.first_time_ns is not None
    assert info.last_time_ns is not None
    assert info.first_time_ns < info.last_time_ns


@pytest.mark.usefixtures("tshark")
def test_a_file_that_is_cut_short_is_read_up_to_there(tmp_path: Path) -> None:
    data = (SCENES / "clean-delivery" / "capture.pcap").read_bytes()
    (tmp_path / "cut.pcap").write_bytes(data[: len(data) // 2])
    source = TsharkSource(str(tmp_path / "cut.pcap"), capture=0, ports=PORTS)
    assert sum(len(batch) for batch in source.batches()) > 0
    assert [note.code for note in source.info().notes] == ["truncated"]


@pytest.mark.usefixtures("tshark")
def test_a_limit_is_kept_and_told() -> None:
    source = TsharkSource(str(SCENES / "clean-delivery" / "capture.pcap"), capture=0, ports=PORTS, max_packets=5)
    assert sum(len(batch) for batch in source.batches()) == 5
    (note,) = source.info().notes
    assert (note.code, note.frame) == ("limited", 5)
    assert "--engine tshark" in note.says


@pytest.mark.usefixtures("tshark")
def test_what_is_no_capture_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("220 not a capture\n" * 10, encoding="utf-8")
    with pytest.raises(NotACapture, match=r"notes\.txt: not a capture file in any format that Wireshark knows"):
        second(tmp_path / "notes.txt")
    with pytest.raises(CaptureError, match="cannot be opened"):
        second(tmp_path / "absent.pcap")
    with pytest.raises(CaptureError, match="cannot be opened"):
        second(tmp_path)
    header = (SCENES / "clean-delivery" / "capture.pcap").read_bytes()[:20]
    (tmp_path / "link.pcap").write_bytes(header + (0x00300001).to_bytes(4, "little"))
    with pytest.raises((UnsupportedLinkType, CaptureError), match=r"link\.pcap"):
        second(tmp_path / "link.pcap")


def test_standard_input_needs_a_file() -> None:
    with pytest.raises(CaptureError, match="needs a file"):
        TsharkSource("-", capture=0, ports=PORTS)


# --- When it cannot run ----------------------------------------------------------------------------------------------


def test_a_missing_tshark_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TsharkMissing, match="not installed"):
        second(SCENES / "clean-delivery" / "capture.pcap")


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("echo 'TShark (Wireshark) 2.6.10 (Git v2.6.10)'", r"version 2\.6\.10: the tshark engine needs 3\.0"),
        ("echo nonsense", "does not run"),
        ("exit 127", "does not run"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="the stand-in for tshark is a shell script")
def test_a_tshark_that_does_not_fit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, says: str) -> None:
    a_program(tmp_path, "tshark", script)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(TsharkMissing, match=says):
        second(SCENES / "clean-delivery" / "capture.pcap")


def test_a_pyshark_that_does_not_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyshark", None)
    with pytest.raises(TsharkMissing, match="pyshark does not run on this Python"):
        second(SCENES / "clean-delivery" / "capture.pcap")


@pytest.mark.usefixtures("tshark")
def test_a_python_without_child_watchers_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.14 has no asyncio.set_child_watcher, which pyshark 0.6 calls unless it is given an event loop."""
    for name in ("set_child_watcher", "SafeChildWatcher"):
        monkeypatch.delattr(asyncio, name, raising=False)
    assert rows(second(SCENES / "clean-delivery" / "capture.pcap"))


@pytest.mark.usefixtures("tshark")
def test_inside_an_asyncio_program_it_says_so() -> None:
    async def program() -> None:
        second(SCENES / "clean-delivery" / "capture.pcap")

    with pytest.raises(TsharkMissing, match="runs an asyncio loop itself"):
        asyncio.run(program())


@pytest.mark.usefixtures("tshark")
def test_a_config_ini_beside_the_captures_chooses_no_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    a_program(tmp_path, "evil", "touch $(dirname $0)/it-ran; echo 'TShark (Wireshark) 4.0.0'")
    (tmp_path / "config.ini").write_text(f"[tshark]\ntshark_path = {tmp_path / 'evil'}\n", encoding="utf-8")
    script = f"""
        from pcapdiag.capture.tshark import TsharkSource
        list(TsharkSource({str(SCENES / "clean-delivery" / "capture.pcap")!r}, capture=0, ports=None).batches())
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "it-ran").exists()


# --- What it leaves behind -------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for tshark is a shell script")
def test_a_killed_tshark_is_noticed(tshark: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    a_program(
        tmp_path / "bin",
        "tshark",
        f"""
        case "$*" in *-v*) exec {tshark} -v;; esac
        {tshark} "$@" | head -c 200000
        kill -KILL $$
        """,
    )
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    source = TsharkSource(str(SCENES / "clean-delivery" / "capture.pcap"), capture=0, ports=PORTS)
    assert rows(source.batches())
    (note,) = source.info().notes
    assert note.code == "tshark-stopped"
    assert "killed by signal 9" in note.says


@pytest.mark.usefixtures("tshark")
@pytest.mark.skipif(os.name == "nt", reason="counts processes with ps")
def test_a_reader_who_stops_early_leaves_no_process(tmp_path: Path) -> None:
    path = many(tmp_path, 3 * BATCH)
    before = children()
    batches = TsharkSource(str(path), capture=0, ports=PORTS).batches()
    assert len(next(batches)) == BATCH
    assert children() > before
    batches.close()
    assert children() == before


@pytest.mark.usefixtures("tshark")
@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_ctrl_c_ends_it(tmp_path: Path) -> None:
    path = many(tmp_path, 50_000)
    script = f"""
        from pcapdiag.capture.tshark import TsharkSource
        for batch in TsharkSource({str(path)!r}, capture=0, ports=None).batches():
            print("batch", flush=True)
    """
    program = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert program.stdout is not None
    program.stdout.readline()
    os.killpg(program.pid, signal.SIGINT)
    _, said = program.communicate(timeout=30)
    assert "KeyboardInterrupt" in said.splitlines()
    assert "Exception ignored" not in said
    time.sleep(0.1)
    assert subprocess.run(["pgrep", "-f", str(path)], capture_output=True, check=False).returncode == 1


@pytest.mark.usefixtures("tshark")
def test_it_is_silent_and_closes_what_it_opens() -> None:
    script = f"""
        from pcapdiag.capture.tshark import TsharkSource
        for _ in range(2):
            list(TsharkSource({str(SCENES / "clean-delivery" / "capture.pcap")!r}, capture=0, ports=None).batches())
    """
    command = [sys.executable, "-W", "error", "-X", "dev", "-c", textwrap.dedent(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if not line.startswith("Executing <")]  # -X dev on a busy machine
    assert (done.returncode, done.stdout, said) == (0, "", [])
