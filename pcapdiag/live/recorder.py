"""The flight recorder: of each dropped session a slice with its packets and the report, in a directory that never overflows.

Files come into being whole: they are written under a name that begins with a dot and then renamed, so a crash leaves no
unreadable one. When there is no room the recorder stops, says so, and tries again with the next session; the watch goes on.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import BinaryIO

from pcapdiag.analysis import Judged
from pcapdiag.capture import records
from pcapdiag.capture.kernelfilter import SNAPLEN
from pcapdiag.capture.live import LiveBatch
from pcapdiag.capture.ngblocks import EPB_FLAGS
from pcapdiag.capture.records import Interface
from pcapdiag.errors import UsageError
from pcapdiag.live.blanking import blanked
from pcapdiag.live.events import Ended, Event
from pcapdiag.live.kept import Frame, Memory
from pcapdiag.live.watch import is_drop
from pcapdiag.model import CaptureInfo
from pcapdiag.report.clean import plain
from pcapdiag.report.clock import Clock
from pcapdiag.report.facts import session_key
from pcapdiag.slices.pcapng import Writer
from pcapdiag.tcp.tracker import LINGER_NS
from pcapdiag.version import __version__

SLICE, REPORT = ".pcapng", ".json"
_OURS = re.compile(r"\d{8}T\d{6}Z_[^/]+_[a-z-]+_[0-9a-f]{16}\.(?:pcapng|json)")
_UNFINISHED = ".pcapdiag-"
LEAST_FREE = 64 << 20
"""Octets that are left to others on the disk."""
SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Of what is kept: the oldest goes when there is more."""

    sessions: int = 1000
    octets: int = 1 << 30
    age_s: float | None = None


