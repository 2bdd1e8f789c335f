"""`Conversation`: one connection while it is open, walked segment by segment.

Each packet goes through the same steps: is it a copy, where does it stand in its side's stream, may its receiver accept it,
what does it bring that is new, what does it acknowledge, and does it open, close or reset the connection.
"""

from __future__ import annotations

from pcapdiag.capture.table import ACK, FIN, RST, SYN, IcmpError
from pcapdiag.model import Endpoint, Moment
from pcapdiag.tcp.closing import Ledger
from pcapdiag.tcp.connection import Connection, Odd, StreamObserver
from pcapdiag.tcp.copies import Copies
from pcapdiag.tcp.delivery import Delivery
from pcapdiag.tcp.flow import Flow
from pcapdiag.tcp.opening import Opening
from pcapdiag.tcp.options import options_of, sack_blocks, syn_options
from pcapdiag.tcp.packet import Packet
from pcapdiag.tcp.reassembly import Piece
from pcapdiag.tcp.sample import Sample
from pcapdiag.tcp.seq import MASK, distance, offset_near

MAX_ICMP = 50
_SLACK = 1 << 16
"""How far beyond the offered window a segment may stand: window updates that the capture missed."""
_REMEMBERED = 32


class Conversation:
    """An open connection; `observer` reads its octets."""

    __slots__ = (
        "answerable",
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
        self, client: Endpoint, server: Endpoint, observer: StreamObserver, sides_seen: bool, first: Packet
    ) -> None:
        self.ends = (client, server)
        self.sides_seen = sides_seen
        self.first = self.last = Moment(first.time_ns, first.capture, first.frame)
        self.flows = (Flow(0), Flow(1))
        self.delivery = Delivery(self.flows, observer)
        self.ledger = Ledger()
        self.opening = Opening()
        self.copies = Copies()
        self.sample = Sample()
        self.icmp: list[tuple[Moment, IcmpError]] = []
        self.answerable: list[tuple[Moment, int, int | None, int | None]] = []
        """Recent segments without RST that a reset may answer: moment, side, ACK field, and the sequence number behind
        them where they carry no ACK."""

    # --- The life of the connection ---------------------------------------------------------------------------------

    @property
    def orderly(self) -> bool:
        """Closed both ways, and both FINs acknowledged."""
        return all(flow.fin is not None and flow.acked > flow.fin for flow in self.flows)

    @property
    def over(self) -> bool:
        """Somebody has closed or reset it, as far as known."""
        return self.half_closed or self.ledger.reset

    @property
    def half_closed(self) -> bool:
        return any(flow.fin is not None for flow in self.flows)

    def is_new(self, packet: Packet, index: int) -> bool:
        """True when this SYN begins another connection between the same ends."""
        flow, other = self.flows[index], self.flows[1 - index]
        if packet.flags & (SYN | RST) != SYN or flow.base is None:
            return False
        if ((packet.seq + 1) & MASK) == flow.base or (
            flow.isn is None and not packet.flags & ACK and self._just_begun(packet)
        ):
            return False
        over = self.ledger.reset or self.half_closed
        established = flow.top > 0 or other.top > 0 or self.opening.complete is not None
        return over or established

    def _just_begun(self, packet: Packet) -> bool:
        """The capture holds the first frames in another order."""
        return packet.time_ns <= self.first.time_ns

    def take(self, packet: Packet, index: int, octets: bytes | memoryview) -> None:
        """Take in the next packet of side `index`."""
        flow, other = self.flows[index], self.flows[1 - index]
        if self.copies.is_copy(packet, index):
            flow.copies += 1
            return
        at = Moment(packet.time_ns, packet.capture, packet.frame)
        self.delivery.overdue(packet.time_ns)
        self.last = max(self.last, at)
        flow.packets += 1
        if flow.first is None:
            flow.first = at
        flow.last = at
        if packet.flags & RST:
            self._reset(packet, at, flow, other)
        else:
            flow.ttls[packet.ttl] = flow.ttls.get(packet.ttl, 0) + 1
            flow.ip_id_zero += packet.ip_id == 0
            if packet.flags & SYN:
                self._syn(packet, at, flow, other, octets)
            self._segment(packet, at, flow, other, octets)
        self.delivery.run(packet.time_ns)

    # --- Segments ---------------------------------------------------------------------------------------------------

    def _syn(self, packet: Packet, at: Moment, flow: Flow, other: Flow, octets: bytes | memoryview) -> None:
        isn = packet.seq
        if flow.isn is None or flow.isn != isn:
            if flow.base is None or flow.top == 0:
                flow.number_from(isn + 1)
            flow.isn = isn
        flow.offers = flow.offers or syn_options(options_of(octets, packet.tcp_at, packet.payload_at))
        self.opening.syn(flow.index, bool(packet.flags & ACK), at)
        self.ledger.letter("H" if packet.flags & ACK else "S", flow.index)
        if other.offers:  # RFC 7323 2.2: both must send the option
            scaled = flow.offers.window_scale is not None and other.offers.window_scale is not None
            flow.scale = (flow.offers.window_scale or 0) if scaled else 0
            other.scale = (other.offers.window_scale or 0) if scaled else 0

    def _segment(self, packet: Packet, at: Moment, flow: Flow, other: Flow, octets: bytes | memoryview) -> None:
        """A segment without RST."""
        syn = packet.flags & SYN
        if flow.base is None:
            flow.number_from(packet.seq)
        assert flow.base is not None
        offset = offset_near(packet.seq, flow.base, flow.top)
        ack = self._ack_offset(packet, other)
        odd = self._refused(packet, flow, other, offset)
        new = 0
        if not odd & Odd.REFUSED:
            odd, new = self._accept(packet, at, flow, other, octets, offset, ack)
        elif packet.flags & FIN:
            self.ledger.fin(flow, packet, at, offset + packet.length, ack, accepted=False)
        self.ledger.life(packet, at, flow.index, ack, self.opening.rtt_ns)
        answer = (
            at,
            flow.index,
            packet.ack if packet.flags & ACK else None,
            None if packet.flags & ACK else packet.seq,
        )
        self.answerable.append(
            answer if answer[3] is None else (at, flow.index, None, packet.seq + packet.length + bool(syn))
        )
        del self.answerable[:-_REMEMBERED]
        self._keep(packet, flow.index, offset, ack, new, odd, octets)

    def _refused(self, packet: Packet, flow: Flow, other: Flow, offset: int) -> Odd:
        """Whether its receiver can have accepted it."""
        if packet.flags & SYN:
            return Odd.NONE
        expected = max(flow.next, flow.acked)
        far = offset + packet.length > expected + other.offered + _SLACK
        if (far or offset < -1) and flow.top + flow.packets > 1:
            if flow.wild_next != packet.seq:
                flow.wild_next = (packet.seq + packet.length) & MASK
                return Odd.REFUSED
            flow.wild_next = None
        return Odd.REFUSED if packet.flags & FIN and self._stale(packet, flow) else Odd.NONE

    @staticmethod
    def _stale(packet: Packet, flow: Flow) -> bool:
        """RFC 7323 5.3 R1: a segment whose timestamp is older than the last one in sequence is not acceptable."""
        return packet.tsval >= 0 and flow.clock_last is not None and distance(packet.tsval, flow.clock_last[1]) < 0

    def _ack_offset(self, packet: Packet, other: Flow) -> int | None:
        if not packet.flags & ACK:
            return None
        if other.base is None:
            other.number_from(packet.ack)
        assert other.base is not None
        return offset_near(packet.ack, other.base, max(other.top, other.acked))

    def _accept(
        self,
        packet: Packet,
        at: Moment,
        flow: Flow,
        other: Flow,
        octets: bytes | memoryview,
        offset: int,
        ack: int | None,
    ) -> tuple[Odd, int]:
        odd = Odd.NONE
        data_at = offset + 1 if packet.flags & SYN else offset
        new = 0
        if packet.length:
            new, odd = self._data(packet, at, flow, other, octets, data_at, ack)
            self.ledger.letter("D", flow.index)
        elif packet.flags & (SYN | FIN) == 0:
            odd |= self._empty(packet, flow, other, offset, ack)
            self.ledger.letter("A", flow.index)
        news = bool(new)
        if packet.flags & SYN:
            news |= flow.isn == packet.seq and flow.packets == 1
            if self.opening.repeated(flow.index):
                odd |= Odd.RETRANSMISSION
        if packet.flags & FIN:
            first = self._fin(packet, at, flow, data_at + packet.length, ack)
            news |= first
            odd |= Odd.NONE if first or new else Odd.RETRANSMISSION
        if packet.window == 0 and not packet.flags & (SYN | FIN):
            odd |= Odd.ZERO_WINDOW
            flow.zero_windows += flow.window != 0
        flow.window = packet.window
        if not packet.flags & SYN:
            flow.max_window = max(flow.max_window, packet.window << flow.scale if flow.scale is not None else 0)
        if ack is not None:
            self._acknowledge(at, flow, other, ack)
        if odd & Odd.RETRANSMISSION:
            flow.retransmissions += 1
        if news:
            flow.last_news = at
        if packet.tsval >= 0 and not self._stale(packet, flow):
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
    ) -> tuple[int, Odd]:
        """Payload: what of it is new, and what is odd about it."""
        end = offset + packet.length
        known = bytes(octets[packet.payload_at : packet.payload_at + packet.payload_len])
        if offset + packet.length <= flow.top and packet.length == 1 and offset == flow.top - 1 and flow.acked >= end:
            flow.keep_alives += 1
            return 0, Odd.KEEP_ALIVE
        if flow.fin is not None and end > flow.fin:
            note = next(note for note in reversed(self.ledger.fins) if note.index == flow.index)
            if note.acked is not None:
                return 0, Odd.REFUSED
            self.ledger.outlived_fin(flow.index)
            flow.fin = None
        if other.window == 0 and other.scale is not None and offset == flow.acked and packet.length == 1:
            probe = Odd.ZERO_WINDOW_PROBE
        else:
            probe = Odd.NONE
        needs = self._needs(ack, other)
        new, conflict = flow.reassembly.add(Piece(offset, end, known, at, needs))
        odd = probe | (Odd.OVERLAP_CONFLICT if conflict else Odd.NONE)
        if new == 0:
            odd |= Odd.RETRANSMISSION
            flow.resent(offset, packet.length)
        elif offset > flow.top:
            odd |= Odd.AFTER_GAP
        elif offset < flow.top and end <= flow.top:
            odd |= Odd.OUT_OF_ORDER
            flow.out_of_order += 1
        if end > flow.top:
            flow.sent(end, packet.length, other.offers.mss if other.offers else None)
            flow.top = end
        return new, odd

    @staticmethod
    def _needs(ack: int | None, other: Flow) -> int:
        return 0 if ack is None else ack

    def _empty(self, packet: Packet, flow: Flow, other: Flow, offset: int, ack: int | None) -> Odd:
        """A segment without payload, SYN and FIN."""
        if offset == flow.next - 1 and flow.top > 0 and flow.acked >= flow.next:
            flow.keep_alives += 1
            return Odd.KEEP_ALIVE
        if ack is not None and ack == flow.last_ack and packet.window == flow.window and other.next > max(ack, 0):
            return Odd.DUPLICATE_ACK
        return Odd.NONE

    def _fin(self, packet: Packet, at: Moment, flow: Flow, offset: int, ack: int | None) -> bool:
        if flow.fin is not None and offset > flow.fin and flow.acked <= flow.fin:
            self.ledger.outlived_fin(flow.index)
            flow.fin = None
        first = self.ledger.fin(flow, packet, at, offset, ack, accepted=flow.fin is None or flow.fin == offset)
        if flow.fin is None:
            flow.fin = offset
        self.ledger.letter("F", flow.index)
        return first

    def _acknowledge(self, at: Moment, flow: Flow, other: Flow, ack: int) -> None:
        self.opening.acknowledges(flow.index, at, other.isn is not None)
        if ack > other.acked:
            flow.last_advance = at
            other.acknowledged(ack)
            if other.fin is not None:
                self.ledger.fin_acked(other.index, ack, at)
        flow.last_ack = max(flow.last_ack, ack)

    def _reset(self, packet: Packet, at: Moment, flow: Flow, other: Flow) -> None:
        reset = self.ledger.rst(packet, at, flow, other, self._provoker(packet, flow.index))
        self.ledger.letter("R", flow.index)
        flow.last_news = at
        self._keep(packet, flow.index, reset.offset if reset.offset is not None else flow.next, None, 0, Odd.NONE, b"")

    def _provoker(self, packet: Packet, index: int) -> Moment | None:
        """RFC 9293 3.5.2 group 1: "If the incoming segment has an ACK field, the reset takes its sequence number from the
        ACK field of the segment; otherwise, the reset has sequence number zero and the ACK field is set to the sum of the
        sequence number and segment length of the incoming segment"."""
        for at, side, ack, behind in reversed(self.answerable):
            if side == index:
                continue
            if packet.flags & ACK:
                if behind is not None and packet.seq == 0 and packet.ack == behind & MASK:
                    return at
            elif ack == packet.seq:
                return at
        return None

    def _keep(
        self, packet: Packet, index: int, offset: int, ack: int | None, new: int, odd: Odd, octets: bytes | memoryview
    ) -> None:
        sack: tuple[tuple[int, int], ...] = ()
        plain = 32 if packet.tsval >= 0 else 20
        base = self.flows[1 - index].base
        if packet.payload_at - packet.tcp_at > plain and not packet.flags & SYN and base is not None and len(octets):
            other = self.flows[1 - index]
            sack = tuple(
                (offset_near(left, base, other.top), offset_near(right, base, other.top))
                for left, right in sack_blocks(options_of(octets, packet.tcp_at, packet.payload_at))
            )
        self.sample.add(
            (
                packet.time_ns, packet.capture, packet.frame, index, packet.flags, offset, ack, packet.length, new,
                packet.window, packet.ttl, packet.ip_id, packet.tsval, packet.tsecr, sack, packet.ip_len,
                packet.dont_fragment, odd.value,
            )
        )  # fmt: skip

    # --- The end ----------------------------------------------------------------------------------------------------

    def note_icmp(self, error: IcmpError) -> None:
        if len(self.icmp) < MAX_ICMP:
            self.icmp.append((Moment(error.time_ns, error.capture, error.frame_number), error))

    def close(self, serial: int, trace: int, until_ns: int, reused: bool) -> Connection:
        """Give up what is missing, and settle the account."""
        self.delivery.finish(self.last)
        midway = not self.opening.syns and not self.opening.synacks
        raw = self.sample.raw()
        return Connection(
            serial=serial,
            trace=trace,
            client=self.ends[0],
            server=self.ends[1],
            sides_seen=self.sides_seen,
            first=self.first,
            last=self.last,
            until_ns=max(until_ns, self.last.time_ns),
            reused=reused,
            handshake=self.opening.handshake(self.first if midway else None),
            halves=(self.flows[0].half(), self.flows[1].half()),
            closing=self.ledger.closing(),
            icmp=tuple(self.icmp),
            segments=raw(),
            sampled=self.sample.left_out,
            duplicates=self.copies.systematic,
        )
