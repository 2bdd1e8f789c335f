"""The FIN and RST ledger of a connection: what each was, what it answered, and whether its receiver obeyed.

A reset is judged by what its receiver did afterwards, not by its looks: one that the session outlived was refused. Being
outlived must not be confused with crossing on the way, so signs of life count only when the receiver answers to octets
sent after the reset, or when the crossing time is over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pcapdiag.capture.table import ACK, RST, SYN
from pcapdiag.making import maker
from pcapdiag.model import Moment
from pcapdiag.tcp.clock import clock_error_ms
from pcapdiag.tcp.connection import Closing, Effect, Fin, Reset
from pcapdiag.tcp.flow import SIDES, Flow
from pcapdiag.tcp.packet import Packet
from pcapdiag.tcp.seq import MASK

MAX_RESETS = 50
MAX_FINS = 16
MAX_SINCE = 256
_COMMON = frozenset("AaDd")
_LETTERS = "SsHhAaDdFf"
"""Of segments without RST."""
CROSSING_NS = 300_000_000
"""How long a segment may still be on its way when no round trip was measured."""

_fin = maker(Fin)
_closing = maker(Closing)


@dataclass(slots=True)
class FinNote:
    """A FIN, while the connection is followed."""

    at: Moment
    index: int
    offset: int
    seq: int
    ack: int | None
    ttl: int
    acked: Moment | None = None
    accepted: bool = True


@dataclass(slots=True)
class ResetNote:
    """A reset, while the connection is followed."""

    reset: Reset
    index: int
    sent: int
    """Offset behind everything its claimed sender had sent."""
    receiver_ack: int
    """How far its receiver had acknowledged."""
    opening: bool
    """No segment but SYNs had been seen of its receiver."""
    receiver_lives: bool = False
    sender_lives: bool = False
    copies: int = 0
    """How often the same packet was captured again."""
    copies_after: int = 0
    """How many of the packets that came after it were captured again."""

    def same(self, packet: Packet, index: int) -> bool:
        """The reset itself."""
        reset = self.reset
        return (index, packet.seq, packet.flags, packet.tsval) == (self.index, reset.seq, reset.flags, reset.tsval)

    @property
    def refused(self) -> bool:
        """The session went on, or must have. An exact reset convinces any receiver, so there the sender must have gone on as
        well: otherwise the reset was lost behind the capture point, and its sender is closed all the same.

        RFC 5961 3.2: "If the RST bit is set and the sequence number is outside the current receive window, silently drop
        the segment."
        """
        reset = self.reset
        if not reset.in_window and not self.opening:
            return True
        return self.receiver_lives and (self.sender_lives or not reset.exact)


class Ledger:
    """The FINs and resets of one connection so far."""

    __slots__ = ("fins", "history", "notes", "resets_total", "since")

    def __init__(self) -> None:
        self.fins: list[FinNote] = []
        self.notes: list[ResetNote] = []
        self.resets_total = 0
        self.history = ""
        self.since: dict[tuple[int, int, int, int, int], int] = {}
        """Segments after a reset, and how many resets had come before them."""

    def letter(self, letter: str, index: int) -> None:
        """Add a letter of the history, once per side (Zeek conn.log: upper case for the originator)."""
        letter = letter if index == 0 else letter.lower()
        if letter not in self.history:
            self.history += letter

    def add_letters(self, letters: str) -> None:
        """Add the letters of many segments without RST, the server's in lower case already."""
        history = self.history
        new = [letter for letter in _LETTERS if letter in letters and letter not in history]
        new.sort(key=letters.index)
        self.history = history + "".join(new)

    @property
    def lacks_letters(self) -> bool:
        """Some side has not been seen to send data, or to acknowledge only."""
        return not _COMMON.issubset(self.history)

    @property
    def reset(self) -> bool:
        """A reset stands that was not outlived so far."""
        return bool(self.notes) and any(not note.refused for note in self.notes)

    def fin(self, flow: Flow, packet: Packet, at: Moment, offset: int, ack: int | None, accepted: bool) -> bool:
        """Note a FIN. Returns True when it was not a retransmission of one already noted."""
        for note in self.fins:
            if note.index == flow.index and note.offset == offset and (note.ttl == packet.ttl or note.acked):
                return False
        if len(self.fins) < MAX_FINS:
            seq = (packet.seq + packet.length) & MASK
            self.fins.append(FinNote(at, flow.index, offset, seq, ack, packet.ttl, accepted=accepted))
        return True

    def fin_acked(self, flow: Flow, at: Moment) -> None:
        """The other side acknowledged more of a flow: perhaps its FIN, also one that looked stale."""
        for note in self.fins:
            if note.index != flow.index or note.acked is not None or note.offset + 1 != flow.acked:
                continue
            if note.accepted or (flow.fin is None and flow.top == note.offset):
                note.accepted, note.acked, flow.fin = True, at, note.offset

    def is_acked(self, index: int) -> bool:
        """The FIN of a side was acknowledged."""
        return any(note.index == index and note.acked is not None for note in self.fins)

    def outlived_fin(self, index: int) -> None:
        """Its sender went on behind a FIN that was never acknowledged: nobody accepted that FIN."""
        for note in self.fins:
            if note.index == index and note.acked is None:
                note.accepted = False

    def copied(self, packet: Packet, index: int) -> None:
        """A packet was captured again, at another point: a reset, or one that came after resets."""
        for note in self.notes[: self.since.get(_mark(packet, index), 0)]:
            note.copies_after += 1
        if packet.flags & RST:
            for note in reversed(self.notes):
                if note.same(packet, index):
                    note.copies += 1
                    return

    def rst(self, packet: Packet, at: Moment, flow: Flow, other: Flow, provoked_by: Moment | None) -> Reset:
        """Note a reset of `flow`'s side against `other`'s."""
        self.resets_total += 1
        self._came_after(packet, flow.index)
        self._abort_after(packet, flow.index)
        offset = flow.offset(packet.seq)
        expected = max(flow.reassembly.next, other.last_ack)
        exact, in_window = self._place(packet, flow, other, offset, expected)
        reset = Reset(
            at=at,
            claimed=SIDES[flow.index],
            flags=packet.flags,
            seq=packet.seq,
            ack=packet.ack if packet.flags & ACK else 0,
            offset=offset if in_window or offset is None or abs(offset - flow.top) < 1 << 30 else None,
            window=packet.window,
            ttl=packet.ttl,
            ip_id=packet.ip_id,
            tsval=packet.tsval,
            length=packet.length,
            effect=Effect.ENDED,
            exact=exact,
            in_window=in_window,
            provoked_by=provoked_by,
            ttl_before=tuple(flow.ttls.items()),
            clock_error_ms=clock_error_ms(flow, packet.time_ns, packet.tsval),
        )
        if len(self.notes) < MAX_RESETS:
            opening = other.isn is not None and other.top == 0 and flow.isn is None
            self.notes.append(ResetNote(reset, flow.index, flow.next, other.last_ack, opening))
        return reset

    @staticmethod
    def _place(packet: Packet, flow: Flow, other: Flow, offset: int | None, expected: int) -> tuple[bool, bool]:
        """Whether it stands at the very next octet its receiver expects, and whether within its window."""
        if flow.isn is None and flow.top == 0 and other.isn is not None and flow.first is None:
            # RFC 9293 3.10.7.3 (SYN-SENT): "If the ACK was acceptable, then signal to the user 'error: connection reset'".
            accepted = bool(packet.flags & ACK) and other.base is not None and packet.ack == other.base
            return accepted, accepted
        if offset is None:
            return True, True
        exact = offset in (expected, other.last_ack, flow.top) or (flow.fin is not None and offset == flow.fin + 1)
        lowest = max(0, min(expected, other.last_ack)) if other.last_ack >= 0 else expected
        unknown = offset > flow.top and bool(flow.missing or flow.reassembly.pieces)  # more may not have been captured
        return exact, exact or unknown or lowest <= offset < expected + other.offered

    def _abort_after(self, packet: Packet, index: int) -> None:
        """A RST+ACK with the marks of a live socket tells that no reset before it that missed had ended that socket, if it
        is the socket's own: neither one against it, nor one in its name, as it aborts once only."""
        if packet.flags & ACK and (packet.window or packet.tsval >= 0):
            for note in self.notes:
                if not note.reset.exact and not note.same(packet, index):
                    note.receiver_lives = True

    def _came_after(self, packet: Packet, index: int) -> None:
        if self.notes and len(self.since) < MAX_SINCE:
            self.since.setdefault(_mark(packet, index), len(self.notes))

    def life(self, packet: Packet, at: Moment, index: int, ack: int | None, rtt_ns: int | None) -> None:
        """A segment without RST of side `index`: what it says about the resets before it."""
        self._came_after(packet, index)
        crossing = CROSSING_NS if rtt_ns is None else rtt_ns + rtt_ns // 2 + 5_000_000
        for note in self.notes:
            if note.index == index:
                note.sender_lives = True
            elif not note.receiver_lives and not (note.opening and packet.flags & SYN):
                challenge = (
                    not note.reset.exact and packet.length == 0 and ack == note.receiver_ack and not packet.flags & SYN
                )
                note.receiver_lives = (
                    challenge
                    or (ack is not None and ack > note.sent)
                    or packet.time_ns - note.reset.at.time_ns > crossing
                )

    def closing(self) -> Closing:
        """The ledger as evidence, effects settled in time order."""
        resets = tuple(self._settled()) if self.notes else ()
        fins = [
            _fin((note.at, SIDES[note.index], note.offset, note.seq, note.ack, note.ttl, note.acked, note.accepted))
            for note in self.fins
        ]
        return _closing((tuple(fins), resets, self.resets_total, self.history))

    def _settled(self) -> Iterator[Reset]:
        """The resets, with what each of them did."""
        events: list[FinNote | ResetNote] = [*self.fins, *self.notes]
        events.sort(key=lambda event: event.at if isinstance(event, FinNote) else event.reset.at)
        closed = [False, False]
        for event in events:
            if isinstance(event, FinNote):
                closed[event.index] |= event.accepted
                continue
            lived = event.receiver_lives and event.refused
            over = closed[event.index] and not lived
            effect = Effect.ECHO if over else Effect.REFUSED if event.refused else Effect.ENDED
            if effect is not Effect.REFUSED:
                closed = [True, True]
            yield event.reset._replace(effect=effect, copies=event.copies, copies_after=event.copies_after)


def _mark(packet: Packet, index: int) -> tuple[int, int, int, int, int]:
    return index, packet.seq, packet.ack, packet.flags, packet.length
