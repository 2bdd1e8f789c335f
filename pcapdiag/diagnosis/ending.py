"""What ended the session, as the frames show it: the first close by cause, or the silence that stood in its place.

A connection becomes one `Ending`. Who is to be named for it is not decided here: rules go from a `Side` to a `Party`.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from pcapdiag.capture.table import IcmpError
from pcapdiag.diagnosis.closes import Close, cause_of, closes_of
from pcapdiag.diagnosis.crossing import Farewell, acted_first, crossing, farewell
from pcapdiag.diagnosis.quitting import Quit, TlsEnd, encrypted_quit, quit_that_counts
from pcapdiag.diagnosis.silence import Hole, Silence, hole, least_span_of_fin_ns, silence
from pcapdiag.model import Moment, Side
from pcapdiag.session import Session
from pcapdiag.smtp.dialogue import Reply
from pcapdiag.tcp.connection import Connection, Fin, Reset


class Kind(Enum):
    """What ended it."""

    QUIT = "quit"
    ENCRYPTED_QUIT = "encrypted-quit"
    CONNECT = "connect"
    """The handshake never completed."""
    FIN = "fin"
    RST = "rst"
    SILENCE = "silence"
    """One side repeated itself and nothing came back."""
    HOLE = "hole"
    """Octets of one side never arrived although the other side's TCP went on answering."""
    ICMP = "icmp"
    """An ICMP error quotes the last segments, and nothing came back after it."""
    OPEN = "open"
    ONE_DIRECTION = "one-direction"
    FRAGMENT = "fragment"
    """Too little was captured to tell how it began or ended."""


_QUIT = Kind.QUIT
"""What ended most sessions: looked up once, members of an enumeration are slow to reach."""


class Ending(NamedTuple):
    """The end of a session."""

    kind: Kind
    at: Moment
    side: Side | None = None
    """FIN, RST: whose frame it claims to be. SILENCE: who was silent. HOLE: whose octets did not arrive. ICMP: whose
    segments it quotes."""
    fin: Fin | None = None
    reset: Reset | None = None
    silence: Silence | None = None
    hole: Hole | None = None
    icmp: IcmpError | None = None
    quit: Quit | None = None
    tls: TlsEnd | None = None
    alert: tuple[Moment, Side, str, str, int] | None = None
    """The fatal TLS alert that closed the session."""
    goodbye: Reply | None = None
    """The 421 with which the server announced its close."""
    crossed: bool = False
    """Both sides closed without having seen the other's close."""
    missed: bool = False
    """The FIN was not captured, only that it was acknowledged."""
    later: Moment | None = None
    """The give-up that followed a silence or a hole."""
    unread: Moment | None = None
    """The other side's segment that met no socket any more and drew the reset: its sender had gone before it came."""


def find_ending(session: Session) -> Ending:
    """What ended this session."""
    connection = session.connection
    if connection.handshake.syns and connection.handshake.complete is None and not _beyond_handshake(connection):
        return _unconnected(session)
    closes = closes_of(session)
    quit_ = quit_that_counts(session)
    if quit_ is not None:
        return _after_quit(connection, quit_, closes)
    if not all(half.packets for half in connection.halves):
        return Ending(
            Kind.ONE_DIRECTION, closes[0].at if closes else connection.last, closes[0].side if closes else None
        )
    if not connection.handshake.syns and _too_little(session, closes):
        return Ending(Kind.FRAGMENT, closes[0].at if closes else connection.last)
    first = closes[0] if closes else None
    icmp = _icmp_end(connection, first)
    if icmp is not None:
        return icmp
    if first is None:
        return _without_close(connection)
    tls = encrypted_quit(session, first.at)
    if tls is not None:
        return Ending(Kind.ENCRYPTED_QUIT, first.at, first.side, tls=tls)
    return _given_up(connection, first) or _by_close(session, first, closes)


def _unconnected(session: Session) -> Ending:
    """The handshake was never completed; a reset in the server's name that took its SYN+ACK back is judged like any."""
    connection = session.connection
    for close in closes_of(session) if connection.handshake.synacks else ():
        if close.reset is not None:
            if close.side is Side.SERVER:
                return Ending(Kind.RST, close.at, close.side, reset=close.reset)
            break
    return Ending(Kind.CONNECT, connection.last)


