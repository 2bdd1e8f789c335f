"""`Conversation`: one connection while it is open, walked segment by segment.

Each packet goes through the same steps: is it a copy, where does it stand in its side's stream, may its receiver accept it,
what does it bring that is new, what does it acknowledge, and does it open, close or reset the connection. What is odd
about a segment is decided in `analysis`; runs of ordinary segments take the short way of `orderly`.
"""

from __future__ import annotations

from pcapdiag.capture.table import ACK, FIN, RST, SYN, IcmpError
from pcapdiag.making import maker
from pcapdiag.model import Endpoint, Moment
from pcapdiag.tcp import analysis
from pcapdiag.tcp.closing import Ledger
from pcapdiag.tcp.connection import Connection, StreamObserver
from pcapdiag.tcp.copies import Copies
from pcapdiag.tcp.delivery import Delivery
from pcapdiag.tcp.flow import SIDES, Flow
from pcapdiag.tcp.opening import Opening
from pcapdiag.tcp.options import options_of, sack_blocks, syn_options
from pcapdiag.tcp.packet import Packet
from pcapdiag.tcp.reassembly import Piece
from pcapdiag.tcp.sample import Raw, Sample
from pcapdiag.tcp.seq import MASK, offset_near

MAX_ICMP = 50
_FAR = 1 << 30
"""An acknowledgement this far beyond everything that was sent is not believed."""


_moment = maker(Moment)
_raw = maker(Raw)
_piece = maker(Piece)


