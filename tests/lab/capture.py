"""What stood on the cables, at three places: one tcpdump (or dumpcap) on each host, running before anybody speaks."""

import contextlib
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from .network import Host, LabError

Place = Literal["client", "middle", "server"]
PLACES: tuple[Place, ...] = ("client", "middle", "server")
PATIENCE_S = 10.0
SETTLE_S = {"tcpdump": 0.15, "dumpcap": 0.8}  # for the last frames to pass the cables, and the kernel to hand them over
# Neighbour discovery and multicast listeners (ICMPv6 130 and above, hop-by-hop options) are the lab's, not the story's.
STORY = "ip or (ip6 and not ip6[6] == 0 and not (ip6[6] == 58 and ip6[40] >= 130))"


@dataclass(frozen=True, slots=True)
class Shot:
    """How one place is captured. `narrow` is a filter in tcpdump's language: what the file holds, and nothing else."""

    device: str
    snaplen: int = 0
    narrow: str = ""
    program: Literal["tcpdump", "dumpcap"] = "tcpdump"


class Capture:
    """One running capture; `start` returns when frames are being taken, `stop` when the file is complete."""

    def __init__(self, host: Host, shot: Shot, path: Path) -> None:
        self._host, self._shot, self.path = host, shot, path
        self.program = shot.program
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        story = f"({STORY}) and ({self._shot.narrow})" if self._shot.narrow else STORY
        snaplen = ["-s", str(self._shot.snaplen)] if self._shot.snaplen else []
        if self._shot.program == "tcpdump":
            command = ["tcpdump", "-Z", "root", "-n", "-U", "--immediate-mode", *snaplen]
            command += ["-i", self._shot.device, "-w", str(self.path), story]
        else:
            command = ["dumpcap", "-q", *snaplen, "-i", self._shot.device, "-w", str(self.path), "-f", story]
        with self._host.inside():
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
        self._host.processes.append(self._process)
        self._wait_until_it_runs(self._process)

    def stop(self) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired as error:
            self._process.kill()
            raise LabError(f"the capture {self.path.name} does not end") from error
        finally:
            if self._process.stderr:
                self._process.stderr.close()

    def _wait_until_it_runs(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr
        said, until = b"", time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            if select.select([process.stderr], [], [], 0.1)[0]:
                said += (chunk := process.stderr.read1())  # type: ignore[attr-defined]
                if b"listening on" in said or b"File: " in said:
                    return
                if not chunk:
                    break
        raise LabError(f"the capture {self.path.name} does not start: {said.decode(errors='replace').strip()}")


class Captures:
    """The captures of a scenario. A place can be started late or stopped early; what was not stopped ends with the story."""

    def __init__(self, hosts: dict[Place, Host], shots: dict[Place, Shot], directory: Path) -> None:
        self.all: dict[Place, Capture] = {}
        for place, shot in shots.items():
            suffix = "pcapng" if shot.program == "dumpcap" else "pcap"
            self.all[place] = Capture(hosts[place], shot, directory / f"{place}.{suffix}")

    def start(self, *places: Place) -> None:
        for place in places:
            self.all[place].start()

    def stop(self, *places: Place) -> None:
        """These places' captures; all of them when none is named."""
        chosen = places or tuple(self.all)
        time.sleep(max(SETTLE_S[self.all[place].program] for place in chosen))
        for place in chosen:
            self.all[place].stop()

    @contextlib.contextmanager
    def running(self, late: tuple[Place, ...] = ()) -> Iterator[Self]:
        try:
            self.start(*(place for place in self.all if place not in late))
            yield self
        finally:
            self.stop()
