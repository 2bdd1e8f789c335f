"""A directory of files that come in pairs, which never overflows and holds no half file.

Files are written under a name that begins with a dot, flushed to the disk and then renamed, so a crash leaves no unreadable one. The
oldest pairs go when there are too many, and only those whose names are ours.
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pcapdiag.errors import UsageError

SLICE, REPORT = ".pcapng", ".json"
LEAST_FREE = 64 << 20
"""Octets that are left to others on the disk, or a twentieth of a small one."""
_OURS = re.compile(r"(\d{8}T\d{6}Z_[^/]+_[a-z-]+_[0-9a-f]{16})\.(?:pcapng|json)")
_UNFINISHED = ".pcapdiag-"


@dataclass(frozen=True, slots=True)
class Limits:
    """Of what is kept: the oldest goes when there is more."""

    sessions: int = 1000
    octets: int = 1 << 30
    age_s: float | None = None


USUAL = Limits()


class Shelf:
    """The directory."""

    def __init__(self, directory: Path, limits: Limits) -> None:
        """Raises `UsageError` when it cannot be written to."""
        self._directory, self._limits = directory, limits
        self._pairs: dict[str, tuple[int, float]] = {}
        """Octets of each pair and when it was written; the oldest first, as the names are."""
        try:
            for left in directory.glob(f"{_UNFINISHED}*"):
                left.unlink()
            probe = directory / f"{_UNFINISHED}probe"
            probe.write_bytes(b"")
            probe.unlink()
            self._look()
        except OSError as error:
            raise UsageError(
                f"the directory {directory} cannot be written to ({error.strerror}): it must belong to the user that "
                "pcapdiag becomes (--user NAME)"
            ) from error
        self._octets = sum(octets for octets, _ in self._pairs.values())

    def _look(self) -> None:
        for path in sorted(self._directory.iterdir()):
            found = _OURS.fullmatch(path.name)
            if found:
                octets, _ = self._pairs.get(found[1], (0, 0.0))
                self._pairs[found[1]] = octets + path.stat().st_size, path.stat().st_mtime

    def put(self, name: str, write: Callable[[BinaryIO], object], report: bytes) -> None:
        """Write a pair. Raises `OSError`; then there is nothing of it."""
        self._make_room()
        self.remove(name)
        octets = self._write(name + SLICE, write)
        try:
            octets += self._write(name + REPORT, lambda file: file.write(report))
        except OSError:
            (self._directory / (name + SLICE)).unlink(missing_ok=True)
            raise
        self._pairs[name] = octets, time.time()
        self._octets += octets
        if octets > self._limits.octets:
            self.remove(name)
            raise OSError(errno.EFBIG, f"a session's files have {octets:,} octets, more than --save-size allows")
        self.tidy()

    def tidy(self) -> None:
        """Nothing too old stays, nor more than may be."""
        self._remove_while(lambda written: self._octets > self._limits.octets or self._is_old(written))

    def remove(self, name: str) -> None:
        """Remove a pair, if it is there."""
        octets, _ = self._pairs.pop(name, (0, 0.0))
        self._octets -= octets
        for suffix in (SLICE, REPORT):
            (self._directory / (name + suffix)).unlink(missing_ok=True)

    def _write(self, name: str, write: Callable[[BinaryIO], object]) -> int:
        temporary = self._directory / f"{_UNFINISHED}{name}"
        try:
            with temporary.open("wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
                octets = file.tell()
            temporary.rename(self._directory / name)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return octets

    def _make_room(self) -> None:
        """For one more pair. Raises `OSError` when the disk is nearly full of what is not ours."""
        self._remove_while(lambda written: len(self._pairs) >= self._limits.sessions)
        disk = os.statvfs(self._directory)
        if disk.f_bavail * disk.f_frsize < min(LEAST_FREE, disk.f_blocks * disk.f_frsize // 20):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _is_old(self, written: float) -> bool:
        return self._limits.age_s is not None and time.time() - written > self._limits.age_s

    def _remove_while(self, too_much: Callable[[float], bool]) -> None:
        """The oldest pairs; `too_much` is asked with when the oldest was written."""
        while self._pairs:
            name, (_, written) = next(iter(self._pairs.items()))
            if not too_much(written):
                break
            self.remove(name)
