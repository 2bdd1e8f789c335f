"""The flight recorder: of each session that was dropped or needs attention a slice with its packets and the report.

The frames of all sessions wait in `kept.Memory` until it is known how they end; what is saved goes through `blanking` to
the `shelf`. When there is no room, or too much at once, the recorder says so and leaves sessions out; the watch goes on.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pcapdiag.analysis import Judged
from pcapdiag.capture import records
from pcapdiag.capture.kernelfilter import SNAPLEN
from pcapdiag.capture.live import LiveBatch
from pcapdiag.capture.ngblocks import EPB_FLAGS
from pcapdiag.capture.records import Interface
from pcapdiag.live.blanking import blanked
from pcapdiag.live.events import Ended, Event, Pulse
from pcapdiag.live.kept import Frame, Memory
from pcapdiag.live.shelf import USUAL, Limits, Shelf
from pcapdiag.live.watch import is_drop
from pcapdiag.model import CaptureInfo, Endpoint
from pcapdiag.report.clean import plain
from pcapdiag.report.clock import Clock
from pcapdiag.report.facts import session_key
from pcapdiag.slices.pcapng import Writer
from pcapdiag.tcp.tracker import LINGER_NS
from pcapdiag.version import __version__

SECOND = 1_000_000_000
MOST_A_MINUTE = 300
"""Sessions: each waits for the disk, and the packets wait meanwhile."""


class _Saved(NamedTuple):
    """A session that may have to be saved again."""

    name: str
    """Of its files; empty when it could not be saved."""
    client: Endpoint
    server: Endpoint
    last_ns: int


class Recorder:
    """Keeps what was dropped."""

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
        limits: Limits = USUAL,
    ) -> None:
        """`tell` makes the report, `info` is the capture by now. Raises `UsageError` for a directory that cannot be written to."""
        self._directory = directory
        self._shelf = Shelf(directory, limits)
        self._tell, self._info, self._complain = tell, info, complain
        self._everything, self._bodies = everything, bodies
        self._memory = Memory(ports)
        self._saved: dict[int, _Saved] = {}
        self._times: deque[float] = deque(maxlen=MOST_A_MINUTE)
        self._trouble: str | None = None
        self.count = 0
        """Sessions saved."""

    def take(self, batch: LiveBatch) -> None:
        """Keep the frames of a batch, before its sessions are judged."""
        self._memory.take(batch)

    def hear(self, event: Event) -> None:
        """Save a session, or forget it."""
        if isinstance(event, Pulse):
            with suppress(OSError):
                self._shelf.tidy()
        if not isinstance(event, Ended) or not event.final:
            return
        judged = event.judged
        connection = judged.session.connection
        self._late(connection.last.time_ns)
        before = self._saved.pop(judged.id, None)
        if before is not None or self._everything or is_drop(judged) or judged.verdict.attention:
            name = self._save(event, before.name if before is not None else "")
            self._saved[judged.id] = _Saved(name, connection.client, connection.server, connection.last.time_ns)
        else:
            self._memory.forget(connection.client, connection.server, connection.last.time_ns)

    def _late(self, now_ns: int) -> None:
        """What was saved long ago will not be saved again."""
        while self._saved:
            number, saved = next(iter(self._saved.items()))
            if now_ns - saved.last_ns <= LINGER_NS:
                break
            del self._saved[number]
            self._memory.forget(saved.client, saved.server, saved.last_ns)

    def _save(self, ended: Ended, before: str) -> str:
        """The name under which it was saved; empty when it could not be. `before`: the name of what it takes the place of."""
        now = time.monotonic()
        if len(self._times) == MOST_A_MINUTE and now - self._times[0] < 60:
            self._say(f"more than {MOST_A_MINUTE} sessions a minute: some are not saved")
            return before
        self._times.append(now)
        name, judged = _name(ended), ended.judged
        frames, says = self._frames(judged), self._says(judged)
        dropped = self._info().dropped_by_capture
        try:
            self._shelf.put(
                name, lambda file: _write_slice(file, frames, says, judged, dropped), self._tell(ended).encode("ascii")
            )
        except OSError as error:
            self._say(
                f"nothing is saved in {self._directory} for now: {error.strerror or error}; the watch goes on (make room, or change --save-size)"
            )
            return before
        self._say(None)
        self.count += not before
        if before and before != name:  # it ended at another stage, as it seemed
            self._shelf.remove(before)
        return name

    def _frames(self, judged: Judged) -> list[Frame]:
        connection = judged.session.connection
        last_ns = max(connection.last.time_ns, judged.verdict.end.time_ns, *(at.time_ns for at, _ in connection.icmp))
        frames = self._memory.frames(connection.client, connection.server, connection.first, last_ns)
        return frames if self._bodies else list(blanked(frames, judged))

    def _says(self, judged: Judged) -> str:
        where = self._info().path
        return f"pcapdiag live on {where}: {plain(judged.verdict.summary, [where])} ({judged.verdict.rule})"

    def _say(self, trouble: str | None) -> None:
        """Say what is wrong once, and once when it is over."""
        if trouble is None and self._trouble is not None:
            self._complain(f"sessions are saved in {self._directory} again")
        elif trouble is not None and self._trouble is None:
            self._complain(trouble)
        self._trouble = trouble


def _name(ended: Ended) -> str:
    """When it began, who, and where it ended; its key makes it unique."""
    connection, clock = ended.judged.session.connection, Clock(UTC)
    first_ns = connection.first.time_ns
    when = f"{clock.day(first_ns)}T{clock.time(first_ns)}Z".replace("-", "").replace(":", "")
    ends = (f"{end.address.replace(':', '.')}-{end.port}" for end in (connection.client, connection.server))
    return f"{when}_{'_'.join(ends)}_{ended.judged.verdict.stage.value}_{session_key(connection)}"


def _write_slice(file: BinaryIO, frames: list[Frame], says: str, judged: Judged, dropped: int | None) -> None:
    writer = Writer(file, [says], f"pcapdiag {__version__}")
    for frame in frames:
        interface = Interface(0, frame.interface, frame.link, SNAPLEN, SECOND, 0)
        direction = records.DIRECTIONS.get(frame.outgoing)
        told = () if direction is None else ((EPB_FLAGS, direction),)
        writer.packet(
            0,
            records.Frame(
                frame.number, frame.time_ns, interface, frame.time_ns, frame.octets, frame.wirelen, told, (),
                len(frame.octets), True,
            ),
            frame.octets,
            f"frame {frame.number} of the watch",  # by which the report names it
        )  # fmt: skip
    writer.ended(0, judged.session.connection.until_ns, dropped)
