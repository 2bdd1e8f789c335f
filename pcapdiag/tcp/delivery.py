"""The octets of both sides handed to the observer in an order that respects acknowledgements.

A segment that acknowledges N octets of the other side was written by a host that had them, so they are handed out first,
also where the capture holds the frames in another order. Octets that are acknowledged and do not come are given up
after a grace of capture time or packets: the capture missed them (a gap). Octets that nobody acknowledged are waited for
as long as the connection is open: the path lost them, and they may be sent again.
"""

from __future__ import annotations

from pcapdiag.model import Moment
from pcapdiag.tcp.connection import GapReason, StreamObserver
from pcapdiag.tcp.flow import SIDES, Flow
from pcapdiag.tcp.reassembly import Piece

GRACE_NS = 1_000_000_000
GRACE_PACKETS = 64
MAX_WAITING = 1 << 20
"""Octets that may wait in one connection; then what is missing before them is given up."""
MAX_PIECES = 4096


class Delivery:
    """Hands out the pieces of two flows."""

    __slots__ = ("flows", "observer", "stuck_packets", "stuck_since")

    def __init__(self, flows: tuple[Flow, Flow], observer: StreamObserver) -> None:
        self.flows = flows
        self.observer = observer
        self.stuck_since: int | None = None
        """Since when acknowledged octets are being waited for."""
        self.stuck_packets = 0

    @property
    def waiting(self) -> int:
        """Captured octets that wait."""
        return self.flows[0].reassembly.octets + self.flows[1].reassembly.octets

    def run(self, now_ns: int) -> None:
        """Hand out what can be handed out; give up after too many packets."""
        while self._advance(0) or self._advance(1):
            pass
        if not self.flows[0].reassembly.pieces and not self.flows[1].reassembly.pieces:
            self.stuck_since = None
            return
        if self.waiting > MAX_WAITING or any(len(flow.reassembly.pieces) > MAX_PIECES for flow in self.flows):
            self.spill(MAX_WAITING // 2 if self.waiting > MAX_WAITING else 0)
        flows = self.flows
        if not (flows[0].reassembly.pieces or flows[1].reassembly.pieces) or not self._stuck():
            self.stuck_since = None
            return
        if self.stuck_since is None:
            self.stuck_since, self.stuck_packets = now_ns, 0
        self.stuck_packets += 1
        if self.stuck_packets > GRACE_PACKETS:
            self.give_up()

    def spill(self, allowed: int = MAX_WAITING) -> None:
        """Give up what is missing before the earliest octets until no more than `allowed` of them wait."""
        while (heads := self._heads()) and self.waiting > allowed:
            self._force(*min(heads, key=lambda head: head[0].at))

    def overdue(self, now_ns: int) -> bool:
        """Give up what was waited for too long. True when something is still being waited for."""
        if self.stuck_since is not None and now_ns - self.stuck_since > GRACE_NS:
            self.give_up()
        return self.stuck_since is not None

    def give_up(self) -> None:
        """Declare what is acknowledged and missing a gap, then go on."""
        while (piece := self._stuck()) is not None:
            self._force(*piece)
        self.stuck_since = None

    def finish(self, at: Moment) -> None:
        """The connection is over: nothing more will come."""
        if self.flows[0].reassembly.pieces or self.flows[1].reassembly.pieces:
            self.spill(-1)
        for flow in self.flows:
            if flow.acked > flow.reassembly.next:
                self._missing(flow, self._end(flow), at)

    def _heads(self) -> list[tuple[Piece, int]]:
        return [(flow.reassembly.pieces[0], flow.index) for flow in self.flows if flow.reassembly.pieces]

    def _advance(self, index: int) -> bool:
        flow, other = self.flows[index], self.flows[1 - index]
        reassembly, moved = flow.reassembly, False
        while reassembly.pieces:
            piece = reassembly.pieces[0]
            if piece.offset != reassembly.next:
                break
            if piece.needs > other.reassembly.next < self._end(other):  # it answers to octets that are still to come
                break
            self._hand_out(flow)
            moved = True
        return moved

    def _hand_out(self, flow: Flow) -> None:
        piece = flow.reassembly.pop()
        side = SIDES[flow.index]
        if piece.octets:
            self.observer.data(side, piece.offset, piece.octets, piece.at)
        captured = piece.offset + len(piece.octets)
        if captured < piece.end:
            flow.cut += piece.end - captured
            self.observer.gap(side, captured, piece.end - captured, GapReason.SNAPLEN, piece.at)

    def _stuck(self) -> tuple[Piece, int] | None:
        """The earliest piece that waits for octets which were acknowledged."""
        stuck = [
            (flow.reassembly.pieces[0], flow.index)
            for flow in self.flows
            if flow.reassembly.pieces
            and (
                flow.reassembly.pieces[0].offset == flow.reassembly.next
                or min(flow.acked, self._end(flow)) > flow.reassembly.next
            )
        ]
        return min(stuck, key=lambda head: head[0].at) if stuck else None

    def _force(self, piece: Piece, index: int) -> None:
        """Make way for this piece: what it acknowledges and what stands before it is given up where it is missing."""
        flow, other = self.flows[index], self.flows[1 - index]
        needed = min(piece.needs, self._end(other))
        while other.reassembly.next < needed:
            if other.reassembly.pieces and other.reassembly.pieces[0].offset < needed:
                self._skip_to(other, other.reassembly.pieces[0].offset, piece.at)
                self._hand_out(other)
            else:
                self._missing(other, needed, piece.at)
        self._skip_to(flow, piece.offset, piece.at)
        self._hand_out(flow)
        self._advance(index)

    def _skip_to(self, flow: Flow, offset: int, at: Moment) -> None:
        """Give up the hole before `offset`: the acknowledged part was missed by the capture, the rest lost on the path."""
        self._missing(flow, min(offset, flow.acked), at)
        start = flow.reassembly.next
        if start < offset:
            flow.reassembly.skip(offset)
            self.observer.gap(SIDES[flow.index], start, offset - start, GapReason.PATH, at)

    def _missing(self, flow: Flow, end: int, at: Moment) -> None:
        """Octets up to `end` were acknowledged and not captured."""
        start = flow.reassembly.next
        if start < end:
            flow.reassembly.skip(end)
            flow.missing += end - start
            self.observer.gap(SIDES[flow.index], start, end - start, GapReason.CAPTURE, at)

    @staticmethod
    def _end(flow: Flow) -> int:
        """How far octets of a flow can be expected: acknowledged, the FIN not counted.

        A single acknowledged octet that no frame brought, at the very end, is taken for a FIN that was not captured.
        """
        if flow.fin is not None:
            return flow.acked if flow.acked < flow.fin else flow.fin
        return flow.acked - 1 if flow.acked == max(flow.top, flow.reassembly.next) + 1 else flow.acked
