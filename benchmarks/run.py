"""Runs pcapdiag, tshark, tcptrace, tcpdump, scapy and pyshark on the same generated trace and compares them.

    python -m benchmarks.run                      # makes a trace of 500,000 packets, measures all, prints a table
    python -m benchmarks.run --trace big.pcap     # any other capture

Each program is a child process of its own, start-up and output (to the null device) included; pcapdiag's modules are compiled
first, as an installation leaves them, also where PYTHONDONTWRITEBYTECODE is set and a checkout has no bytecode. Rates and ratios are by wall time, so
measure on an idle machine: where CPU time is much less than wall time (pyshark's tshark works beside it), it was not. The programs
take turns, round by round, so that what else the machine does falls on all of them; the fastest round of each counts. Memory is what the
child and its children hold together at their largest, pages that several share counted once (Pss, asked five times a second on Linux;
elsewhere the largest resident set of any one of them): of one more run, because who asks takes a core's time himself. wait4 makes this a
script for POSIX systems only.
scapy and pyshark would take minutes and hours for the whole trace: they read its first packets only, and the columns
for the whole trace are extrapolated from these.

What each does: pcapdiag gives its full verdict as JSON; `tshark -Y smtp` prints command and reply of every SMTP frame; tcptrace
lists the connections; tcpdump copies the packets (the floor: reading and a filter); scapy and pyshark dissect each packet.
"""

from __future__ import annotations

import argparse
import compileall
import importlib.util
import os
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

SCAPY = "import sys; from scapy.utils import PcapReader; from scapy.layers import inet, inet6; [None for _ in PcapReader(sys.argv[1])]"
PYSHARK = "import sys, pyshark; [None for _ in pyshark.FileCapture(sys.argv[1], keep_packets=False)]"
SMTP_FIELDS = ["-T", "fields", "-e", "frame.number", "-e", "smtp.req.command", "-e", "smtp.response.code"]


class Contender(NamedTuple):
    name: str
    command: list[str]
    packets: int


class Result(NamedTuple):
    name: str
    packets: int
    seconds: float
    cpu_seconds: float
    peak_mb: float
    """0: not measured yet."""

    @property
    def rate(self) -> float:
        return self.packets / self.seconds


def records(path: Path, limit: int | None = None, copy_to: Path | None = None) -> int:
    """Counts the packets of a little-endian pcap file, at most `limit`, and copies them."""
    with path.open("rb") as file:
        octets = [file.read(24)]
        if struct.unpack("<I", octets[0][:4])[0] not in (0xA1B2C3D4, 0xA1B23C4D):
            sys.exit(f"{path}: not a little-endian pcap file; convert it with editcap -F pcap")
        count = 0
        while (limit is None or count < limit) and len(header := file.read(16)) == 16:
            packet = file.read(struct.unpack("<8xI4x", header)[0])
            if copy_to:
                octets += [header, packet]
            count += 1
    if copy_to:
        copy_to.write_bytes(b"".join(octets))
    return count


def contenders(trace: Path, folder: Path, scapy_packets: int, pyshark_packets: int) -> list[Contender]:
    packets = records(trace)
    scapy_slice, pyshark_slice = folder / "scapy.pcap", folder / "pyshark.pcap"
    scapy_packets = records(trace, scapy_packets, scapy_slice)
    pyshark_packets = records(trace, pyshark_packets, pyshark_slice)
    python, whole = sys.executable, str(trace)
    return [
        Contender("pcapdiag", [python, "-m", "pcapdiag", "analyze", whole, "--format", "json"], packets),
        Contender("tshark -Y smtp", ["tshark", "-r", whole, "-Y", "smtp", *SMTP_FIELDS], packets),
        Contender("tcptrace", ["tcptrace", "-n", whole], packets),
        Contender("tcpdump -w", ["tcpdump", "-r", whole, "-w", os.devnull, "tcp port 25"], packets),
        Contender("scapy", [python, "-c", SCAPY, str(scapy_slice)], scapy_packets),
        Contender("pyshark", [python, "-c", PYSHARK, str(pyshark_slice)], pyshark_packets),
    ]


def compile_pcapdiag() -> None:
    """Bytecode for all modules of pcapdiag, as pip leaves it: to compile 190 modules takes an eighth of a second each time."""
    package = importlib.util.find_spec("pcapdiag")
    for folder in package.submodule_search_locations or () if package else ():
        compileall.compile_dir(folder, quiet=1)


