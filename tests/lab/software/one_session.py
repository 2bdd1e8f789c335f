"""Programs that hold one session and end: a child process on a host, with its output as text."""

import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ..network import Host, LabError

REPOSITORY = Path(__file__).resolve().parents[3]


@dataclass(slots=True)
class Session:
    """A client at work, or what it left."""

    process: subprocess.Popen[bytes]
    output: Path

    @classmethod
    def start(cls, host: Host, *argv: str, folder: Path) -> Self:
        descriptor, name = tempfile.mkstemp(dir=folder, suffix=".log")
        os.close(descriptor)
        return cls(host.spawn(argv, log=Path(name)), Path(name))

    def wait(self, timeout_s: float = 30.0) -> int:
        """Its exit code: 0 if the message was accepted and nothing failed."""
        try:
            return self.process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired as expired:
            raise LabError(f"A client still runs after {timeout_s:g} s. It printed: {self.log()[-800:]}") from expired

    def kill(self) -> None:
        """Ends it at once (SIGKILL): what is left to say, the kernel says."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=5)

    def log(self) -> str:
        return self.output.read_text(errors="replace")


def python(module: str, argument: str) -> list[str]:
    """The command that runs a module of the lab, whatever the working directory is."""
    return ["env", f"PYTHONPATH={REPOSITORY}", sys.executable, "-u", "-m", module, argument]
