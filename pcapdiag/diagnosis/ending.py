"""What ended the session, as the frames show it: the first close by cause, or the silence that stood in its place.

A connection becomes one `Ending`. Who is to be named for it is not decided here: rules go from a `Side` to a `Party`.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from pcapdiag.capture.table import IcmpError
from pcapdiag.diagnosis.quitting import Quit, TlsEnd, encrypted_quit, quit_that_counts
from pcapdiag.diagnosis.silence import Hole, Silence, hole, least_span_of_fin_ns, silence
from pcapdiag.model import Moment, Side
from pcapdiag.session import Session
from pcapdiag.smtp.dialogue import DOT, Reply
from pcapdiag.tcp.connection import Connection, Effect, Fin, Reset

AT_ONCE_NS = 500_000_000
"""A FIN within this time of the QUIT belongs to it."""


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
    later: Moment | None = None
    """The give-up that followed a silence or a hole."""
    unread: Moment | None = None
    """The other side's segment that met no socket any more and drew the reset: its sender had gone before it came."""


class Close(NamedTuple):
    """A FIN or RST that counts as an act of the side it names."""

    at: Moment
    side: Side
    fin: Fin | None
    reset: Reset | None


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
    """The server's direction was not captured, but the client acknowledges what it sent: the handshake was completed."""
    client, server = connection.halves
    return not server.packets and (client.octets > 0 or server.acked > 0 or any(seg.ack for seg in connection.segments))


def closes_of(session: Session) -> list[Close]:
    """The FINs and RSTs that count, in the order in which their senders acted as far as the capture can tell."""
    connection = session.connection
    polite = [fin for fin in connection.closing.fins if fin.accepted and _half_close(session, fin)]
    closes = [
        Close(fin.at, fin.side, fin, None) for fin in connection.closing.fins if fin.accepted and fin not in polite
    ]
    sides = {fin.side for fin in polite} - {close.side for close in closes}
    for reset in connection.closing.resets:
        late = any(close.at < cause_of(connection, reset) for close in closes)
        if reset.effect is Effect.ENDED or (reset.effect is Effect.ECHO and reset.claimed in sides and not late):
            closes.append(Close(reset.at, reset.claimed, None, reset))
    closes.sort(key=lambda close: close.at if close.reset is None else cause_of(connection, close.reset))
    return closes


def cause_of(connection: Connection, reset: Reset) -> Moment:
    """When its sender had acted already: a bare reset tells that the socket was gone when the first of the other side's
    segments that it can answer, and that was never acknowledged, arrived."""
    if reset.bare and reset.provoked_by is not None:
        seen = connection.half(reset.claimed.other).acked
        for seg in connection.segments:
            if seg.at > reset.provoked_by:
                break
            fits = seg.side is not reset.claimed and seg.ack == reset.offset and seg.offset >= seen
            if fits and (seg.length or seg.is_fin):
                return seg.at
    return reset.at


def _half_close(session: Session, fin: Fin) -> bool:
    """Exim as client sends the final dot, QUIT and FIN in one go: no drop, it still waits for the reply.

    A FIN that comes later than the QUIT is polite only when the reply was still taken in: else it is how a client gives up
    that had pipelined its QUIT (Postfix).
    """
    if fin.side is not Side.CLIENT:
        return False
    ahead = [each for each in session.dialogue.exchanges if each.command.offset < fin.offset]
    if not ahead or ahead[-1].command.verb != b"QUIT":
        return False
    waiting = [each for each in ahead[:-1] if each.reply is None or each.reply.at > fin.at]
    content = [each for each in waiting if each.command.verb in (DOT, b"BDAT")]
    if not content:
        return False
    if fin.at.time_ns - ahead[-1].command.at.time_ns < AT_ONCE_NS:
        return True
    acked = session.connection.halves[1].acked
    return all(each.reply is not None and each.reply.end <= acked for each in content)


def _after_quit(connection: Connection, quit_: Quit, closes: list[Close]) -> Ending:
    if quit_.reply is None:
        quiet = silence(connection, Side.CLIENT, None)
        if quiet is not None and quiet.unanswered <= quit_.at and not any(each.side is Side.SERVER for each in closes):
            last = closes[0].at if closes else None
            return Ending(Kind.SILENCE, last or quiet.repeats[-1], Side.SERVER, silence=quiet, quit=quit_, later=last)
    if not closes:
        return Ending(Kind.OPEN, connection.last, quit=quit_)
    return Ending(Kind.QUIT, closes[0].at, closes[0].side, fin=closes[0].fin, reset=closes[0].reset, quit=quit_)


