"""The opening of a connection (RFC 9293 3.5): its SYNs, when it was complete, and how long each leg took."""

from __future__ import annotations

from pcapdiag.model import Moment
from pcapdiag.tcp.connection import Handshake

MAX_SYNS = 50


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
        """Side `index` acknowledged something."""
        if self.complete is None and index == 0 and syn_of_other and (self.synacks or self.server_syn):
            self.complete = at

    @property
    def rtt_ns(self) -> int | None:
        """SYN to SYN+ACK plus SYN+ACK to ACK, when each was sent once."""
        if self.complete is None or len(self.syns) != 1 or len(self.synacks) != 1:
            return None
        return self.complete.time_ns - self.syns[0].time_ns

    def handshake(self, midway: Moment | None) -> Handshake:
        """The final account; `midway` is the first segment of a capture that holds no SYN."""
        once = len(self.syns) == 1 and len(self.synacks) == 1
        return Handshake(
            syns=tuple(self.syns),
            synacks=tuple(self.synacks),
            complete=self.complete or midway,
            rtt_ns=self.rtt_ns,
            server_leg_ns=self.synacks[0].time_ns - self.syns[0].time_ns if once else None,
            client_leg_ns=self.complete.time_ns - self.synacks[0].time_ns
            if self.complete and len(self.synacks) == 1
            else None,
            simultaneous=self.simultaneous,
        )
