"""Did the host that a reset names really send it? What its other packets say for and against.

Nothing here decides: rules do. The shapes were measured on real stacks, see docs/explanation/resets.md.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from pcapdiag.capture.table import ACK
from pcapdiag.diagnosis.aftermath import CLOCK_ERROR_MS, took_in, went_on
from pcapdiag.model import Moment, Side
from pcapdiag.session import Session, Surroundings
from pcapdiag.smtp.dialogue import Reply
from pcapdiag.tcp.connection import Connection, Reset

BASELINE = 3
"""So many packets with one and the same TTL make a baseline that tolerates no other value."""

CLOCK_SURE_MS = 250.0
"""Beyond any queue that the connection's other packets did not show."""

TWO_LEGS = 0.8
"""So large a share of a side's other packets must have been seen at both points of a two-point capture."""


class Shape(Enum):
    """The two shapes of a genuine reset, and the rest."""

    ACTIVE = "active"
    """RST+ACK with a live window or timestamps: an application or kernel aborts a live socket."""
    REPLY = "reply"
    """Bare: an answer to a segment that met no socket, or any filter that forges one."""
    PLAIN = "plain"
    """RST+ACK with window 0 and without the timestamps that the connection uses: Windows aborts so, and filters do."""


class Ttl(Enum):
    """The reset's TTL against the other packets of the address it names."""

    USUAL = "usual"
    FOREIGN = "foreign"
    """Differs from a baseline of at least three packets that never varied."""
    FOREIGN_FEW = "foreign-few"
    """Differs from all that is known, but that is little."""
    WITH_WORDS = "with-words"
    """That of the refusal right before it and of nothing else, where all the others have one and the same: whoever forges a
    reset may forge a reply as well."""
    UNKNOWN = "unknown"
    """Nothing steady to compare it with."""


class Origin(NamedTuple):
    """What speaks about a reset's true sender."""

    reset: Reset
    shape: Shape
    ttl: Ttl
    usual_ttl: int | None
    usual_count: int
    went_on: tuple[Moment, ...]
    """Segments of the "reset" side that it cannot have sent before its reset."""
    took_in: tuple[Moment, ...]
    """Segments of that side behind a bare reset that acknowledge all it could have answered."""
    stale_clock: bool
    """Its timestamp does not fit the clock of the host it names: too old, or far ahead. Somewhat ahead is one that overtook
    packets which waited, and by which the clock was read."""
    once: bool
    """The capture saw (nearly) every other packet at both of its points, and this reset at one only."""
    one_leg: bool
    """And it is not just the last packet before one of them stopped, nor a single one that went missing: packets after it
    were seen at both, or a reset of the other side at one only as well."""

    @property
    def foreign(self) -> bool:
        return self.ttl is Ttl.FOREIGN or bool(self.went_on or self.took_in) or self.stale_clock or self.one_leg


def shape_of(connection: Connection, reset: Reset) -> Shape:
    """The shape of a reset of an established connection."""
    if not reset.flags & ACK:
        return Shape.REPLY
    if reset.window or reset.tsval >= 0:
        return Shape.ACTIVE
    return Shape.PLAIN if connection.half(reset.claimed).timestamps else Shape.ACTIVE


def origin(session: Session, around: Surroundings, reset: Reset) -> Origin:
    """Everything the capture says about who sent this reset."""
    connection = session.connection
    ttl, usual, count = _ttl(session, around, reset)
    once = _once(connection, reset)
    error = reset.clock_error_ms
    stale = error is not None and (error < -CLOCK_ERROR_MS or error > CLOCK_SURE_MS)
    return Origin(
        reset,
        shape_of(connection, reset),
        ttl,
        usual,
        count,
        went_on(connection, reset),
        took_in(connection, reset),
        stale,
        once,
        once and (reset.copies_after > 0 or _other_once(connection, reset)),
    )


