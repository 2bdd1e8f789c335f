"""Had the server answered what stood before a QUIT? By replies that were seen, and by holes that can only hold replies.

Replies come in the order of their commands (RFC 2920 section 3.2), so one that came proves all before it.
"""

from __future__ import annotations

from collections.abc import Iterable

from pcapdiag.model import Side
from pcapdiag.session import Session
from pcapdiag.smtp.dialogue import Body, Command, Entry, Exchange, Missing, Reply
from pcapdiag.tcp.connection import Connection, Effect, Fin, GapReason, Odd

ACKNOWLEDGED = (GapReason.CAPTURE.value, GapReason.SNAPLEN.value)
"""Reasons of holes whose octets the other side had."""

_SERVER = Side.SERVER
"""Looked up once: members of an enumeration are slow to reach."""


def ends_in_hole(entries: tuple[Entry, ...], body: Body) -> bool:
    """The last octets of this stretch of content were not captured, though the other side had them."""
    return any(isinstance(each, Missing) and each.at == body.at and each.reason in ACKNOWLEDGED for each in entries)


def server_fin(connection: Connection) -> Fin | None:
    """The server's FIN that counts."""
    for fin in connection.closing.fins:
        if fin.side is _SERVER and fin.accepted:
            return fin
    return None


def goodbye_heard(connection: Connection, command: Command, reply: Reply | None) -> bool:
    """The QUIT was answered 221. A server whose FIN, behind the 221, still lacks the QUIT had said so by itself."""
    if reply is None or reply.code != 221:
        return False
    fin = server_fin(connection)
    return fin is None or fin.ack is None or fin.at < reply.at or fin.ack >= command.end


def fin_unseen(connection: Connection) -> bool:
    """The client acknowledged one octet behind the server's last: a FIN that the capture missed."""
    server = connection.halves[1]
    if not server.packets or server.acked != server.octets + 1 or server.missing:
        return False
    return not any(fin.side is Side.SERVER for fin in connection.closing.fins)


def sent_after_unseen_fin(connection: Connection, command: Command) -> bool:
    """The segment that brought the command acknowledges that FIN."""
    if not fin_unseen(connection):
        return False
    acks = [seg.ack for seg in connection.segments if seg.at == command.start and seg.side is Side.CLIENT]
    return any(ack is not None and ack > connection.halves[1].octets for ack in acks)


def server_closed(connection: Connection) -> bool:
    """By a FIN, seen or not, or by a reset in its name that its receiver obeyed."""
    return (
        server_fin(connection) is not None
        or fin_unseen(connection)
        or any(each.claimed is Side.SERVER and each.effect is Effect.ENDED for each in connection.closing.resets)
    )


def all_acknowledged(connection: Connection, replies: Iterable[Reply | None]) -> bool:
    """Each of the replies was seen, all of it, and the client's TCP acknowledged it."""
    acked = connection.halves[1].acked
    for reply in replies:  # noqa: SIM110 - `all` over a generator takes twice as long, and every session comes here
        if reply is None or not reply.complete or reply.end > acked:
            return False
    return True


def hardly_lost(connection: Connection, reply: Reply) -> bool:
    """Nothing of the client was captured behind the reply, so no acknowledgement could be, and the server did not repeat
    it: the capture ended too soon, or left pure acknowledgements out."""
    last = connection.halves[0].last
    if not reply.complete or last is None or last > reply.at:
        return False
    if any(each.claimed is Side.SERVER and each.effect is Effect.ENDED for each in connection.closing.resets):
        return False
    return not any(
        seg.side is Side.SERVER and seg.at > reply.at and seg.odd & Odd.RETRANSMISSION and seg.offset < reply.end
        for seg in connection.segments
    )


def all_seen(connection: Connection, exchanges: tuple[Exchange, ...]) -> bool:
    """Nothing of the client is unknown; each of the exchanges had its reply, and the client's TCP acknowledged that."""
    if connection.midway or connection.halves[0].missing:
        return False
    return all_acknowledged(connection, [reply for _, reply, _ in exchanges])


def all_answered(session: Session, exchanges: tuple[Exchange, ...], quit_: Exchange) -> bool:
    """Each of the exchanges before the QUIT had its reply, and the client's TCP had that reply, though not all was seen.

    One without a reply had it in a hole of the server's octets that the client acknowledged, behind the command and
    before either the QUIT or the 221 to it. Where nothing of the server was captured, all is a hole. What was not captured
    of the client (a hole, or all before a capture's beginning) may have been a command: behind that, too, the server must
    have said something.
    """
    connection = session.connection
    unknown = connection.midway or connection.halves[0].missing
    entries = session.dialogue.entries
    until = _place(entries, quit_.command)
    if goodbye_heard(connection, quit_.command, quit_.reply) and quit_.reply is not None:
        until = _place(entries, quit_.reply)
    if unknown and not _said(entries, _last_unknown(entries, until), until):
        return goodbye_heard(connection, quit_.command, quit_.reply)
    for each in reversed(exchanges):
        if each.reply is not None:
            if not all_acknowledged(connection, (each.reply,)) and not hardly_lost(connection, each.reply):
                return False
        elif not connection.halves[1].packets or not any(
            _hole(entry) for entry in entries[_place(entries, each.command) + 1 : until]
        ):
            return False
    return True


def _place(entries: tuple[Entry, ...], sought: Command | Reply) -> int:
    """Where it stands among the entries; of one that was forgotten, where it would."""
    for place, entry in enumerate(entries):
        if entry is sought:
            return place
    return sum(1 for entry in entries if entry.at <= sought.at)


def _hole(entry: Entry) -> bool:
    return isinstance(entry, Missing) and entry.side is Side.SERVER and entry.reason in ACKNOWLEDGED


def _last_unknown(entries: tuple[Entry, ...], until: int) -> int:
    """Behind the last hole of the client's octets."""
    for place in range(min(until, len(entries)) - 1, -1, -1):
        entry = entries[place]
        if isinstance(entry, Missing) and entry.side is Side.CLIENT and entry.reason == GapReason.CAPTURE.value:
            return place + 1
    return 0


def _said(entries: tuple[Entry, ...], begin: int, until: int) -> bool:
    """The server said something between two places."""
    return any(isinstance(entry, Reply) or _hole(entry) for entry in entries[begin:until])
