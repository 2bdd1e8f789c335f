"""``--via``: tcpdump or dumpcap captures, and writes what it captures into a pipe that our readers read.

For interfaces whose link type our own sockets do not know, and for hosts where these programs have the privilege and Python has
not. The program becomes the same user as we do, with the two capabilities that it needs, so that we can end it.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import re
import shutil
import signal
import struct
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from pcapdiag.capture.formats import reader_for
from pcapdiag.capture.frames import FrameBlock, Window
from pcapdiag.capture.linknames import link_name
from pcapdiag.capture.source import STDIN, Source
from pcapdiag.errors import CaptureError, CaptureProgramFailed, LiveCaptureDenied, UsageError
from pcapdiag.model import Note

DELAY_NS = 250_000_000
"""A packet usually comes out of the pipe sooner. One that does not is none the worse: its time is its own."""
PATIENCE_S = 3.0
ASK_S = 5.0
BLOCK = 1 << 22
WORDS = 20
"""Lines of its standard error that are kept."""

_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS, _PR_CAP_AMBIENT, _AMBIENT_RAISE = 1, 8, 47, 2
_NET_ADMIN, _NET_RAW = 12, 13
_DROPPED = re.compile(r"(\d+) packets? dropped by kernel|received/dropped on interface .*?: \d+/(\d+)")
_DENIED = re.compile(r"permission|not permitted|CAP_NET_RAW", re.IGNORECASE)


class ProgramFeed:
    """What a program captures on some interfaces, as frames."""

    notes: tuple[Note, ...] = ()
    down: tuple[str, ...] = ()

    def __init__(self, program: str, names: Sequence[str], expression: str, person: pwd.struct_passwd | None) -> None:
        """Starts it. Raises `CaptureProgramFailed` or `LiveCaptureDenied`."""
        if program == "tcpdump" and len(names) > 1:
            raise UsageError("tcpdump captures on one interface: use --via dumpcap, or -i any")
        path = shutil.which(program)
        if path is None:
            raise CaptureProgramFailed(
                f"{program} is not installed (Debian: apt install {'wireshark-common' if program == 'dumpcap' else program}); "
                "without --via the packets are captured without it"
            )
        self.format = f"live, {program}"
        self.names = tuple(names)
        self._program = program
        self._said: deque[str] = deque(maxlen=WORDS)
        self._dropped: int | None = None
        self._stopped = threading.Event()
        self._pipe, its = os.pipe()
        os.set_blocking(self._pipe, True)
        try:
            self._process = subprocess.Popen(
                _command(program, path, names, expression),
                stdin=subprocess.DEVNULL,
                stdout=its,
                stderr=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for us: it is told in its turn
                preexec_fn=_privileged(person),  # noqa: PLW1509 - none of our threads has begun
            )
        except (OSError, subprocess.SubprocessError) as error:
            os.close(self._pipe)
            raise CaptureProgramFailed(f"{path} cannot be started: {error}") from error
        finally:
            os.close(its)
        self._links: tuple[int, ...] = ()
        self._listener = threading.Thread(target=self._listen, name="program", daemon=True)

    @property
    def link_types(self) -> tuple[str, ...]:
        return tuple(map(link_name, self._links))

    @property
    def dropped(self) -> int | None:
        """What it said last: tcpdump when asked, every few seconds, dumpcap at its end only."""
        return self._dropped

    def run(self, put: Callable[[FrameBlock], None], clock: Callable[[int], None]) -> None:
        """See `pcapdiag.capture.live.Feed`."""
        self._listener.start()
        threading.Thread(target=self._tick, args=(clock,), name="clock", daemon=True).start()
        reader = None
        try:
            os.dup2(self._pipe, 0)  # who gave root up may use its pipe, but not open it by a name
            reader = reader_for(Window(Source(STDIN), BLOCK), self._program)
            for block in reader.blocks():
                self._links = tuple(reader.facts.links)
                put(block)
        except CaptureError:  # it ended before it wrote anything
            pass
        finally:
            self._end()
        if reader is not None and reader.facts.dropped is not None:
            self._dropped = reader.facts.dropped
        if not self._stopped.is_set():
            raise self._failed()

    def stop(self) -> None:
        """It writes its last words and ends."""
        self._stopped.set()
        with suppress(ProcessLookupError, PermissionError):
            self._process.send_signal(signal.SIGINT)

    def close(self) -> None:
        self._stopped.set()
        self._end()
        with suppress(OSError):
            os.close(self._pipe)

    def _tick(self, clock: Callable[[int], None]) -> None:
        """Move the clock, which the pipe does not; and ask tcpdump what it dropped."""
        asked = time.monotonic()
        while not self._stopped.wait(0.2):
            clock(time.time_ns() - DELAY_NS)
            if self._program == "tcpdump" and time.monotonic() - asked > ASK_S:
                asked = time.monotonic()
                with suppress(ProcessLookupError, PermissionError):
                    self._process.send_signal(signal.SIGUSR1)

    def _listen(self) -> None:
        """Its standard error."""
        assert self._process.stderr is not None
        for octets in self._process.stderr:
            line = octets.decode(errors="replace").strip()
            found = _DROPPED.search(line)
            if found:
                self._dropped = int(found[1] or found[2])
            elif line:
                self._said.append(line)

    def _end(self) -> None:
        for sign in (signal.SIGINT, signal.SIGKILL):
            if self._process.poll() is not None:
                break
            with suppress(PermissionError):
                self._process.send_signal(sign)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(PATIENCE_S)
        if self._listener.is_alive():
            self._listener.join(PATIENCE_S)

    def _failed(self) -> CaptureProgramFailed | LiveCaptureDenied:
        """It ended by itself: what it said about it."""
        words = " / ".join(self._said) or f"without a word, with status {self._process.returncode}"
        if _DENIED.search(words):
            return LiveCaptureDenied(
                f"{self._program} may not capture on {' '.join(self.names)} ({words}): run it with sudo, or let {self._program} "
                f"capture for everybody: sudo setcap cap_net_raw,cap_net_admin+ep $(command -v {self._program})"
            )
        return CaptureProgramFailed(f"{self._program} ended by itself: {words}")


def _command(program: str, path: str, names: Sequence[str], expression: str) -> list[str]:
    if program == "tcpdump":
        return [path, "-n", "-U", "--immediate-mode", "-s", "0", "-B", "32768", "-i", *names, "-w", "-", expression]
    interfaces = [word for name in names for word in ("-i", name, "-f", expression)]
    return [path, "-q", "-B", "32", *interfaces, "-w", "-"]


def _privileged(person: pwd.struct_passwd | None) -> Callable[[], None]:
    """In the new process, before the program: die with us, become that person, and keep what capturing takes."""
    libc = ctypes.CDLL(None, use_errno=True)

    def become() -> None:
        zero = ctypes.c_ulong(0)
        if person is None or person.pw_uid == 0:
            libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGTERM), zero, zero, zero)
            return
        libc.prctl(_PR_SET_KEEPCAPS, ctypes.c_ulong(1), zero, zero, zero)
        os.setgroups([person.pw_gid])
        os.setresgid(person.pw_gid, person.pw_gid, person.pw_gid)
        os.setresuid(person.pw_uid, person.pw_uid, person.pw_uid)
        kept = 1 << _NET_ADMIN | 1 << _NET_RAW
        header = ctypes.create_string_buffer(struct.pack("=Ii", 0x20080522, 0))
        sets = ctypes.create_string_buffer(struct.pack("=6I", kept, kept, kept, 0, 0, 0))
        if libc.capset(header, sets):
            raise OSError(ctypes.get_errno(), "capset")
        for capability in (_NET_ADMIN, _NET_RAW):
            libc.prctl(_PR_CAP_AMBIENT, ctypes.c_ulong(_AMBIENT_RAISE), ctypes.c_ulong(capability), zero, zero)
        # Last: who becomes somebody else forgets it.
        libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGTERM), zero, zero, zero)

    return become