class Conversation:
    """An open connection."""

    __slots__ = (
        "copies",
        "delivery",
        "ends",
        "first",
        "flows",
        "icmp",
        "last",
        "ledger",
        "opening",
        "sample",
        "sides_seen",
    )

    def __init__(
        self, client: Endpoint, server: Endpoint, observer: StreamObserver, sides_seen: bool, first: Moment
    ) -> None:
        self.ends = (client, server)
        self.sides_seen = sides_seen
        self.first = self.last = first
        self.flows = (Flow(0), Flow(1))
        self.delivery = Delivery(self.flows, observer)
        self.ledger = Ledger()
        self.opening = Opening()
        self.copies = Copies()
        self.sample = Sample()
        self.icmp: list[tuple[Moment, IcmpError]] = []

    # --- Its life ---------------------------------------------------------------------------------------------------

    @property
    def orderly(self) -> bool:
        """Closed both ways, and both FINs acknowledged."""
        client, server = self.flows
        return (
            client.fin is not None
            and server.fin is not None
            and client.acked > client.fin
            and server.acked > server.fin
            and not self.ledger.notes
        )

    @property
    def over(self) -> bool:
        """Somebody has closed or reset it, as far as known."""
        return self.flows[0].fin is not None or self.flows[1].fin is not None or self.ledger.reset

    @property
    def watched(self) -> bool:
        """The clock decides about it: it may be over, or octets wait."""
        client, server = self.flows
        return bool(
            client.reassembly.pieces
            or server.reassembly.pieces
            or client.fin is not None
            or server.fin is not None
            or self.ledger.notes
        )

    def is_new(self, packet: Packet, index: int) -> bool:
        """True when this SYN begins another connection between the same ends."""
        flow = self.flows[index]
        if flow.base is None or ((packet.seq + 1) & MASK) == flow.base:
            return False
        if flow.isn is None and packet.time_ns <= self.first.time_ns:
            return False  # the capture holds the first frames in another order
        established = self.flows[0].top > 0 or self.flows[1].top > 0 or self.opening.complete is not None
        return self.over or established

    def take(self, packet: Packet, index: int, octets: bytes | memoryview) -> None:
        """Take in the next packet of side `index`."""
        flow, other = self.flows[index], self.flows[1 - index]
        copies = self.copies
        if copies.is_copy(packet, index, copies.ran is not None and flow.brings_news(packet, other)):
            flow.copies += 1
            if self.ledger.notes:
                self.ledger.copied(packet, index)
            return
        if self.delivery.stuck_since is not None:
            self.delivery.overdue(packet.time_ns)
        at = _moment(packet[:3])  # time_ns, capture, frame
        self.last = at if at > self.last else self.last
        flow.packets += 1
        if flow.first is None:
            flow.first = at
        flow.last = at
        if packet.flags & RST:
            self._reset(packet, at, flow, other)
            return
        ttl = packet.ttl
        flow.ttls[ttl] = flow.ttls.get(ttl, 0) + 1
        if packet.ip_id == 0:
            flow.ip_id_zero += 1
        if packet.flags & SYN:
            self._syn(packet, at, flow, octets)
        self._segment(packet, at, flow, other, octets)
        if flow.reassembly.pieces or other.reassembly.pieces:
            self.delivery.run(packet.time_ns)

    # --- Segments ---------------------------------------------------------------------------------------------------

    def _syn(self, packet: Packet, at: Moment, flow: Flow, octets: bytes | memoryview) -> None:
        if flow.isn != packet.seq:
            if flow.base is None or (flow.isn is not None and flow.top == 0):
                flow.number_from(packet.seq + 1)
            flow.isn = packet.seq
        self.opening.syn(flow.index, bool(packet.flags & ACK), at)
        self.ledger.letter("H" if packet.flags & ACK else "S", flow.index)
        self.offered(flow, octets, packet.tcp_at, packet.payload_at)

    def offered(self, flow: Flow, octets: bytes | memoryview, tcp_at: int, payload_at: int) -> None:
        """Note the options of a SYN whose header and payload stand there."""
        other = self.flows[1 - flow.index]
        flow.offers = flow.offers or syn_options(options_of(octets, tcp_at, payload_at))
        if other.offers:
            # RFC 7323 2.2: "Both sides MUST send Window Scale options in their <SYN> segments to enable window scaling".
            scaled = flow.offers.window_scale is not None and other.offers.window_scale is not None
            flow.scale = (flow.offers.window_scale or 0) if scaled else 0
            other.scale = (other.offers.window_scale or 0) if scaled else 0

    def _segment(self, packet: Packet, at: Moment, flow: Flow, other: Flow, octets: bytes | memoryview) -> None:
        """A segment without RST."""
        if flow.base is None:
            flow.number_from(packet.seq)
        assert flow.base is not None
        offset = offset_near(packet.seq, flow.base, flow.top)
        ack = self._ack_offset(packet, other)
        odd, new = analysis.REFUSED, 0
        if not analysis.refused(packet, flow, other, offset):
            odd, new = self._accept(packet, at, flow, other, octets, offset, ack)
        elif packet.flags & FIN:
            self.ledger.fin(flow, packet, at, offset + packet.length, ack, accepted=False)
        if self.ledger.notes:
            self.ledger.life(packet, at, flow.index, ack, self.opening.rtt_ns)
        self._keep(packet, at, flow.index, offset, ack, new, odd, octets)

    @staticmethod
    def _ack_offset(packet: Packet, other: Flow) -> int | None:
        if not packet.flags & ACK:
            return None
        if other.base is None:
            other.number_from(packet.ack)
        assert other.base is not None
        return offset_near(packet.ack, other.base, other.top if other.top > other.acked else other.acked)

    def _known_ack(self, packet: Packet, other: Flow) -> int | None:
        """What a reset acknowledges; it is no reason to begin counting."""
        return self._ack_offset(packet, other) if other.base is not None else None

    def _accept(
        self,
        packet: Packet,
        at: Moment,
        flow: Flow,
        other: Flow,
        octets: bytes | memoryview,
        offset: int,
        ack: int | None,
    ) -> tuple[int, int]:
        """A segment that its receiver can have accepted: what is odd about it, and how many octets are new."""
        flags, odd, new, news = packet.flags, analysis.NONE, 0, False
        if flags & SYN:
            offset += 1  # RFC 9293 3.4: the SYN stands before the first octet
            news = not self.opening.repeated(flow.index)
            odd = analysis.NONE if news else analysis.RETRANSMISSION
        if packet.length:
            new, odd = self._data(packet, at, flow, other, octets, offset, ack)
            self.ledger.letter("D", flow.index)
        elif not flags & (SYN | FIN):
            odd = analysis.empty(packet, flow, other, offset, ack)
            self.ledger.letter("A", flow.index)
        if flags & FIN and not odd & analysis.REFUSED:
            first = self._fin(packet, at, flow, offset + packet.length, ack)
            odd |= analysis.NONE if first or new else analysis.RETRANSMISSION
            news |= first
        if news or new:
            flow.last_news = at
        odd |= analysis.window(packet, flow)
        if ack is not None and (ack <= other.top + _FAR or ack <= max(other.next, other.acked) + _FAR):
            self._acknowledge(at, flow, other, ack)
        if odd:
            analysis.count(flow, odd)
        if packet.tsval >= 0 and not analysis.stale(packet, flow):
            flow.clock_last = (packet.time_ns, packet.tsval)
            flow.clock_first = flow.clock_first or flow.clock_last
        return odd, new

    def _data(
        self,
        packet: Packet,
        at: Moment,
        flow: Flow,
        other: Flow,
        octets: bytes | memoryview,
        offset: int,
        ack: int | None,
    ) -> tuple[int, int]:
        """Payload: how many octets of it are new, and what is odd about it."""
        end = offset + packet.length
        if analysis.keep_alive(packet, flow, offset):
            return 0, analysis.KEEP_ALIVE
        if flow.fin is not None and end > flow.fin:
            if self.ledger.is_acked(flow.index):
                return 0, analysis.REFUSED
            self.ledger.outlived_fin(flow.index)
            flow.fin = None
        known = bytes(octets[packet.payload_at : packet.payload_at + packet.payload_len])
        top = flow.top
        new, conflict = flow.reassembly.add(_piece((offset, end, known, at, ack or 0)))
        odd = analysis.data(packet, flow, other, offset, new)
        if conflict:
            odd |= analysis.OVERLAP_CONFLICT
        if not new:
            flow.resent(offset, packet.length)
        if end > top:
            flow.sent(end, packet.length, other)
            flow.top = end
        return new, odd

    def _fin(self, packet: Packet, at: Moment, flow: Flow, offset: int, ack: int | None) -> bool:
        """Returns True for a FIN that is not a retransmission."""
        if flow.fin is not None and offset > flow.fin and not self.ledger.is_acked(flow.index):
            self.ledger.outlived_fin(flow.index)
            flow.fin = None
        accepted = offset >= flow.top and flow.fin in (None, offset)
        first = self.ledger.fin(flow, packet, at, offset, ack, accepted)
        if accepted:
            flow.fin = offset
        self.ledger.letter("F", flow.index)
        return first

    def _acknowledge(self, at: Moment, flow: Flow, other: Flow, ack: int) -> None:
        if self.opening.complete is None:
            self.opening.acknowledges(flow.index, at, other.isn is not None)
        if ack > other.acked:
            flow.last_advance = at
            other.acknowledged(ack)
            if self.ledger.fins:
                self.ledger.fin_acked(other, at)
        flow.last_ack = ack if ack > flow.last_ack else flow.last_ack

    def _reset(self, packet: Packet, at: Moment, flow: Flow, other: Flow) -> None:
        reset = self.ledger.rst(packet, at, flow, other, self._provoker(packet, flow.index))
        self.ledger.letter("R", flow.index)
        flow.last_news = at
        offset = flow.next if reset.offset is None else reset.offset
        self._keep(packet, at, flow.index, offset, self._known_ack(packet, other), 0, analysis.NONE, b"")

    def _provoker(self, packet: Packet, index: int) -> Moment | None:
        """RFC 9293 3.5.2 group 1: "If the incoming segment has an ACK field, the reset takes its sequence number from the
        ACK field of the segment; otherwise, the reset has sequence number zero and the ACK field is set to the sum of the
        sequence number and segment length of the incoming segment"."""
        mine, its = self.flows[index].base, self.flows[1 - index].base
        for seg in self.sample.backwards():
            if seg.side is SIDES[index] or seg.flags & RST:
                continue
            if packet.flags & ACK:
                behind = seg.offset + seg.length + bool(seg.flags & (SYN | FIN))
                if not seg.flags & ACK and its is not None and packet.seq == 0 and packet.ack == (its + behind) & MASK:
                    return seg.at
            elif seg.ack is not None and mine is not None and (mine + seg.ack) & MASK == packet.seq:
                return seg.at
        return None

    def _keep(
        self,
        packet: Packet,
        at: Moment,
        index: int,
        offset: int,
        ack: int | None,
        new: int,
        odd: int,
        octets: bytes | memoryview,
    ) -> None:
        """Put the segment into the sample."""
        sack: tuple[tuple[int, int], ...] = ()
        other = self.flows[1 - index]
        (
            _, _, _, _, _, _, ttl, ip_id, dont_fragment, _, _, flags, window, length, payload_at, _, ip_at, tcp_at, tsval, tsecr
        ) = packet  # fmt: skip
        plain = 32 if tsval >= 0 else 20
        if payload_at - tcp_at > plain and not flags & (SYN | RST) and other.base is not None:
            sack = tuple(
                (offset_near(left, other.base, other.top), offset_near(right, other.base, other.top))
                for left, right in sack_blocks(options_of(octets, tcp_at, payload_at))
            )
        self.sample.add(
            _raw((
                at, index, flags, offset, ack, length, new, window, ttl, ip_id, tsval, tsecr, sack,
                payload_at - ip_at + length, dont_fragment, odd,
            ))
        )  # fmt: skip

    # --- The end ----------------------------------------------------------------------------------------------------

    def note_icmp(self, error: IcmpError) -> None:
        """Keep an ICMP error that quotes one of its segments."""
        if len(self.icmp) < MAX_ICMP:
            self.icmp.append((Moment(error.time_ns, error.capture, error.frame_number), error))

    def close(self, serial: int, trace: int, until_ns: int, reused: bool) -> Connection:
        """Give up what is missing, and settle the account."""
        self.delivery.finish(self.last)
        midway = not self.opening.syns and not self.opening.synacks
        client, server = self.flows
        return Connection(
            serial, trace, *self.ends, self.sides_seen, self.first, self.last, max(until_ns, self.last.time_ns), reused,
            self.opening.handshake(self.first if midway else None), (client.half(), server.half()), self.ledger.closing(),
            tuple(self.icmp), self.sample.left_out, self.copies.systematic, self.sample.kept(),
        )  # fmt: skip
