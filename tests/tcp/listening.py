"""An observer that writes down what it hears, and a tracker run over frames."""

from __future__ import annotations

from collections.abc import Iterable

from pcapdiag.capture.table import PacketTable
from pcapdiag.model import Endpoint, Moment, Side
from pcapdiag.tcp.connection import Connection, GapReason, Marks
from pcapdiag.tcp.tracker import Tracker
from tests.tcp.conversation import Frame, table

PORTS = frozenset({25, 465, 587, 2525})


class Listener:
    """Checks the contract of `StreamObserver` as it listens."""

    def __init__(self, client: Endpoint, server: Endpoint) -> None:
        self.client, self.server = client, server
        self.heard: list[tuple[Side, int, bytes | str]] = []
        """Side, offset, and the octets or the reason of a gap, in the order of delivery."""
        self.streams = {Side.CLIENT: b"", Side.SERVER: b""}
        """With a NUL for each missing octet."""
        self.frames: list[tuple[Side, int, int]] = []
        """Side, offset and frame of every mark."""

    def data(self, side: Side, offset: int, octets: bytes, frames: Moment | Marks) -> None:
        assert isinstance(octets, bytes)
        assert octets
        assert offset == len(self.streams[side])
        if isinstance(frames, Moment):
            self.frames.append((side, offset, frames.frame))
        else:
            assert len(frames.offsets) == len(frames.times_ns) == len(frames.frames) > 1
            assert frames.offsets[0] == offset
            assert list(frames.offsets) == sorted(frames.offsets)
            self.frames += [(side, at, frame) for at, frame in zip(frames.offsets, frames.frames, strict=True)]
        self.heard.append((side, offset, octets))
        self.streams[side] += octets

    def gap(self, side: Side, offset: int, length: int, reason: GapReason, at: Moment) -> None:
        assert offset == len(self.streams[side])
        assert length > 0
        self.heard.append((side, offset, reason.value))
        self.streams[side] += bytes(min(length, 1 << 20))


def follow(
    batches: Iterable[list[Frame] | PacketTable],
    *,
    ports: frozenset[int] | None = PORTS,
    fast: bool = True,
    **settings: int,
) -> list[tuple[Connection, Listener]]:
    """The finished connections of some batches, by serial."""
    finished: list[tuple[Connection, Listener]] = []
    tracker = Tracker(Listener, lambda *ended: finished.append(ended), ports=ports, _fast=fast, **settings)
    for batch in batches:
        tracker.feed(batch if isinstance(batch, PacketTable) else table(batch))
    tracker.finish()
    return sorted(finished, key=lambda ended: ended[0].serial)


def only(frames: list[Frame], **settings: bool) -> tuple[Connection, Listener]:
    """The one connection that the frames hold."""
    ((connection, listener),) = follow([frames], **settings)
    return connection, listener
