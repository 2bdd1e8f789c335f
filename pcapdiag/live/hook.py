"""``--on-drop``: a command of the user's that gets each dropped session as JSON on its standard input.

The command is started as it is, without a shell, and nothing from the wire stands on its command line or in its environment. A
thread of its own runs one at a time, so that a slow one holds up nobody; too many are left out, and that is said.
"""

from __future__ import annotations

import os
import queue
import shlex
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from pcapdiag.errors import UsageError
from pcapdiag.live.events import Ended, Event
from pcapdiag.live.watch import is_drop

MOST_A_MINUTE = 30
MOST_WAITING = 100
TIMEOUT_S = 30.0


class Hook:
    """Runs the command."""

    def __init__(
        self, command: str, tell: Callable[[Ended], str], complain: Callable[[str], None], *, early: bool = False
    ) -> None:
        """Raises `UsageError` for a command that is none."""
        try:
            self._words = shlex.split(command)
        except ValueError as error:
            raise UsageError(f"--on-drop {command!r} cannot be split into words: {error}") from error
        if not self._words:
            raise UsageError("--on-drop is empty: name a command")
        self._tell, self._complain, self._early = tell, complain, early
        self._waiting: queue.Queue[str | None] = queue.Queue(MOST_WAITING)
        self._accepted: deque[float] = deque(maxlen=MOST_A_MINUTE)
        self.left_out = 0
        self._thread = threading.Thread(target=self._work, name="on-drop", daemon=True)
        self._thread.start()

    def hear(self, event: Event) -> None:
        """A dropped session has its command started, unless there were too many."""
        if not isinstance(event, Ended) or event.final is self._early or event.again or not is_drop(event.judged):
            return
        now = time.monotonic()
        if len(self._accepted) == MOST_A_MINUTE and now - self._accepted[0] < 60:
            self._leave_out()
            return
        self._accepted.append(now)
        try:
            self._waiting.put_nowait(self._tell(event))
        except queue.Full:
            self._leave_out()

    def close(self) -> None:
        """Wait for those that were begun, and end the one that takes too long."""
        with suppress(queue.Full):
            self._waiting.put(None, timeout=TIMEOUT_S)
        self._thread.join(2 * TIMEOUT_S)
        if self.left_out:
            self._complain(f"--on-drop was not run for {self.left_out} dropped sessions: there were too many at once")

    def _leave_out(self) -> None:
        if not self.left_out:
            self._complain(
                f"--on-drop is run {MOST_A_MINUTE} times a minute at most: some dropped sessions are left out"
            )
        self.left_out += 1

    def _work(self) -> None:
        while (text := self._waiting.get()) is not None:
            try:
                self._run(text)
            except OSError as error:
                self._complain(f"--on-drop: {self._words[0]} cannot be started: {error.strerror or error}")

    def _run(self, text: str) -> None:
        process = subprocess.Popen(self._words, stdin=subprocess.PIPE, stdout=2, start_new_session=True)
        try:
            process.communicate(text.encode(), timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._complain(f"--on-drop: {self._words[0]} took more than {TIMEOUT_S:.0f} s and was ended")
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        if process.returncode > 0:
            self._complain(f"--on-drop: {self._words[0]} ended with status {process.returncode}")
