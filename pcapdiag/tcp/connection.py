"""What one TCP connection looked like from this capture: evidence, never judgement.

The tracker fills these in; nothing here changes afterwards. Offsets are stream offsets: 0 is the first octet after the
SYN of that side, so a SYN stands at -1 and the FIN behind N octets at N. Where the capture started midway, 0 is the
first octet seen or acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import FrozenInstanceError, dataclass
from enum import Enum, Flag, auto
from typing import Generic, NamedTuple, NoReturn, Protocol, TypeVar, overload

from pcapdiag.capture.table import ACK, FIN, RST, SYN, IcmpError
from pcapdiag.model import Endpoint, Moment, Side

T = TypeVar("T")

_CLIENT = Side.CLIENT
"""Looked up once: members of an enumeration are slow to reach."""


class Lazy(Generic[T]):
    """A dataclass field that takes a value, or a function without arguments that makes it when it is first read.

    Most connections are orderly, and nobody ever reads their segments.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._kept = f"_{name}"

    @overload
    def __get__(self, instance: None, owner: type) -> NoReturn: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object, owner: type) -> T:
        if instance is None:
            raise AttributeError(self._kept)  # to dataclasses: the field has no default
        value = instance.__dict__[self._kept]
        if callable(value):
            value = instance.__dict__[self._kept] = value()
        result: T = value
        return result

    def __set__(self, instance: object, value: T | Callable[[], T]) -> None:
        if self._kept in instance.__dict__:
            raise FrozenInstanceError(f"cannot assign to field {self._kept[1:]!r}")
        instance.__dict__[self._kept] = value


class Odd(Flag):
    """What is unusual about a segment (names of ``tcp.analysis.*``)."""

    NONE = 0
    RETRANSMISSION = auto()
    """Carries only octets, SYN or FIN that this side sent before."""
    OUT_OF_ORDER = auto()
    """Fills a hole that later segments of this side had left."""
    KEEP_ALIVE = auto()
    """RFC 9293 3.8.4: at most one octet, one before the next expected."""
    ZERO_WINDOW_PROBE = auto()
    """RFC 9293 3.8.6.1: data sent into a window of zero."""
    ZERO_WINDOW = auto()
    """Advertises a window of zero (no SYN, FIN, RST)."""
    DUPLICATE_ACK = auto()
    """Repeats the last acknowledgement without data while octets are outstanding."""
    OVERLAP_CONFLICT = auto()
    """Repeats octets with other content."""
    AFTER_GAP = auto()
    """Octets before this segment were not captured when it came."""
    REFUSED = auto()
    """Its receiver did not accept it: outside the window, or its timestamp was older than allowed (RFC 7323 PAWS)."""


class Segment(NamedTuple):
    """One TCP segment, in stream offsets."""

    at: Moment
    side: Side
    flags: int
    """Low eight bits, see `pcapdiag.capture.table`."""
    offset: int
    """Stream offset of its first octet (of the SYN: -1)."""
    ack: int | None
    """How far it acknowledges the other side's stream: offset of the next octet expected. The other side's FIN behind
    N octets is acknowledged by N + 1. None without the ACK flag, or when the other side's numbering is unknown."""
    length: int
    """Payload octets on the wire."""
    new: int
    """Of these, octets that this side had not been seen to send before."""
    window: int
    """As in the header, unscaled."""
    ttl: int
    ip_id: int
    """-1 for IPv6."""
    tsval: int
    tsecr: int
    """-1 without the timestamps option."""
    sack: tuple[tuple[int, int], ...]
    """SACK blocks in offsets of the other side's stream, left edge first."""
    ip_len: int
    """Octets of the IP packet on the wire."""
    dont_fragment: bool
    odd: Odd

    @property
    def is_fin(self) -> bool:
        return bool(self.flags & FIN)

    @property
    def is_rst(self) -> bool:
        return bool(self.flags & RST)

    @property
    def is_syn(self) -> bool:
        return bool(self.flags & SYN)


class Effect(Enum):
    """What a reset did."""

    ENDED = "ended"
    """The first that its receiver obeyed."""
    ECHO = "echo"
    """An answer to a segment that met no socket: the connection was over before (own or other side's FIN or RST)."""
    REFUSED = "refused"
    """Out of place; the session went on as if it had not come (RFC 5961 section 3)."""


