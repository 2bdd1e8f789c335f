"""Did the session end by agreement? A QUIT that counts, in clear text or (by the lengths of the last records) in TLS."""

from __future__ import annotations

from typing import NamedTuple

from pcapdiag.diagnosis.answers import (
    all_acknowledged,
    all_answered,
    all_seen,
    goodbye_heard,
    sent_after_unseen_fin,
    server_closed,
    server_fin,
)
from pcapdiag.diagnosis.closes import acknowledged_by
from pcapdiag.model import Moment, Side
from pcapdiag.session import Session
from pcapdiag.smtp.dialogue import Command, Reply, Tls, TlsEntry
from pcapdiag.smtp.tls_suites import overhead
from pcapdiag.tcp.connection import Connection, Effect, Reset

APPLICATION_DATA = 23
"""TLS record type (RFC 8446 section 5.1)."""

PAUSE_NS = 1_000_000_000
"""A close that follows the last answer within this time follows it without a pause."""


class Quit(NamedTuple):
    """The QUIT that ended the session, or the 221 that proves it where the client's octets were not captured."""

    at: Moment
    command: Command | None
    reply: Reply | None
    whole: bool = False
    """Nothing stands behind it, and every reply before it was seen, all of it, and acknowledged by the client's TCP."""


def quit_that_counts(session: Session) -> Quit | None:
    """The QUIT that ends the session by agreement.

    It counts only when every earlier command has had its reply and the client's TCP acknowledged that reply, and when
    it was not sent after the server's FIN or RST nor crossed one: Postfix and Exim pipeline QUIT behind the final dot,
    and behind a dot without its reply a QUIT says nothing about the mail.
    """
    exchanges, connection = session.dialogue.exchanges, session.connection
    for index in range(len(exchanges) - 1, -1, -1):
        command, reply, _ = exchanges[index]
        if command.verb == b"QUIT":
            if command.cut and index + 1 < len(exchanges):
                return None  # six octets that were not the last: another command
            before = exchanges[:index]
            seen = all_seen(connection, before)  # nearly always
            if not seen and not all_answered(session, before, exchanges[index]):
                return None
            if not goodbye_heard(connection, command, reply) and (
                _crossed_by_fin(connection, command)
                or _crossed_by_reset(session, command)
                or sent_after_unseen_fin(connection, command)
                or _after_early_goodbye(session, command, reply)
            ):
                return None
            return Quit(command.at, command, reply, seen and index + 1 == len(exchanges))
    return _goodbye_alone(session)


def _crossed_by_fin(connection: Connection, command: Command) -> bool:
    """The server's FIN did not yet acknowledge the whole QUIT: it was sent before the QUIT arrived."""
    fin = server_fin(connection)
    return fin is not None and (fin.ack < command.end if fin.ack is not None else fin.at < command.start)


def _crossed_by_reset(session: Session, command: Command) -> bool:
    for reset in session.connection.closing.resets:
        if reset.claimed is Side.SERVER and reset.effect is Effect.ENDED:
            return reset_before(session.connection, reset, command.end, command.start)
    return False


def reset_before(connection: Connection, reset: Reset, offset: int, sent: Moment) -> bool:
    """True when the reset was sent before its sender had received the other side's stream up to `offset`."""
    ack = acknowledged_by(connection, reset)
    if ack is not None:
        return ack < offset
    if reset.provoked_by is not None:
        return reset.provoked_by < sent
    return reset.at < sent


def _after_early_goodbye(session: Session, command: Command, reply: Reply | None) -> bool:
    """The server announced its close by 421, unasked or in answer to what stood before the QUIT in the pipeline, and then
    closed without a 221: whatever QUIT crosses it."""
    for entry in session.dialogue.entries:
        if isinstance(entry, Reply) and entry.code == 421 and (entry.unasked or command.at <= entry.at):
            return server_closed(session.connection)
    return False


def _goodbye_alone(session: Session) -> Quit | None:
    """Where the client's octets were not captured, the server's 221 counts."""
    client = session.connection.halves[0]
    if client.packets and client.octets and not (client.missing or client.cut):
        return None
    replies = [each.reply for each in session.dialogue.exchanges]
    if client.packets and not all_acknowledged(session.connection, replies):
        return None
    for entry in reversed(session.dialogue.entries):
        if isinstance(entry, Reply):
            return Quit(entry.at, None, entry) if entry.code == 221 and entry.complete else None
    return None


