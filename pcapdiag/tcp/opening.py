"""The opening of a connection (RFC 9293 3.5): its SYNs, when it was complete, and how long each leg took."""

from __future__ import annotations

from pcapdiag.making import maker
from pcapdiag.model import Moment
from pcapdiag.tcp.connection import Handshake

MAX_SYNS = 50
COPY_NS = 500_000_000
"""A SYN that is not answered is sent again after a second (RFC 6298 section 2, 2.1): sooner, it was captured twice."""

_handshake = maker(Handshake)


class Opening:
    """SYNs and SYN+ACKs so far. Sides are indexes: 0 the client, 1 the server."""

    __slots__ = ("complete", "counts", "server_syn", "simultaneous", "synacks", "syns")

    def __init__(self) -> None:
        self.syns: list[Moment] = []
        self.synacks: list[Moment] = []
        self.counts = [0, 0]
        self.complete: Moment | None = None
        self.simultaneous = False
        self.server_syn: Moment | None = None
        """A SYN of the server without ACK: simultaneous open, or split handshake."""

    def syn(self, index: int, acks: bool, at: Moment) -> None:
        """A SYN of side `index`; `acks` when it acknowledges the other's."""
        self.counts[index] += 1
        if index == 0 and not acks:
            if len(self.syns) < MAX_SYNS:
                self.syns.append(at)
        elif index == 1 and acks:
            if len(self.synacks) < MAX_SYNS:
                self.synacks.append(at)
        elif index == 1:
            self.server_syn = self.server_syn or at
            self.simultaneous = True

    def repeated(self, index: int) -> bool:
        """The SYN just noted was not the first of its side."""
        return self.counts[index] > (2 if self.simultaneous else 1)

    def acknowledges(self, index: int, at: Moment, syn_of_other: bool) -> None:
        """Side `index` acknowledged something. A client that acknowledges has had a SYN+ACK, captured or not."""
        if self.complete is not None or index != 0:
            return
        if (syn_of_other and (self.synacks or self.server_syn)) or (self.syns and not self.synacks):
            self.complete = at

    @property
    def rtt_ns(self) -> int | None:
        """SYN to SYN+ACK plus SYN+ACK to ACK, when each was sent once."""
        if self.complete is None or not _sent_once(self.syns) or not _sent_once(self.synacks):
            return None
        return _passed(self.syns[0], self.complete)

    def handshake(self, midway: Moment | None) -> Handshake:
        """The final account; `midway` is the first segment of a capture that holds no SYN."""
        syns, synacks, complete = self.syns, self.synacks, self.complete
        answered = _sent_once(synacks)
        return _handshake((
            tuple(syns),
            tuple(synacks),
            complete or midway,
            self.rtt_ns,
            _passed(syns[0], synacks[0]) if answered and _sent_once(syns) else None,
            _passed(synacks[0], complete) if answered and complete is not None else None,
            self.simultaneous,
        ))  # fmt: skip


def _sent_once(moments: list[Moment]) -> bool:
    """There is one, and what repeats it are copies."""
    return len(moments) == 1 or (len(moments) > 1 and moments[-1].time_ns - moments[0].time_ns < COPY_NS)


def _passed(earlier: Moment, later: Moment) -> int | None:
    """Nanoseconds between the two; None where the capture's clock went back in between."""
    passed = later.time_ns - earlier.time_ns
    return passed if passed >= 0 else None
