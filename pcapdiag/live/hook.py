"""A dropped session -> a run of the administrator's command, with the session's JSON object on standard input.

Nothing of what came from the network stands on its command line or in its environment, and no shell sees any of it. Runs
are few at a time and limited in rate and length; the watch never waits for one.
"""

from __future__ import annotations

import os
import queue
import select
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from typing import IO

from pcapdiag.errors import UsageError
from pcapdiag.live.events import Ended, Event
from pcapdiag.live.sparing import Mutter, Once
from pcapdiag.live.watch import is_drop
from pcapdiag.report.clean import wire_text

BURST, EVERY_S = 10, 6.0
"""Ten runs in a row, and then one every six seconds: whoever is paged by it has one night, and a server that goes down takes
hundreds of sessions with it."""
MOST_RUNNING = 2
MOST_WAITING = 20
TIMEOUT_S = 60.0
LAST_S = 10.0
"""What runs or waits when the watch ends has so long."""
GRACE_S = 1.0
"""Between SIGTERM and SIGKILL."""
_POLL_S = 0.05
_MOST_SAID = 2000
"""Octets of standard error that are kept, to quote a line of them."""


def command_of(text: str) -> tuple[str, ...]:
    """The words of the command. Raises `UsageError` when there is no such program that we may run."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--on-drop {text!r} cannot be split into words ({error}): close the quotes") from error
    if not words:
        raise UsageError("--on-drop names no command")
    found = shutil.which(words[0])
    if found is None:
        raise UsageError(
            f"--on-drop: there is no program {words[0]} that we may run (as user {os.geteuid()}): give its whole path; for "
            "pipes and variables write a script, it is run without a shell"
        )
    return (found, *words[1:])


class _Rate:
    """A bucket of runs that fills itself."""

    def __init__(self) -> None:
        self._left: float = BURST
        self._at = time.monotonic()

    def take(self) -> bool:
        now = time.monotonic()
        self._left = min(BURST, self._left + (now - self._at) / EVERY_S)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Hook:
    """Runs one command."""

    def __init__(
        self,
        command: Sequence[str],
        tell: Callable[[Ended], str],
        complain: Callable[[str], None],
        *,
        early: bool = False,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """`tell` makes the JSON. `early`: at the first sign of a drop instead of the final verdict."""
        self._command = tuple(command)
        self._tell, self._complain = tell, complain
        self._early, self._timeout_s = early, timeout_s
        self._mutter = Mutter(complain)
        self._once = Once()
        self._rate = _Rate()
        self._waiting: queue.Queue[bytes | None] = queue.Queue()
        self._hurry = threading.Event()
        self._counting = threading.Lock()
        self.done = self.failed = self.left_out = 0
        """Runs that ended with status 0, that did not, and that were never begun."""
        self._threads = [
            threading.Thread(target=self._work, name=f"hook-{number}", daemon=True) for number in range(MOST_RUNNING)
        ]
        for thread in self._threads:
            thread.start()

    def hear(self, event: Event) -> None:
        """Run the command for a dropped session, once each."""
        if not isinstance(event, Ended) or not (event.final or self._early) or not is_drop(event.judged):
            return
        if not self._once.first(event.judged.id):
            return
        if self._waiting.qsize() >= MOST_WAITING or not self._rate.take():
            self._leave_out()
            return
        self._waiting.put(self._tell(event).encode())

    def close(self) -> None:
        """Wait for what runs and waits, within bounds, and say how it all went."""
        for _ in self._threads:
            self._waiting.put(None)
        until = time.monotonic() + LAST_S
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        self._hurry.set()
        for thread in self._threads:
            thread.join(GRACE_S + 1)
        if self.failed or self.left_out:
            self._complain(
                f"--on-drop: {self.done} runs succeeded, {self.failed} failed, {self.left_out} were left out"
            )

    def _leave_out(self) -> None:
        with self._counting:
            self.left_out += 1
        self._mutter(
            f"--on-drop was not run for a session: more than {BURST} in a row and one every {EVERY_S:.0f} s, or more than "
            f"{MOST_WAITING} waiting, are left out"
        )

    # --- The threads that run it --------------------------------------------------------------------------------------

    def _work(self) -> None:
        while (told := self._waiting.get()) is not None:
            if self._hurry.is_set():
                with self._counting:
                    self.left_out += 1
                continue
            try:
                wrong = self._run(told)
            except OSError as error:
                wrong = f"could not be started: {error.strerror or error}"
            with self._counting:
                self.done += not wrong
                self.failed += bool(wrong)
            if wrong:
                self._mutter(f"--on-drop: {self._command[0]} {wrong}")

    def _run(self, told: bytes) -> str:
        """What went wrong; nothing: empty."""
        with _unnamed_file() as given:  # not a pipe: it need not be read, and we need not wait
            given.write(told)
            given.seek(0)
            process = subprocess.Popen(
                self._command, stdin=given, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
            )
        assert process.stderr
        with process.stderr as pipe:
            said, in_time = self._wait(process, pipe.fileno())
            if not in_time:
                _kill(process)
        if not in_time:
            after = "when pcapdiag ended" if self._hurry.is_set() else f"after {self._timeout_s:.0f} s"
            return f"was killed {after}"
        if process.returncode:
            line = next(iter(said.splitlines()), b"").strip()[:200]
            ended = f"signal {-process.returncode}" if process.returncode < 0 else f"status {process.returncode}"
            return f"ended with {ended}" + (f": {wire_text(line)}" if line else "")
        return ""

    def _wait(self, process: subprocess.Popen[bytes], pipe: int) -> tuple[bytes, bool]:
        """What it said on standard error, from the beginning, and whether it ended in time."""
        until = time.monotonic() + self._timeout_s
        said, open_ = b"", True
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        while True:
            ended = process.poll() is not None
            while open_ and poll.poll(0 if ended else _POLL_S * 1000):
                octets = os.read(pipe, 65536)
                open_ = bool(octets)
                said += octets[: _MOST_SAID - len(said)]
                if time.monotonic() > until or self._hurry.is_set():
                    break
            if ended:
                return said, True
            if time.monotonic() > until or self._hurry.is_set():
                return said, False
            if not open_:
                time.sleep(_POLL_S)


def _unnamed_file() -> IO[bytes]:
    """A file in memory; on disk where this build of Python knows none in memory. Nobody else can open it."""
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("session"), "w+b")
    return tempfile.TemporaryFile()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """The command and all that it started. Its number stays taken until we have waited for it, so nobody else is hit."""
    os.killpg(process.pid, signal.SIGTERM)
    until = time.monotonic() + GRACE_S
    while time.monotonic() < until:
        if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            break
        time.sleep(_POLL_S)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
