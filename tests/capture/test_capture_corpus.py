"""Real captures, with Wireshark's programs as oracle: every packet counted, every segment's fields the same."""

from __future__ import annotations

import csv
import subprocess
from collections import deque
from pathlib import Path

import pytest

from pcapdiag.capture import open_captures
from pcapdiag.capture.table import address_text

FIELDS = [
    "frame.number",
    "frame.len",
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "ip.ttl",
    "ipv6.hlim",
    "ip.id",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.seq_raw",
    "tcp.ack_raw",
    "tcp.flags",
    "tcp.window_size_value",
    "tcp.len",
    "tcp.options.timestamp.tsval",
    "tcp.options.timestamp.tsecr",
    "frame.time_epoch",
]
FOREIGN = {"seladb_PcapPlusPlus__solaris.snoop": "snoop is read by tshark only"}
HEADLESS = {"simsong_tcpflow__simson.pcap": "snap length of 40 octets: no segment has a whole TCP header"}

pytestmark = pytest.mark.corpus


def _captures(corpus: Path, folder: str) -> list[Path]:
    return sorted(
        p
        for p in (corpus / folder).rglob("*")
        if (p.is_file() and ".pcap" in p.name) or p.suffix in (".ntar", ".snoop")
    )


def _tshark(path: Path) -> dict[int, tuple[object, ...]]:
    command = ["tshark", "-r", str(path), "-T", "fields", "-E", "occurrence=l", "-Y", "tcp && !icmp && !icmpv6"]
    command += ["-o", "tcp.analyze_sequence_numbers:false", "-o", "tcp.desegment_tcp_streams:false"]
    for field in FIELDS:
        command += ["-e", field]
    out = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    rows = {}
    for line in out.splitlines():
        f = dict(zip(FIELDS, line.split("\t"), strict=True))
        six = not f["ip.src"]
        ends = (f["ipv6.src"], f["ipv6.dst"], f["ipv6.hlim"]) if six else (f["ip.src"], f["ip.dst"], f["ip.ttl"])
        seconds, fraction = f["frame.time_epoch"].split(".")
        flags = int(f["tcp.flags"], 16) & 0xFF
        rows[int(f["frame.number"])] = (
            *ends[:2],
            int(ends[2]),
            -1 if six else int(f["ip.id"], 16),
            *(int(f[name]) for name in ("frame.len", "tcp.srcport", "tcp.dstport", "tcp.seq_raw")),
            int(f["tcp.ack_raw"]) if flags & 0x10 else None,
            flags,
            *(int(f[name]) for name in ("tcp.window_size_value", "tcp.len")),
            *(int(f[name] or -1) for name in FIELDS[-3:-1]),
            int(seconds) * 10**9 + int(fraction),
        )
    return rows


def _ours(path: Path) -> dict[int, tuple[object, ...]]:
    rows: dict[int, tuple[object, ...]] = {}
    for trace in open_captures([str(path)], ports=None, engine="own").traces:
        for t in trace.batches():
            for i in range(len(t)):
                rows[int(t.frame_number[i])] = (
                    address_text(*map(int, t.src[i])),
                    address_text(*map(int, t.dst[i])),
                    *(int(c[i]) for c in (t.ttl, t.ip_id, t.frame_len, t.srcport, t.dstport, t.seq)),
                    int(t.ack[i]) if t.flags[i] & 0x10 else None,
                    *(int(c[i]) for c in (t.flags, t.window, t.seg_len, t.tsval, t.tsecr, t.time_ns)),
                )
    return rows


def path_says(path: Path) -> str:
    """The notes about a capture: where the times are no witness of the order, ours differ from those of the file."""
    captures = open_captures([str(path)], ports=None, engine="own")
    for trace in captures.traces:
        deque(trace.batches(), maxlen=0)
    return " ".join(note.says for info in captures.infos() for note in info.notes)


@pytest.mark.tshark
@pytest.mark.parametrize("folder", ["odd", "smtp", "lab"])
def test_every_segment_is_as_tshark_says(corpus: Path, tshark: str, folder: str) -> None:
    wrong = []
    for path in _captures(corpus, folder):
        if path.name in FOREIGN or path.name in HEADLESS:
            continue
        theirs, ours = _tshark(path), _ours(path)
        if "go back all the time" in path_says(path):
            theirs, ours = ({frame: row[:-1] for frame, row in rows.items()} for rows in (theirs, ours))
        frames = [frame for frame in theirs.keys() | ours.keys() if theirs.get(frame) != ours.get(frame)]
        wrong += [(path.name, frame, theirs.get(frame), ours.get(frame)) for frame in sorted(frames)[:2]]
    assert wrong == []


def test_packet_counts_of_odd_files(corpus: Path) -> None:
    with open(corpus / "INDEX.tsv", newline="") as file:
        index = {row["file"]: row["packets"] for row in csv.DictReader(file, delimiter="\t")}
    wrong = []
    for name, packets in index.items():
        if not name.startswith("odd/") or not packets.isdigit() or Path(name).name in FOREIGN:
            continue
        captures = open_captures([str(corpus / name)], ports=None, engine="own")
        for trace in captures.traces:
            list(trace.batches())
        (info,) = captures.infos()
        if info.packets != int(packets):
            wrong.append((name, packets, info.packets))
    assert wrong == []


def test_snoop_is_named(corpus: Path) -> None:
    captures = open_captures([str(corpus / "odd" / name) for name in FOREIGN], ports=None, engine="own")
    assert "snoop" in captures.errors[0][1]
    assert "--engine tshark" in captures.errors[0][1]


@pytest.mark.tshark
def test_auto_reads_snoop_through_tshark(corpus: Path, tshark: str) -> None:
    captures = open_captures([str(corpus / "odd" / name) for name in FOREIGN], ports=None)
    rows = sum(len(table) for trace in captures.traces for table in trace.batches())
    (info,) = captures.infos()
    assert info.packets == 250
    assert rows > 0
    assert "tshark" in [note.code for note in info.notes]