class Reset(NamedTuple):
    """One RST as it stands in the capture, and what can be compared with the other packets of its claimed sender."""

    at: Moment
    claimed: Side
    flags: int
    seq: int
    """As in the header."""
    ack: int
    """As in the header, 0 without the ACK flag."""
    offset: int | None
    """Where it stands in its claimed sender's stream; None when unknown (answers a SYN with seq 0)."""
    window: int
    ttl: int
    ip_id: int
    tsval: int
    """-1 without timestamps."""
    length: int
    """Payload octets (a diagnostic text, RFC 9293 3.5.3)."""
    effect: Effect
    exact: bool
    """Its sequence number is the very next its receiver expected (RFC 5961 3.2: others draw a challenge ACK)."""
    in_window: bool
    provoked_by: Moment | None
    """The latest segment of the other side whose ACK field equals this sequence number and which this reset can answer
    (a reply reset, RFC 9293 3.5.2 group 1); also the SYN that a RST+ACK with ack = SEG.SEQ + SEG.LEN answers."""
    ttl_before: tuple[tuple[int, int], ...]
    """TTLs of its claimed sender's earlier segments in this connection, resets left out: ((ttl, how many), ...)."""
    clock_error_ms: float | None
    """TSval against where the claimed sender's timestamp clock stood, in milliseconds; None when it cannot be said."""
    copies: int = 0
    """How often the same packet was captured again."""
    copies_after: int = 0
    """How many of the packets that came after it were captured again."""

    @property
    def bare(self) -> bool:
        """The shape of a reset for a segment that met no socket, which filters forge as well: window 0, no timestamps,
        and either no ACK flag or sequence number 0 (in answer to a SYN)."""
        return self.window == 0 and self.tsval < 0 and (not self.flags & ACK or self.seq == 0)


class Fin(NamedTuple):
    """The first FIN of a side (not its retransmissions)."""

    at: Moment
    side: Side
    offset: int
    """Octets its sender sent before it."""
    seq: int
    """As in the header: of the FIN itself."""
    ack: int | None
    """How far it acknowledges the other side's stream."""
    ttl: int
    acked: Moment | None
    """When the other side acknowledged it."""
    accepted: bool
    """False when its receiver went on as if it had not come (PAWS, out of window)."""


class Closing(NamedTuple):
    """The FIN and RST ledger of a connection, in time order."""

    fins: tuple[Fin, ...]
    """The first accepted or refused FIN of each side; a forged one and a true one of the same side are both here."""
    resets: tuple[Reset, ...]
    """At most 50."""
    resets_total: int
    history: str
    """Zeek's letters: S h A D F R, lower case for the responder (conn.log history)."""


class Handshake(NamedTuple):
    """The opening (RFC 9293 3.5)."""

    syns: tuple[Moment, ...]
    """SYNs of the client, retransmissions included; empty when the capture started midway. At most 50."""
    synacks: tuple[Moment, ...]
    """SYN+ACKs of the server, retransmissions included. At most 50."""
    complete: Moment | None
    """When it was complete: the client's first segment that acknowledges the SYN+ACK; for a capture started midway the
    first segment; None when it never was."""
    rtt_ns: int | None
    """SYN to SYN+ACK plus SYN+ACK to ACK, when each was sent once."""
    server_leg_ns: int | None
    """SYN to SYN+ACK: near zero where the capture is the server's own."""
    client_leg_ns: int | None
    """SYN+ACK to ACK: near zero where the capture is the client's own."""
    simultaneous: bool
    """Both sides sent SYN first (RFC 9293 3.5 figure 7)."""