def _too_little(session: Session, closes: list[Close]) -> bool:
    """A capture that began after the story: nothing said was recognised, or only closes were seen."""
    connection = session.connection
    octets = sum(half.octets for half in connection.halves)
    packets = sum(half.packets for half in connection.halves)
    if closes and not any(seg.new for seg in connection.segments if seg.at < closes[0].at):
        return True
    return not session.dialogue.recognised and (octets == 0 or packets < 4)


def _icmp_end(connection: Connection, first: Close | None) -> Ending | None:
    """An ICMP error after which the side it spoke about sent nothing more."""
    for at, error in connection.icmp:
        if error.path_mtu or not (error.prohibited or error.unreachable):
            continue
        quoted = Side.CLIENT if (error.src, error.srcport) == connection.client else Side.SERVER
        if any(seg.side is quoted.other and seg.at > at for seg in connection.segments):
            continue
        if first is not None and first.at < at:
            continue
        return Ending(Kind.ICMP, at, quoted, icmp=error, later=first.at if first else None)
    return None


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
    if gap is not None and gap.repeats and gap.repeats[0] < first.at:
        return gap
    if first.fin is None or first.fin.acked is not None:
        return None
    gap = hole(connection, first.side, None, least_span_ns=0)  # who closes sends nothing new: what is missing stays so
    if gap is None or gap.offset >= first.fin.offset:
        return None
    return gap if gap.repeats or gap.answers[-1] > first.at else None


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
    goodbye = _goodbye(session, first)
    drawn = first.reset is not None and goodbye is not None and cause_of(session.connection, first.reset) <= goodbye.at
    if goodbye is not None and first.side is Side.CLIENT and not drawn:
        own = next((each for each in closes if each.side is Side.SERVER), first)
        return Ending(
            _kind(own) if own.side is Side.SERVER else Kind.FIN,
            goodbye.at,
            Side.SERVER,
            own.fin,
            own.reset,
            goodbye=goodbye,
        )
    crossing = _crossing(session.connection, first, closes)
    if crossing is not None and _acted_first(session, first, crossing):
        return Ending(Kind.FIN, crossing.at, crossing.side, crossing.fin, goodbye=goodbye, crossed=True)
    return Ending(
        _kind(first),
        first.at,
        first.side,
        first.fin,
        first.reset,
        goodbye=goodbye,
        crossed=crossing is not None,
        unread=_unread(session.connection, first),
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
    return Kind.FIN if close.fin is not None else Kind.RST


def _fatal_alert(session: Session, first: Close) -> tuple[Moment, Side, str, str, int] | None:
    """The fatal alert in clear that came before any close, or that crossed the first one."""
    tls = session.dialogue.tls
    if tls is None:
        return None
    for alert in tls.alerts:
        at, side, level, _, end = alert
        if level != "fatal":
            continue
        crossed = first.side is not side and first.fin is not None and first.fin.ack is not None and first.fin.ack < end
        if at <= first.at or (crossed and not _answers(session.connection, at, first.fin)):
            return alert
    return None


def _answers(connection: Connection, at: Moment, fin: Fin | None) -> bool:
    """The segment at this moment already acknowledges the FIN, so its sender had seen it."""
    return fin is not None and any(
        seg.at == at and seg.ack is not None and seg.ack > fin.offset for seg in connection.segments
    )


def _goodbye(session: Session, first: Close) -> Reply | None:
    """The server's 421, when it was the last thing it said before the close."""
    last = None
    for entry in session.dialogue.entries:
        if isinstance(entry, Reply):
            if entry.at > first.at:
                break
            last = entry
    return last if last is not None and last.code == 421 and last.complete else None


def _crossing(connection: Connection, first: Close, closes: list[Close]) -> Close | None:
    """The other side's FIN, when it was sent before the first one had arrived."""
    if first.fin is None:
        return None
    for close in closes:
        if close.side is not first.side and close.fin is not None and close.fin.ack is not None:
            return close if close.fin.ack <= first.fin.offset else None
    return None


def _acted_first(session: Session, first: Close, crossing: Close) -> bool:
    """Of two FINs that crossed: did the one that stands second in the capture act first?

    A server that had just refused closes by itself; otherwise half a round trip speaks for the frame that had to travel.
    """
    if crossing.side is Side.SERVER:
        replies = [entry for entry in session.dialogue.entries if isinstance(entry, Reply) and entry.at < crossing.at]
        if replies and replies[-1].code >= 400 and crossing.at.time_ns - replies[-1].at.time_ns < 1_000_000_000:
            return True
    handshake = session.connection.handshake
    leg = handshake.server_leg_ns if crossing.side is Side.SERVER else handshake.client_leg_ns
    return leg is not None and crossing.at.time_ns - first.at.time_ns < leg // 2
