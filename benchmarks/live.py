"""Plays mail, and then other traffic, over a veth pair past a running `pcapdiag live`, and says what it cost and what was lost.

    python -m benchmarks.live                          # 20,000 packets/s of mail, then 50,000/s of UDP, 10 s each
    python -m benchmarks.live --rounds 6               # a minute of mail: is memory flat?
    python -m benchmarks.live -- --save /var/tmp/kept  # with options of pcapdiag live

Needs root, and iproute2. The player (this process) is one of the programs that compete for the processor, so measure on an idle
machine. "lost" is what the kernel says it could not hand over; "missing" what was sent and never counted by pcapdiag,
which must be nothing either.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.generate import trace

DEVICE, FAR = "pcdbench0", "pcdbench1"
TICK_S = 0.002
HERTZ = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Use(NamedTuple):
    """Of a process so far."""

    cpu_s: float
    resident: int


def use_of(pid: int) -> Use:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return Use((int(fields[11]) + int(fields[12])) / HERTZ, int(fields[21]) * PAGE)


@contextmanager
def namespace() -> Iterator[str]:
    """A network namespace with the far end of the pair; traffic goes from this one into it."""
    name = f"pcd-{os.getpid()}-bench"
    _ip("netns", "add", name)
    try:
        _ip("link", "add", DEVICE, "type", "veth", "peer", "name", FAR, "netns", name)
        _ip("link", "set", DEVICE, "up")
        _ip("-n", name, "link", "set", FAR, "up")
        yield name
    finally:
        _ip("netns", "delete", name)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def play(frames: Sequence[bytes], rate: int, pid: int) -> tuple[float, float, list[int]]:
    """Send them at that rate. Seconds it took, processor seconds of the process, its memory each second."""
    memory = []
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
        out.bind((DEVICE, 0))
        before, began, sent = use_of(pid), time.monotonic(), 0
        looked = began
        while sent < len(frames):
            now = time.monotonic()
            due = min(len(frames), int((now - began) * rate) + 1)
            for frame in frames[sent:due]:
                out.send(frame)
            sent = due
            if now - looked >= 1:
                looked = now
                memory.append(use_of(pid).resident)
            time.sleep(TICK_S)
    took = time.monotonic() - began
    return took, use_of(pid).cpu_s - before.cpu_s, memory


def other_traffic(count: int) -> list[bytes]:
    """UDP from many ports; nothing that the filter admits."""
    frames = []
    for number in range(count):
        ip = bytes.fromhex("450000c800010000401100000a4d00010a4d0002")
        udp = (1024 + number % 60000).to_bytes(2) + (443).to_bytes(2) + (180).to_bytes(2) + bytes(2)
        frames.append(bytes(12) + b"\x08\x00" + ip + udp + bytes(172))
    return frames


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=20_000, help="packets of mail a second")
    parser.add_argument("--other-rate", type=int, default=50_000, help="other packets a second")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=1, help="so many times the mail, each time another")
    parser.add_argument("options", nargs="*", help="of pcapdiag live, behind --")
    arguments = parser.parse_args()
    with namespace() as name, tempfile.TemporaryFile("w+") as told, tempfile.TemporaryFile("w+") as said:
        command = [sys.executable, "-m", "pcapdiag", "live", "-i", FAR, "--format", "json", *arguments.options]
        process = subprocess.Popen(["ip", "netns", "exec", name, *command], stdout=told, stderr=said)
        sent = 0
        try:
            _wait_for(said, "watching")
            for number in range(arguments.rounds):
                count = int(arguments.rate * arguments.seconds)
                frames = [frame for _, _, frame in trace(count, 25 + number)][:count]
                sent += len(frames)
                took, cpu, memory = play(frames, arguments.rate, process.pid)
                rate = len(frames) / took
                print(
                    f"mail   {rate:8,.0f} packets/s for {took:4.1f} s: {cpu / took:5.1%} of a processor, {_told(memory)}",
                    flush=True,
                )
                del frames
            time.sleep(1)
            frames = other_traffic(int(arguments.other_rate * arguments.seconds))
            took, cpu, memory = play(frames, arguments.other_rate, process.pid)
            rate = len(frames) / took
            print(f"other  {rate:8,.0f} packets/s for {took:4.1f} s: {cpu / took:5.1%} of a processor, {_told(memory)}")
        finally:
            process.terminate()
            process.wait(60)
        said.seek(0)
        last = said.read().splitlines()[-1]
        print(last)
        found = re.search(r"([\d,]+) packets? captured, (\d+) dropped", last)
        assert found, "it did not say what it captured"
        told.seek(0)
        lines = sum(1 for _ in told)
        captured, lost = int(found[1].replace(",", "")), int(found[2])
        print(f"lost {lost}, missing {sent - captured - lost}, {lines} lines of JSON")


def _told(memory: Sequence[int]) -> str:
    return "memory " + " ".join(f"{each / 1e6:.0f}" for each in memory) + " MB"


def _wait_for(said: object, words: str) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        said.seek(0)  # type: ignore[attr-defined]
        if words in said.read():  # type: ignore[attr-defined]
            return
        time.sleep(0.1)
    raise SystemExit("pcapdiag did not begin")


if __name__ == "__main__":
    main()
