"""Where octets come from: a file, standard input, and what decompresses them. Out comes one stream of octets.

It knows nothing of captures. Everything is bounded: a pipe holds at most `QUEUED` pieces, a decompressor gives at most
the octets asked for, and an input that swells beyond any capture's nature is stopped (see `Swelling`).
"""

from __future__ import annotations

import os
import queue
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from pcapdiag.capture.inflate import Inflater, inflater_for
from pcapdiag.errors import CaptureError

STDIN = "-"
WAIT_S = 0.25
"""A batch from a pipe closes after so long, however little has come."""
GRACE_S = 1.0
"""After Ctrl-C the writer (which got it too) has so long to say its last words."""
QUEUED = 16
PIECE = 1 << 20
INPUT = 1 << 18
SNIFF = 8


class Raw(Protocol):
    """Octets as they stand in the file or come down the pipe."""

    done: int
    total: int | None

    def readinto(self, view: memoryview) -> int | None:
        """How many octets were put into `view`; 0 at the end; None when a pipe had nothing to give for a moment."""

    def close(self) -> None: ...


class _File:
    """A regular file."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115  (closed by close)
        self.done = 0
        self.total: int | None = os.fstat(self._file.fileno()).st_size

    def readinto(self, view: memoryview) -> int:
        count = self._file.readinto(view) or 0
        self.done += count
        return count

    def close(self) -> None:
        self._file.close()


class _Pipe:
    """Standard input or a named pipe, read by a thread: `select` on a pipe does not exist everywhere, a queue does.

    The first Ctrl-C is the end of the input, not of the program; the second one is.
    """

    total: int | None = None

    def __init__(self, read: Callable[[int], bytes], close: Callable[[], None] | None = None) -> None:
        self.done = 0
        self._read, self._close = read, close
        self._pieces: queue.Queue[bytes | Exception] = queue.Queue(QUEUED)
        self._rest = memoryview(b"")
        self._ended = False
        self._deadline: float | None = None
        self._previous: Any = None
        self._closed = threading.Event()
        threading.Thread(target=self._pump, daemon=True, name="pipe").start()
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._interrupt)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self._deadline = time.monotonic() + GRACE_S
        self._restore()

    def _restore(self) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
            self._previous = None

    def _pump(self) -> None:
        piece: bytes | Exception = b"-"
        while piece and not isinstance(piece, Exception) and not self._closed.is_set():
            try:
                piece = self._read(PIECE)
            except (OSError, ValueError) as error:
                piece = error
            while not self._closed.is_set():
                try:
                    self._pieces.put(piece, timeout=1)
                    break
                except queue.Full:
                    continue
        if self._close is not None:
            self._close()

    def readinto(self, view: memoryview) -> int | None:
        if not self._rest:
            if self._ended or (self._deadline is not None and time.monotonic() >= self._deadline):
                return 0
            try:
                piece = self._pieces.get(timeout=WAIT_S)
            except queue.Empty:
                return None
            except KeyboardInterrupt:
                self._ended = True
                return 0
            if isinstance(piece, Exception) or not piece:
                self._ended = True
                if isinstance(piece, OSError):
                    raise piece
                return 0
            self._rest = memoryview(piece)
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        self.done += count
        return count

    def close(self) -> None:
        self._closed.set()
        self._restore()


class Source:
    """One input as a stream of octets, decompressed by its content."""

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self._raw = _raw(path)
        except (OSError, ValueError) as error:
            raise CaptureError(path, f"cannot be opened: {getattr(error, 'strerror', None) or error}") from error
        self.live = isinstance(self._raw, _Pipe)
        """True for a pipe: it cannot be read twice, and its octets come when they come."""
        self.ended = False
        self.damage: str | None = None
        """Why the end is not the proper end: a compressed stream that is broken or cut, a read error."""
        try:
            self._head = self._sniff()
            self._inflater: Inflater | None = inflater_for(self._head, self._raw_read)
        except BaseException:
            self._raw.close()
            raise
        if self._inflater is not None:
            self._swelling = Swelling(self)

    @property
    def compression(self) -> str | None:
        return self._inflater.name if self._inflater is not None else None

    @property
    def done(self) -> int:
        """Octets of the input (as stored) that were read."""
        return self._raw.done

    @property
    def total(self) -> int | None:
        """Octets of the input as stored; None for a pipe."""
        return self._raw.total

    @property
    def left(self) -> int | None:
        """Octets that are still to come; None when only the end will tell."""
        if self.total is None or self._inflater is not None:
            return None
        return self.total - self.done + len(self._head)

    def fill(self, view: memoryview) -> int:
        """Fill `view` as far as possible. Less comes at the end (`ended`), and from a pipe after `WAIT_S`."""
        filled = 0
        deadline = time.monotonic() + WAIT_S
        while filled < len(view) and not self.ended:
            count = self._some(view[filled:])
            if count == 0:
                self.ended = True
            filled += count or 0
            if self.live and filled + (count is None) > 0 and time.monotonic() >= deadline:
                break
        return filled

    def close(self) -> None:
        self._raw.close()

    def _some(self, view: memoryview) -> int | None:
        try:
            if self._inflater is None:
                return self._plain(view)
            count = self._inflater.readinto(view)
        except OSError as error:
            self.damage = f"reading failed after {self.done} octets: {error.strerror or error}"
            return 0
        self.damage = self._inflater.damage or self._swelling.grown(count)
        return 0 if self._swelling.stopped else count

    def _plain(self, view: memoryview) -> int | None:
        if self._head:
            count = min(len(view), len(self._head))
            view[:count] = self._head[:count]
            self._head = self._head[count:]
            return count
        return self._raw.readinto(view)

    def _sniff(self) -> bytes:
        head = bytearray(SNIFF)
        have = 0
        while have < SNIFF:
            try:
                count = self._raw.readinto(memoryview(head)[have:])
            except OSError as error:
                raise CaptureError(self.path, f"cannot be read: {error.strerror or error}") from error
            if count == 0:
                break
            have += count or 0
        return bytes(head[:have])

    def _raw_read(self, limit: int) -> bytes:
        """Compressed octets for the inflater, b"" at the end."""
        if self._head:
            head, self._head = self._head, b""
            return head
        buffer = bytearray(min(limit, INPUT))
        while (count := self._raw.readinto(memoryview(buffer))) is None:
            pass
        return bytes(buffer[:count])


class Swelling:
    """Stops a compressed input that is no capture but a bomb.

    Captures compress three- to fifty-fold. DEFLATE's limit is 1032 (zlib's technical notes), and only constant octets
    come near it.
    """

    HARMLESS = 1 << 30
    RATIO = 200

    def __init__(self, source: Source) -> None:
        self._source = source
        self._given = 0
        self.stopped = False

    def grown(self, count: int) -> str | None:
        self._given += count
        if self._given > self.HARMLESS and self._given > self.RATIO * self._source.done:
            self.stopped = True
            return f"{self._source.done} compressed octets became {self._given} and more: not read further"
        return None


def _raw(path: str) -> Raw:
    if path != STDIN:
        if stat.S_ISREG(os.stat(path).st_mode):
            return _File(path)
        descriptor = os.open(path, os.O_RDONLY)
        return _Pipe(partial(os.read, descriptor), partial(os.close, descriptor))
    if sys.stdin is None or sys.stdin.isatty():
        raise ValueError(
            "standard input is a terminal or closed; pipe a capture into it: tcpdump -w - | pcapdiag analyze -"
        )
    try:
        return _Pipe(partial(os.read, sys.stdin.fileno()))
    except (OSError, ValueError):  # replaced by a program that calls us: it then has no descriptor
        return _Pipe(getattr(sys.stdin.buffer, "read1", sys.stdin.buffer.read))


def files_in(directory: str) -> list[str]:
    """All regular files below it, by name."""
    return sorted(str(entry) for entry in Path(directory).rglob("*") if entry.is_file())
