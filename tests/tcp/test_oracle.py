"""The tracker against tshark over the corpus: connections, FINs and resets, and the octets of each direction."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pcapdiag.capture import open_captures
from pcapdiag.errors import CaptureError
from pcapdiag.model import Side
from pcapdiag.tcp.connection import Connection
from pcapdiag.tcp.tracker import Tracker
from tests.tcp.listening import Listener

PORTS = frozenset({24, 25, 465, 587, 2525, 10025, 10026})


def tracked(path: Path) -> list[tuple[Connection, Listener]]:
    ended: list[tuple[Connection, Listener]] = []
    for trace in open_captures([str(path)], ports=PORTS).traces:
        tracker = Tracker(Listener, lambda *pair: ended.append(pair), ports=PORTS)
        for batch in trace.batches():
            tracker.feed(batch)
        tracker.finish()
    return sorted(ended, key=lambda pair: pair[0].serial)


def tshark(path: Path, *arguments: str) -> list[str]:
    run = subprocess.run(["tshark", "-n", "-r", str(path), *arguments], capture_output=True, text=True, check=False)
    return run.stdout.splitlines()


def captures(corpus: Path) -> list[Path]:
    """Every fourth capture in CI's time; all of them when PCAPDIAG_ORACLE is set."""
    paths = sorted([*corpus.glob("lab/*/*.pcap*"), *corpus.glob("smtp/*")])
    return paths if os.environ.get("PCAPDIAG_ORACLE") else paths[::4]


@pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")
def test_streams_and_resets_are_those_of_tshark(corpus: Path) -> None:
    ports = " or ".join(f"tcp.port=={port}" for port in sorted(PORTS))
    wrong = []
    for path in captures(corpus):
        try:
            ended = tracked(path)
        except CaptureError:
            continue
        fields = ("-e", "frame.number", "-e", "tcp.stream", "-e", "tcp.flags.reset")
        rows = tshark(path, "-Y", f"({ports}) && !icmp && !icmpv6", "-T", "fields", *fields)
        first: dict[str, int] = {}
        theirs = set()
        for frame, stream, reset in (row.split("\t") for row in rows):
            first.setdefault(stream, int(frame))
            if reset in ("1", "True"):
                theirs.add(int(frame))
        ours = {reset.at.frame for connection, _ in ended for reset in connection.closing.resets}
        copied = any(half.copies for connection, _ in ended for half in connection.halves)
        if ours != theirs and not (copied and ours < theirs):
            wrong.append((path.parent.name, path.name, "resets", sorted(ours ^ theirs)))
        if len(ended) != len(first):
            wrong.append((path.parent.name, path.name, "streams", len(ended), len(first)))
    assert wrong == []


@pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")
def test_octets_are_those_of_tshark(corpus: Path) -> None:
    """Where the capture is whole and nothing is odd, to the octet."""
    wrong, compared = [], 0
    for path in captures(corpus)[::3]:
        try:
            connection, heard = tracked(path)[0]
        except (CaptureError, IndexError):
            continue
        if connection.duplicates or connection.reused or any(segment.odd for segment in connection.segments):
            continue
        if any(isinstance(octets, str) for _, _, octets in heard.heard):
            continue
        compared += 1
        theirs = followed(path, connection)
        if theirs != heard.streams:
            wrong.append(
                (path.parent.name, path.name, [(len(theirs[side]), len(heard.streams[side])) for side in Side])
            )
    assert wrong == []
    assert compared


def followed(path: Path, connection: Connection) -> dict[Side, bytes]:
    """Both streams as tshark follows them."""
    client, server = (f"{end.address}:{end.port}" for end in (connection.client, connection.server))
    if ":" in connection.client.address:
        client, server = (f"[{end.address}]:{end.port}" for end in (connection.client, connection.server))
    streams = {Side.CLIENT: b"", Side.SERVER: b""}
    first = Side.CLIENT
    for line in tshark(path, "-q", "-z", f"follow,tcp,raw,{client},{server}"):
        if line.startswith("Node 0: "):
            first = Side.CLIENT if line.endswith(f":{connection.client.port}") else Side.SERVER
        elif line.strip() and set(line.strip()) <= set("0123456789abcdef"):
            streams[first.other if line.startswith("\t") else first] += bytes.fromhex(line.strip())
    return streams