class Half(NamedTuple):
    """What one side sent."""

    side: Side
    packets: int
    """Copies left out."""
    octets: int
    """Highest stream offset it was seen to send."""
    acked: int
    """Highest stream offset the other side acknowledged, FIN not counted; can exceed `octets` when the capture missed
    some. 0 when nothing was."""
    missing: int
    """Octets that the other side acknowledged and the capture never saw."""
    cut: int
    """Octets beyond the snap length."""
    retransmissions: int
    out_of_order: int
    keep_alives: int
    zero_windows: int
    """Segments by which this side closed its window."""
    copies: int
    """Frames that were the same packet captured again."""
    super_packets: int
    """Segments larger than the path's segment size: captured before segmentation offload, so on this side's own host."""
    first: Moment | None
    last: Moment | None
    """Any segment of it."""
    last_news: Moment | None
    """Last segment of it with new octets, SYN, FIN or RST for the first time."""
    last_advance: Moment | None
    """Last segment of it that acknowledged something new."""
    window: int | None
    """Last advertised window in octets (scaled when the scale is known)."""
    mss: int | None
    window_scale: int | None
    sack_permitted: bool
    timestamps: bool
    ttls: tuple[tuple[int, int], ...]
    """((ttl, how many), ...) of its segments without RST, copies left out, in order of first appearance."""
    ip_id_zero: int
    """How many of its IPv4 segments without RST had IP ID 0."""
    largest_acked: int
    """Largest payload of one segment of it that was acknowledged."""


@dataclass(frozen=True)
class Connection:
    """One TCP connection as captured."""

    serial: int
    """Order of first frames over the analysis, from 1."""
    trace: int
    client: Endpoint
    server: Endpoint
    sides_seen: bool
    """True when a SYN told who the client is."""
    first: Moment
    last: Moment
    until_ns: int
    """How far the capture's clock had run when the connection was closed off: the end of the trace, the linger after
    its end, or the moment the same 4-tuple was used again."""
    reused: bool
    """Closed off because a new SYN used the same 4-tuple."""
    handshake: Handshake
    halves: tuple[Half, Half]
    """Client's, server's."""
    closing: Closing
    icmp: tuple[tuple[Moment, IcmpError], ...]
    """Errors that quote its segments, at most 50."""
    sampled: bool
    duplicates: bool
    """The capture holds (most of) its packets twice: `any` interface, a mirror, two interfaces."""
    segments: Lazy[tuple[Segment, ...]] = Lazy()
    """A bounded sample in time order: the first and last ones and every odd one in between. Copies left out. Where
    `sampled` is False it is all of them."""

    @property
    def midway(self) -> bool:
        """The capture began in the middle of it."""
        return not (self.handshake.syns or self.handshake.synacks)

    def half(self, side: Side) -> Half:
        return self.halves[0] if side is _CLIENT else self.halves[1]

    def without_segments(self) -> Connection:
        """The same, its segments forgotten (which `dataclasses.replace` would first have to make)."""
        small = object.__new__(Connection)
        small.__dict__.update(self.__dict__, _segments=())
        return small


class Marks(NamedTuple):
    """Which frame brought which octets of one `data` call, of several. Three sequences of the same length."""

    offsets: Sequence[int]
    """Stream offset of the first octet that the frame brought, ascending; the first equals the call's offset."""
    times_ns: Sequence[int]
    frames: Sequence[int]
    capture: int


class StreamObserver(Protocol):
    """Who reads the octets of a connection, in an order that respects acknowledgements."""

    def data(self, side: Side, offset: int, octets: bytes, frames: Moment | Marks) -> None:
        """The next octets of a side's stream, in order, each octet once. Octets die after the call: copy what is kept.

        `frames`: the frame that brought all of them, or which one brought which."""

    def gap(self, side: Side, offset: int, length: int, reason: GapReason, at: Moment) -> None:
        """Octets of a side's stream that will never come. `at` is where that was settled."""


class GapReason(Enum):
    """Why octets are missing."""

    CAPTURE = "capture"
    """The other side acknowledged them: the capture missed them, the path did not."""
    PATH = "path"
    """Nobody acknowledged them: lost before this capture point, while later octets were seen."""
    SNAPLEN = "snaplen"
    """Cut off by the snap length; the gap ends where the segment ended."""


__all__ = [
    "ACK",
    "FIN",
    "RST",
    "SYN",
    "Closing",
    "Connection",
    "Effect",
    "Fin",
    "GapReason",
    "Half",
    "Handshake",
    "Marks",
    "Odd",
    "Reset",
    "Segment",
    "StreamObserver",
]