def _ttl(session: Session, around: Surroundings, reset: Reset) -> tuple[Ttl, int | None, int]:
    before = reset.ttl_before
    total = sum(count for _, count in before)
    if _with_words(session, reset):
        return Ttl.WITH_WORDS, before[0][0], before[0][1]
    if len(before) > 1:
        return (Ttl.USUAL if any(reset.ttl == ttl for ttl, _ in before) else Ttl.UNKNOWN), None, total
    end = session.connection.server if reset.claimed is Side.SERVER else session.connection.client
    known = around.hosts.ttls(end.address, reset.at)
    if before:
        usual = before[0][0]
        if reset.ttl == usual:
            return Ttl.USUAL, usual, total
        if reset.ttl in known:
            return Ttl.UNKNOWN, usual, total
        enough = total + _seen_before(session, around, end.address) >= BASELINE
        return (Ttl.FOREIGN if enough else Ttl.FOREIGN_FEW), usual, total
    if not known:
        return Ttl.UNKNOWN, None, 0
    if reset.ttl in known:
        return Ttl.USUAL, reset.ttl, 1
    return (Ttl.FOREIGN if len(known) == 1 else Ttl.FOREIGN_FEW), next(iter(known)) if len(known) == 1 else None, 1


def _seen_before(session: Session, around: Surroundings, address: str) -> bool:
    """The address had sent something before this connection began, so what is known of its TTLs is more than this."""
    return around.hosts.alive_since(address, Moment(0, 0, 0), session.connection.first)


def _with_words(session: Session, reset: Reset) -> bool:
    """The last segments before it hold a refusal (4xx, 5xx) and have its TTL, which no other has; the others, three and more,
    have one."""
    if len(reset.ttl_before) != 2 or reset.claimed is not Side.SERVER:
        return False
    (_, usual), (odd, count) = reset.ttl_before
    if usual < BASELINE or odd != reset.ttl:
        return False
    segments = session.connection.segments
    last = [seg for seg in segments if seg.side is reset.claimed and seg.at < reset.at and not seg.is_rst][-count:]
    refusals = [entry for entry in session.dialogue.entries if isinstance(entry, Reply) and entry.code >= 400]
    return len(last) == count and all(
        seg.ttl == odd and any(each.offset <= seg.offset < each.end for each in refusals) for seg in last
    )


def _once(connection: Connection, reset: Reset) -> bool:
    """Seen at one point, with no other like it however late (clocks differ), where the rest was seen at both."""
    half = connection.half(reset.claimed)
    others = sum(count for _, count in half.ttls)
    if not connection.duplicates or reset.copies or others < BASELINE or half.copies < TWO_LEGS * others:
        return False
    identity = reset.claimed, reset.seq, reset.flags, reset.tsval
    return not any(
        (each.claimed, each.seq, each.flags, each.tsval) == identity and each.at != reset.at
        for each in connection.closing.resets
    )


def _other_once(connection: Connection, reset: Reset) -> bool:
    return any(each.claimed is not reset.claimed and _once(connection, each) for each in connection.closing.resets)


def forged_pair(connection: Connection) -> tuple[Reset, Reset] | None:
    """Two resets in opposite directions of which neither can answer anything the other side sent: a device resets both."""
    for first in connection.closing.resets:
        if first.flags & ACK:
            continue  # an abort of its own may cross a genuine answer
        for second in connection.closing.resets:
            if second.claimed is first.claimed or second.at <= first.at:
                continue
            if second.at.time_ns - first.at.time_ns > 1_000_000_000:
                continue
            asked = second.provoked_by is not None and second.provoked_by >= first.at
            if not asked and not (second.flags & ACK) and not _in_flight(connection, first, second):
                return first, second
    return None


def _in_flight(connection: Connection, first: Reset, second: Reset) -> bool:
    """The first reset's claimed sender had a segment under way that may have met the socket that the first reset ended."""
    window = 2 * (connection.handshake.rtt_ns or 1_000_000_000)
    return any(
        seg.side is first.claimed and not seg.is_rst and 0 <= second.at.time_ns - seg.at.time_ns <= window
        for seg in connection.segments
    )