def measure(contender: Contender) -> Result | str:
    """One run, or why there is no result."""
    if not shutil.which(contender.command[0]):
        return "not installed"
    began = time.perf_counter()
    ended = run(contender)
    seconds = time.perf_counter() - began
    if isinstance(ended, str):
        return ended
    return Result(contender.name, contender.packets, seconds, ended.ru_utime + ended.ru_stime, 0)


def with_memory(contender: Contender, result: Result) -> Result:
    """The result, and what one more run held at its largest."""
    memory = Memory()
    ended = run(contender, memory)
    if isinstance(ended, str):
        return result
    kilobytes = ended.ru_maxrss / 1024 if sys.platform == "darwin" else ended.ru_maxrss
    return result._replace(peak_mb=max(memory.peak_kb, kilobytes) / 1024)  # one may end before it is asked


def run(contender: Contender, memory: Memory | None = None) -> resource.struct_rusage | str:
    """What a run took, or why it failed."""
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(contender.command, stdout=subprocess.DEVNULL, stderr=complaints)
        with memory.of(process.pid) if memory else nullcontext():
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            complaints.seek(0)
            lines = complaints.read().decode(errors="replace").splitlines()
            return f"exit status {process.returncode}: {lines[-1] if lines else ''}"
    return usage


class Memory:
    """What a process and its children held at their largest."""

    def __init__(self) -> None:
        self.peak_kb = 0
        """0 where the system does not say."""

    @contextmanager
    def of(self, pid: int) -> Iterator[None]:
        """Watch that process as long as the block runs."""
        over = threading.Event()
        watching = threading.Thread(target=self._watch, args=(pid, over), daemon=True)
        watching.start()
        try:
            yield
        finally:
            over.set()
            watching.join()

    def _watch(self, pid: int, over: threading.Event) -> None:
        while not over.wait(0.2):
            self.peak_kb = max(self.peak_kb, sum(map(_proportional_kb, _family(pid))))


def _family(pid: int) -> list[int]:
    """A process and all that came from it."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        children = []
    return [pid, *(each for child in children for each in _family(int(child)))]


def _proportional_kb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def table(results: dict[str, Result | str], whole: int) -> list[str]:
    reference = results.get("tshark -Y smtp")
    rows = [
        f"{'program':<16}{'packets read':>14}{'seconds':>9}{'CPU s':>8}{'packets/s':>12}{'of tshark':>11}{'peak MB':>9}{'whole trace':>13}"
    ]
    for name, result in results.items():
        if isinstance(result, str):
            rows.append(f"{name:<16}{result}")
            continue
        ratio = f"{result.rate / reference.rate:.2f}x" if isinstance(reference, Result) else "-"
        total = f"{'~' if result.packets < whole else ''}{whole / result.rate:,.0f} s"
        figures = f"{result.packets:>14,}{result.seconds:>9.2f}{result.cpu_seconds:>8.2f}{result.rate:>12,.0f}{ratio:>11}{result.peak_mb:>9,.0f}{total:>13}"
        rows.append(f"{name:<16}{figures}")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trace", type=Path, help="measure on this pcap file instead of a generated one")
    parser.add_argument("--packets", type=int, default=500_000, help="packets of the generated trace")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each program; the fastest counts")
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="only this program (first word of its name; repeatable)"
    )
    parser.add_argument("--scapy-packets", type=int, default=20_000)
    parser.add_argument("--pyshark-packets", type=int, default=2_000)
    arguments = parser.parse_args()
    compile_pcapdiag()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trace = arguments.trace
        if trace is None:
            trace = folder / "smtp.pcap"
            generator = [sys.executable, "-m", "benchmarks.generate", str(trace), "--packets", str(arguments.packets)]
            subprocess.run(generator, check=True)
        chosen = [
            contender
            for contender in contenders(trace, folder, arguments.scapy_packets, arguments.pyshark_packets)
            if not arguments.only or contender.name.split()[0] in arguments.only
        ]
        rounds = [[measure(contender) for contender in chosen] for _ in range(arguments.repeat)]
        results: dict[str, Result | str] = {}
        for contender, *runs in zip(chosen, *rounds, strict=True):
            best = min(runs, key=lambda run: run.seconds if isinstance(run, Result) else float("inf"))
            results[contender.name] = best if isinstance(best, str) else with_memory(contender, best)
        print("\n".join(table(results, records(trace))))


if __name__ == "__main__":
    main()
