"""The corpus twice: as tshark reads it, and as we do. Each file once per test session, tshark on all cores at a time."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from pcapdiag.analysis import Judged, KeepDialogue
from pcapdiag.model import Endpoint
from pcapdiag.pipeline import DEFAULT_PORTS, analyze

FIN, RST = 0x01, 0x04
FIELDS = (
    *(
        "frame.number",
        "frame.time_epoch",
        "frame.len",
        "ip.src",
        "ipv6.src",
        "ip.dst",
        "ipv6.dst",
        "ip.ttl",
        "ipv6.hlim",
    ),
    *(
        "ip.id",
        "tcp.srcport",
        "tcp.dstport",
        "tcp.seq_raw",
        "tcp.ack_raw",
        "tcp.flags",
        "tcp.window_size_value",
        "tcp.len",
    ),
    *("tcp.options.timestamp.tsval", "tcp.options.timestamp.tsecr"),
)


class Frame(NamedTuple):
    """One TCP segment in tshark's words; of protocols that occur several times in a frame the innermost."""

    number: int
    time_ns: int
    length: int
    src: Endpoint
    dst: Endpoint
    ttl: int
    ip_id: int
    seq: int
    ack: int
    flags: int
    window: int
    seg_len: int
    tsval: int
    tsecr: int


class Reader:
    """Keeps what was read."""

    def __init__(self, corpus: Path, tshark: str) -> None:
        self.corpus = corpus
        self._tshark = tshark
        self._pool = ThreadPoolExecutor(os.cpu_count())
        self._frames: dict[Path, Future[list[Frame]]] = {}
        self._sessions: dict[Path, list[Judged]] = {}

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def name(self, path: Path) -> str:
        return path.relative_to(self.corpus).as_posix()

    def mail_captures(self) -> Iterator[Path]:
        """Every capture of the corpus that has a truth."""
        for truth in sorted((self.corpus / "truth").glob("*.json")):
            yield self.corpus / "smtp" / truth.name.removesuffix(".json")
        for truth in sorted((self.corpus / "lab").glob("*/truth.json")):
            yield from (truth.parent / name for name in json.loads(truth.read_text())["vantage_files"].values())

    def frames(self, path: Path) -> list[Frame]:
        """TCP segments on the mail ports as tshark sees them. The first call sets tshark to work on all captures."""
        if not self._frames:
            for each in self.mail_captures():
                self._frames[each] = self._pool.submit(self._dissect, each)
        return self._frames[path].result()

    def sessions(self, path: Path) -> list[Judged]:
        """Our verdicts."""
        if path not in self._sessions:
            analysis = analyze([str(path)], ports=ports(path), engine="own", keep_dialogue=KeepDialogue.ALL)
            assert not analysis.errors, f"{self.name(path)}: {analysis.errors}"
            self._sessions[path] = list(analysis.sessions)
        return self._sessions[path]

    def _dissect(self, path: Path) -> list[Frame]:
        wanted = " || ".join(f"tcp.port == {port}" for port in sorted({*ports(path), 113}))
        command = [self._tshark, "-n", "-r", str(path), "-Y", f"({wanted}) && !icmp && !icmpv6", "-T", "fields"]
        command += ["-E", "occurrence=l", "-o", "tcp.desegment_tcp_streams:FALSE", "--disable-protocol", "smtp"]
        for name in FIELDS:
            command += ["-e", name]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8", check=False)
        return [_frame(line.split("\t")) for line in done.stdout.splitlines()]


def _frame(values: list[str]) -> Frame:
    of = dict(zip(FIELDS, values, strict=True))
    whole, _, fraction = of["frame.time_epoch"].partition(".")
    return Frame(
        number=int(of["frame.number"]),
        time_ns=int(whole) * 10**9 + int(fraction.ljust(9, "0")),
        length=int(of["frame.len"]),
        src=Endpoint(of["ip.src"] or of["ipv6.src"], int(of["tcp.srcport"])),
        dst=Endpoint(of["ip.dst"] or of["ipv6.dst"], int(of["tcp.dstport"])),
        ttl=int(of["ip.ttl"] or of["ipv6.hlim"]),
        ip_id=int(of["ip.id"] or "-1", 0),
        seq=int(of["tcp.seq_raw"]),
        ack=int(of["tcp.ack_raw"]),
        flags=int(of["tcp.flags"], 0) & 0xFF,
        window=int(of["tcp.window_size_value"]),
        seg_len=int(of["tcp.len"]),
        tsval=int(of["tcp.options.timestamp.tsval"] or -1),
        tsecr=int(of["tcp.options.timestamp.tsecr"] or -1),
    )


@cache
def truths(path: Path) -> list[dict[str, Any]]:
    """What is known of the sessions of a capture, in the form of its part of the corpus."""
    beside = path.parent / "truth.json"
    if beside.exists():
        return [s for s in json.loads(beside.read_text())["sessions"] if path.name in s["visible_in"]]
    return list(json.loads((path.parents[1] / "truth" / f"{path.name}.json").read_text()))


@cache
def ports(path: Path) -> frozenset[int]:
    """The usual ones, and those of the servers that the truth names."""
    return DEFAULT_PORTS | {int(session["server"].rpartition(":")[2]) for session in truths(path)}


def ends(truth: dict[str, Any]) -> frozenset[Endpoint]:
    """Both ends of a truth, whichever is the client; IPv6 stands in brackets or not."""
    return frozenset(
        Endpoint(address.strip("[]"), int(port))
        for address, _, port in (truth[side].rpartition(":") for side in ("client", "server"))
    )