# --- Inside TLS ------------------------------------------------------------------------------------------------------

LIKELY_OVERHEADS = (16, 17, 20, 24)
"""Where the cipher suite is not known, or is none that settles it, the octets by which a record may be longer than its content:
ChaCha20 of TLS 1.2 (16), TLS 1.3 (17), RC4 with SHA-1 (20), GCM and CCM of TLS 1.2 (24). See `pcapdiag.smtp.tls_suites`."""

BLOCKS = frozenset({32, 48, 64, 80})
"""The same for the CBC suites: 6 to 11 octets and a MAC of 20, 32 or 48, padded to 16, with and without explicit IV."""

FAREWELLS = (5, 6, 9, 11)
"""Octets of a QUIT with LF or CR LF, and of one behind the end of data, without and with the line end before the dot."""

LEAST_TAIL = 200
"""A record at least so long is message content, behind which the end of data and QUIT may stand in the same record."""


class TlsEnd(NamedTuple):
    """How the application records of an encrypted session end."""

    last_client: TlsEntry
    last_server: TlsEntry
    quit_sized: bool
    """The client's last record has exactly the length of a QUIT, alone or behind the end of data."""
    behind_content: bool
    """The client's record before was message content: what has the length of a QUIT is hardly a DATA."""
    farewells: int
    """Application records of the server behind the client's last one."""


def encrypted_quit(session: Session, close: Moment) -> TlsEnd | None:
    """The encrypted end, when it looks like a QUIT that was answered and the close following without a pause.

    The last application record (alerts not counted) is the server's and follows one of the client; the client's is long
    enough for a QUIT, and either has its length, or can be the end of a message with QUIT pipelined behind it. Without the
    server's answer only a QUIT's length right behind the content of a message is taken for one.
    """
    tls = session.dialogue.tls
    if tls is None or tls.finished is None:
        return None
    records = [entry for entry in tls.records if entry.type == APPLICATION_DATA and "alert" not in entry.says]
    records = [entry for entry in records if entry.at <= close]
    client = next((entry for entry in reversed(records) if entry.side is Side.CLIENT), None)
    server = next((entry for entry in reversed(records) if entry.side is Side.SERVER), None)
    if client is None or server is None or close.time_ns - max(server.at, client.at).time_ns > PAUSE_NS:
        return None
    exact = _fits(client.length, tls, FAREWELLS)
    earlier = [entry for entry in records if entry.side is Side.CLIENT and entry is not client]
    behind_content = bool(earlier) and earlier[-1].length >= LEAST_TAIL
    farewells = sum(1 for entry in records if entry.side is Side.SERVER and entry.at > client.at)
    if farewells == 0 and not (exact and behind_content):
        return None
    if not exact and client.length < LEAST_TAIL:
        return None
    return TlsEnd(client, server, exact, behind_content, farewells)


def last_record(session: Session, close: Moment) -> Moment | None:
    """The last news before an encrypted session's first close, told by the records: no segment need be made for it.

    Where all octets of both sides were captured and none came late, and the FIN of each side stands right behind its last
    record, no other segment brought anything new after these records. None: elsewhere it is for the segments to tell.
    """
    connection, tls = session.connection, session.dialogue.tls
    fins = connection.closing.fins
    if tls is None or len(fins) != 2 or fins[0].side is fins[1].side:
        return None
    found: list[Moment] = []
    for fin in fins:
        half = connection.half(fin.side)
        if fin.at < close or half.missing or half.cut or half.out_of_order:
            return None
        for record in reversed(tls.records):
            if record.side is fin.side:
                if record.end != fin.offset or record.at >= close:
                    return None
                found.append(record.at)
                break
    return max(found) if len(found) == 2 else None


def _fits(length: int, tls: Tls, contents: tuple[int, ...]) -> bool:
    """A record of this length can hold exactly so many octets."""
    known = overhead(tls.version, tls.suite)
    if known is not None:
        return length - known in contents
    return length in BLOCKS or any(length - added in contents for added in LIKELY_OVERHEADS)