class Recorder:
    """Writes into one directory."""

    def __init__(
        self,
        directory: Path,
        ports: frozenset[int] | None,
        tell: Callable[[Ended], str],
        info: Callable[[], CaptureInfo],
        complain: Callable[[str], None],
        *,
        everything: bool = False,
        bodies: bool = False,
        limits: Limits = Limits(),
    ) -> None:
        """`tell` makes the report, `info` is the capture by now. Raises `UsageError` for a directory that cannot be written to."""
        self._directory = directory
        self._tell, self._info, self._complain = tell, info, complain
        self._everything, self._bodies, self._limits = everything, bodies, limits
        self._memory = Memory(ports)
        self._saved: dict[int, tuple[str, Ended]] = {}
        """Those that may have to be written again, by id."""
        self._full = False
        self.count = 0
        try:
            for left in directory.glob(f"{_UNFINISHED}*"):
                left.unlink()
            probe = directory / f"{_UNFINISHED}probe"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise UsageError(
                f"the directory {directory} cannot be written to ({error.strerror}): it must belong to the user that "
                "pcapdiag becomes (--user NAME)"
            ) from error

    def take(self, batch: LiveBatch) -> None:
        """Keep the frames of a batch, before its sessions are judged."""
        self._memory.take(batch)

    def hear(self, event: Event) -> None:
        """Save a session, or forget it."""
        if not isinstance(event, Ended) or not event.final:
            return
        judged = event.judged
        self._late(judged.session.connection.last.time_ns)
        if self._everything or is_drop(judged) or judged.verdict.attention:
            self._save(event)
            self._saved.setdefault(judged.id, ("", event))
        else:
            self._forget(event)

    def _late(self, now_ns: int) -> None:
        """What was saved long ago will not be written again."""
        for number, (_, ended) in list(self._saved.items()):
            if now_ns - ended.judged.session.connection.last.time_ns <= LINGER_NS:
                break
            del self._saved[number]
            self._forget(ended)

    def _forget(self, ended: Ended) -> None:
        connection = ended.judged.session.connection
        self._memory.forget(connection.client, connection.server, connection.last.time_ns)

    def _save(self, ended: Ended) -> None:
        judged, info = ended.judged, self._info()
        connection, verdict = judged.session.connection, judged.verdict
        last_ns = max(connection.last.time_ns, *(at.time_ns for at, _ in connection.icmp), verdict.end.time_ns)
        frames = self._memory.frames(connection.client, connection.server, connection.first, last_ns)
        kept = frames if self._bodies else list(blanked(frames, judged))
        says = f"pcapdiag live on {info.path}: {plain(verdict.summary, [info.path])} ({verdict.rule})"
        name = self._name(ended)
        try:
            self._make_room()
            self._write(name + SLICE, lambda file: _write_slice(file, kept, says, judged, info.dropped_by_capture))
            self._write(name + REPORT, lambda file: file.write(self._tell(ended).encode("ascii")))
        except OSError as error:
            if not self._full:
                self._complain(
                    f"nothing is saved in {self._directory} for now: {error.strerror or error}; the watch goes on"
                )
            self._full = True
            return
        if self._full:
            self._complain(f"there is room again in {self._directory}: sessions are saved")
            self._full = False
        self.count += not ended.again
        before = self._saved.get(judged.id, ("", ended))[0]
        if before and before != name:  # it was final once, at another stage
            for suffix in (SLICE, REPORT):
                (self._directory / (before + suffix)).unlink(missing_ok=True)
        self._saved[judged.id] = (name, ended)

    def _write(self, name: str, write: Callable[[BinaryIO], object]) -> None:
        temporary = self._directory / f"{_UNFINISHED}{name}"
        try:
            with temporary.open("wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(self._directory / name)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def _name(self, ended: Ended) -> str:
        """When it began, who, and where it ended; its key makes it unique."""
        connection = ended.judged.session.connection
        clock = Clock(UTC)
        first_ns = connection.first.time_ns
        when = f"{clock.day(first_ns)}T{clock.time(first_ns)}Z".replace("-", "").replace(":", "")
        ends = (f"{end.address.replace(':', '.')}-{end.port}" for end in (connection.client, connection.server))
        return f"{when}_{'_'.join(ends)}_{ended.judged.verdict.stage.value}_{session_key(connection)}"

    def _make_room(self) -> None:
        """Raises `OSError` when the disk is nearly full; removes our oldest files above the limits."""
        free = os.statvfs(self._directory)
        if free.f_bavail * free.f_frsize < min(LEAST_FREE, free.f_blocks * free.f_frsize // 20):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        ours = sorted(path for path in self._directory.iterdir() if _OURS.fullmatch(path.name))
        sizes = {path: path.stat() for path in ours}
        octets = sum(each.st_size for each in sizes.values())
        newest = max((each.st_mtime for each in sizes.values()), default=0.0)
        count = len({path.stem for path in ours})
        for path in ours:
            old = self._limits.age_s is not None and newest - sizes[path].st_mtime > self._limits.age_s
            if not old and octets <= self._limits.octets and count < self._limits.sessions:
                break
            path.unlink(missing_ok=True)
            octets -= sizes[path].st_size
            count -= path.suffix == SLICE


def _write_slice(file: BinaryIO, frames: list[Frame], says: str, judged: Judged, dropped: int | None) -> None:
    writer = Writer(file, [says], f"pcapdiag {__version__}")
    for frame in frames:
        interface = Interface(0, frame.interface, frame.link, SNAPLEN, SECOND, 0)
        direction = () if frame.outgoing < 0 else ((EPB_FLAGS, 2 if frame.outgoing else 1),)
        writer.packet(
            0,
            records.Frame(
                frame.number, frame.time_ns, interface, frame.time_ns, frame.octets, frame.wirelen, direction, (),
                len(frame.octets), True,
            ),
            frame.octets,
            f"frame {frame.number} of the watch",  # by which the report names it
        )  # fmt: skip
    writer.ended(0, judged.session.connection.until_ns, dropped)