def _beyond_handshake(connection: Connection) -> bool:
    """The capture missed a step of the handshake, but not what came after it: the server's octets, or those of a client
    whose server's direction was not captured."""
    client, server = connection.halves
    return server.octets > 0 or (not server.packets and (client.octets > 0 or server.acked > 0))


def _after_quit(connection: Connection, quit_: Quit, closes: list[Close]) -> Ending:
    if quit_.reply is None:
        quiet = silence(connection, Side.CLIENT, None)
        if quiet is not None and quiet.unanswered <= quit_.at and not any(each.side is Side.SERVER for each in closes):
            last = closes[0].at if closes else None
            return Ending(Kind.SILENCE, last or quiet.repeats[-1], Side.SERVER, silence=quiet, quit=quit_, later=last)
    if not closes:
        return Ending(Kind.OPEN, connection.last, quit=quit_)
    at, side, fin, reset, _ = closes[0]
    return Ending(_QUIT, at, side, fin, reset, quit=quit_)


def _too_little(session: Session, closes: list[Close]) -> bool:
    """A capture that began after the story: nothing said was recognised, or only closes were seen."""
    connection = session.connection
    octets = sum(half.octets for half in connection.halves)
    packets = sum(half.packets for half in connection.halves)
    if closes and not any(seg.new for seg in connection.segments if seg.at < closes[0].at):
        return True
    return not session.dialogue.recognised and (octets == 0 or packets < 4)


def _icmp_end(connection: Connection, first: Close | None) -> Ending | None:
    """An ICMP error after which nothing of the side it spoke about got through any more."""
    for at, error in connection.icmp:
        if error.path_mtu or not (error.prohibited or error.unreachable):
            continue
        quoted = Side.CLIENT if (error.src, error.srcport) == connection.client else Side.SERVER
        if _got_through(connection, quoted, at) or (first is not None and first.at < at):
            continue
        return Ending(Kind.ICMP, at, quoted, icmp=error, later=first.at if first else None)
    return None


def _got_through(connection: Connection, side: Side, since: Moment) -> bool:
    """The other side acknowledged more, or answered when nothing of `side` was outstanding. What it says by itself, its
    close above all, tells nothing about the way to it."""
    theirs = [seg for seg in connection.segments if seg.side is side.other]
    known = max((seg.ack for seg in theirs if seg.at <= since and seg.ack is not None), default=-1)
    sent = max(
        (seg.offset + seg.length for seg in connection.segments if seg.side is side and seg.at <= since), default=0
    )
    return any(seg.is_rst or seg.ack is None or seg.ack > known or known >= sent for seg in theirs if seg.at > since)


def _without_close(connection: Connection) -> Ending:
    gap = _hole(connection, None)
    found = [each for each in (silence(connection, side, None) for side in Side) if each is not None]
    if found and (gap is None or not gap.received_beyond):
        quiet = max(found, key=lambda each: each.span_ns)
        return Ending(Kind.SILENCE, quiet.repeats[-1], quiet.sender.other, silence=quiet)
    if gap is not None:
        return Ending(Kind.HOLE, connection.last, gap.sender, hole=gap)
    return Ending(Kind.OPEN, connection.last)


def _given_up(connection: Connection, first: Close) -> Ending | None:
    """The close is only how somebody gave up: silence or a hole came before it, or its FIN met silence."""
    gap = _hole(connection, first.at) or _unheard(connection, first)
    quiet = None if gap is not None and gap.received_beyond else _silence_before(connection, first)
    if quiet is not None:
        return Ending(Kind.SILENCE, first.at, first.side.other, silence=quiet, later=first.at)
    if gap is not None:
        return Ending(Kind.HOLE, first.at, gap.sender, hole=gap, later=first.at)
    return None


def _unheard(connection: Connection, first: Close) -> Hole | None:
    """The closer never heard what the other side kept repeating: its own close, and what follows, still do not
    acknowledge it. Or nobody heard the closer: what it had said before its FIN is repeated in vain."""
    gap = hole(connection, first.side.other, None)
    if gap is not None and gap.repeats and gap.repeats[0] < first.at and not _foreign(first):
        return gap
    if first.fin is None or first.fin.acked is not None:
        return None
    gap = hole(connection, first.side, None, least_span_ns=0)  # who closes sends nothing new: what is missing stays so
    if gap is None or gap.offset >= first.fin.offset:
        return None
    return gap if gap.repeats or gap.answers[-1] > first.at else None


def _foreign(first: Close) -> bool:
    """A reset with a TTL that its side never had says nothing about what reached that side."""
    return first.reset is not None and first.reset.ttl not in dict(first.reset.ttl_before)


def _silence_before(connection: Connection, first: Close) -> Silence | None:
    quiet = silence(connection, first.side, first.at)
    if quiet is None and first.fin is not None and first.fin.acked is None:
        quiet = silence(connection, first.side, None, least_span_of_fin_ns(connection))
        if quiet is not None and quiet.last_sign is not None and quiet.last_sign > first.at:
            return None
    return quiet


def _hole(connection: Connection, before: Moment | None) -> Hole | None:
    return next((gap for gap in (hole(connection, side, before) for side in Side) if gap is not None), None)


def _by_close(session: Session, first: Close, closes: list[Close]) -> Ending:
    gone = _gone_already(first, closes)
    if gone is not None:
        return Ending(Kind.RST, gone.at, gone.side, reset=gone.reset)
    alert = _fatal_alert(session, first)
    if alert is not None:
        own = next((each for each in closes if each.side is alert[1]), first)
        return Ending(_kind(own), own.at, alert[1], own.fin, own.reset, alert=alert)
    said = farewell(session, closes)
    if said is not None:
        return _by_farewell(session, said, closes)
    second = crossing(first, closes)
    if second is not None and acted_first(session.connection, first, second):
        return _closed(session, second, crossed=True)
    return _closed(session, first, crossed=second is not None)


def _by_farewell(session: Session, said: Farewell, closes: list[Close]) -> Ending:
    """The server announced its close; the client may have closed before it knew."""
    goodbye = said.reply if said.reply.code == 421 else None
    side = Side.SERVER if said.server_first else Side.CLIENT
    own = next((each for each in closes if each.side is side), None)
    if own is None or (said.server_first and closes[0].side is Side.CLIENT and goodbye is not None):
        fin, reset = (own.fin, own.reset) if own is not None else (None, None)
        kind = _kind(own) if own is not None else Kind.FIN
        return Ending(kind, said.reply.at, side, fin, reset, goodbye=goodbye, crossed=said.crossed)
    return _closed(session, own, crossed=said.crossed, goodbye=goodbye if said.server_first else None)


def _closed(session: Session, own: Close, *, crossed: bool, goodbye: Reply | None = None) -> Ending:
    return Ending(
        _kind(own),
        own.at,
        own.side,
        own.fin,
        own.reset,
        goodbye=goodbye,
        crossed=crossed,
        missed=own.missed,
        unread=_unread(session.connection, own),
    )


def _unread(connection: Connection, first: Close) -> Moment | None:
    """The server's words that found the client gone: a bare reset answers them."""
    reset = first.reset
    if reset is None or first.side is not Side.CLIENT:
        return None
    cause = cause_of(connection, reset)
    return cause if cause < reset.at else None


def _gone_already(first: Close, closes: list[Close]) -> Close | None:
    """A FIN that draws a bare reset met a host that no longer had the connection: a slow one would acknowledge it."""
    if first.fin is None or first.fin.acked is not None:
        return None
    for close in closes[1:]:
        reset = close.reset
        if reset is not None and reset.bare and close.side is not first.side and reset.provoked_by == first.at:
            return close
    return None


def _kind(close: Close) -> Kind:
    return Kind.RST if close.reset is not None else Kind.FIN


def _fatal_alert(session: Session, first: Close) -> tuple[Moment, Side, str, str, int] | None:
    """The fatal alert in clear that came before any close, or that crossed the first one."""
    tls = session.dialogue.tls
    if tls is None:
        return None
    for alert in tls.alerts:
        at, side, level, _, end = alert
        if level != "fatal":
            continue
        fin = first.fin if first.side is not side else None
        crossed = fin is not None and fin.ack is not None and fin.ack < end
        if (at <= first.at or crossed) and not _answers(session.connection, at, fin):
            return alert
    return None


def _answers(connection: Connection, at: Moment, fin: Fin | None) -> bool:
    """The segment at this moment already acknowledges the FIN, so its sender had seen it."""
    return fin is not None and any(
        seg.at == at and seg.ack is not None and seg.ack > fin.offset for seg in connection.segments
    )
