"""A session's ladder: what was said and the TCP events between, as rows in time order.

Reports draw these rows (text) or list them (JSON field `dialogue`). Text from the wire is still octets here.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from operator import attrgetter
from typing import NamedTuple

from pcapdiag.analysis import Judged
from pcapdiag.capture.table import FIN, SYN, IcmpError
from pcapdiag.model import Moment, Side
from pcapdiag.report.facts import effect_of, flag_letters
from pcapdiag.smtp.dialogue import DOT, Body, Command, Dialogue, Entry, Missing, Reply, TlsEntry
from pcapdiag.tcp.connection import Connection, Effect, Odd

SILENCE_NS = 10_000_000_000
"""From this length on nothing said is something to show: longer than slow replies, shorter than anybody's timer but
Postfix's under stress."""


class RowKind(Enum):
    """What a row shows (JSON `dialogue[].kind`)."""

    GREETING = "greeting"
    COMMAND = "command"
    REPLY = "reply"
    BODY = "body"
    TLS = "tls"
    GAP = "gap"
    RETRANSMISSION = "retransmission"
    FIN = "fin"
    RST = "rst"
    ICMP = "icmp"
    SILENCE = "silence"


class Row(NamedTuple):
    """One row."""

    at: Moment
    side: Side | None
    """Who sent it, as the frame says; for silence, whose turn it was; None for ICMP, and where it is not known."""
    kind: RowKind
    says: str = ""
    """Our words."""
    wire: bytes = b""
    """Text from the wire, lines of a reply joined by LF."""
    code: int | None = None
    enhanced: bytes | None = None
    verb: bytes | None = None
    octets: int | None = None
    segments: int = 1
    """How many segments a retransmission row stands for: a run of one side without anything else between."""
    duration_ns: int | None = None
    """How long silence lasted, or a run of retransmissions."""
    last: Moment | None = None
    """The last segment of a run of retransmissions."""
    sender: str | None = None
    """Address of the device that sent the ICMP error."""


def ladder(judged: Judged) -> Iterator[tuple[Row, int]]:
    """Rows with the nanoseconds since the row before (since the session's first frame for the first)."""
    connection, dialogue = judged.session.connection, judged.session.dialogue
    before = connection.first.time_ns
    for row in _with_silence(_merged(judged), connection, dialogue):
        yield row, row.at.time_ns - before
        before = row.at.time_ns


def _merged(judged: Judged) -> list[Row]:
    connection, dialogue = judged.session.connection, judged.session.dialogue
    rows = [_entry_row(entry, dialogue) for entry in dialogue.entries]
    rows += [Row(fin.at, fin.side, RowKind.FIN, "" if fin.accepted else "refused") for fin in connection.closing.fins]
    for reset in connection.closing.resets:
        says = f"{flag_letters(reset.flags)}, {effect_of(reset, judged.verdict)}"
        rows.append(Row(reset.at, reset.claimed, RowKind.RST, says))
    rows += [Row(at, None, RowKind.ICMP, icmp_says(error), sender=error.sender) for at, error in connection.icmp]
    for segment in connection.segments:
        if segment.odd is not _ORDINARY and segment.odd & Odd.RETRANSMISSION:
            says = "+".join([name for bit, name in _SENT_AGAIN if segment.flags & bit])
            rows.append(Row(segment.at, segment.side, RowKind.RETRANSMISSION, says, octets=segment.length))
    rows.sort(key=attrgetter("at"))
    return list(_runs(rows))


_ORDINARY = Odd.NONE  # most segments are: to ask for a flag costs more than all the rest of this
_SENT_AGAIN = ((SYN, "SYN"), (FIN, "FIN"))


def _runs(rows: list[Row]) -> Iterator[Row]:
    """Retransmissions of one side with nothing else between become one row."""
    held: Row | None = None
    for row in rows:
        if held is not None and row.kind is RowKind.RETRANSMISSION and row.side is held.side:
            held = held._replace(
                segments=held.segments + 1,
                octets=(held.octets or 0) + (row.octets or 0),
                duration_ns=row.at.time_ns - held.at.time_ns,
                last=row.at,
            )
            continue
        if held is not None:
            yield held
            held = None
        if row.kind is RowKind.RETRANSMISSION:
            held = row
        else:
            yield row
    if held is not None:
        yield held


def _with_silence(rows: list[Row], connection: Connection, dialogue: Dialogue) -> Iterator[Row]:
    """Rows, and between them the stretches in which nothing was said."""
    last: Row | None = None
    for row in rows:
        if last is not None and row.at.time_ns - _end(last).time_ns >= SILENCE_NS:
            yield _silence(last, row.at.time_ns, dialogue)
        yield row
        last = row
    if last is not None and not _over(connection) and connection.until_ns - _end(last).time_ns >= SILENCE_NS:
        yield _silence(last, connection.until_ns, dialogue)


def _over(connection: Connection) -> bool:
    """Both sides closed, or a reset was obeyed: what follows is no silence but the end."""
    closed = {fin.side for fin in connection.closing.fins if fin.accepted}
    return len(closed) == 2 or any(reset.effect is not Effect.REFUSED for reset in connection.closing.resets)


def _end(row: Row) -> Moment:
    return row.last or row.at


def _silence(last: Row, until_ns: int, dialogue: Dialogue) -> Row:
    """The silence behind a row, at that row's frame: nothing else marks where it began."""
    began = _end(last)
    position = dialogue.position_at(began._replace(frame=began.frame + 1))
    return Row(began, position.owing if position else None, RowKind.SILENCE, duration_ns=until_ns - began.time_ns)


def _entry_row(entry: Entry, dialogue: Dialogue) -> Row:
    match entry:
        case Reply():
            return _reply_row(entry, entry == dialogue.greeting)
        case Command():
            return _command_row(entry)
        case Body():
            says = "BDAT" if entry.chunk else ""
            if entry.missing:
                says += f"{', ' if says else ''}{entry.missing:,} octets of it not captured"
            if not entry.complete:
                says += f"{', ' if says else ''}not complete"
            return Row(entry.at, Side.CLIENT, RowKind.BODY, says, octets=entry.octets)
        case TlsEntry():
            return Row(entry.at, entry.side, RowKind.TLS, entry.says, octets=entry.length)
        case Missing():
            return Row(entry.at, entry.side, RowKind.GAP, _WHY_MISSING.get(entry.reason, ""), octets=entry.octets)


_WHY_MISSING = {
    "capture": "acknowledged, not captured",
    "path": "lost on the path before this capture",
    "snaplen": "cut off by the snap length",
}


def _reply_row(reply: Reply, greeting: bool) -> Row:
    kind = RowKind.GREETING if greeting else RowKind.REPLY
    says = "unasked" if reply.unasked and not greeting else ""
    if not reply.complete:
        says += f"{', ' if says else ''}not complete"
    return Row(reply.at, Side.SERVER, kind, says, reply.text, reply.code, reply.enhanced)


def _command_row(command: Command) -> Row:
    if command.verb == DOT:
        return Row(command.at, Side.CLIENT, RowKind.COMMAND, "end of data", DOT, verb=DOT)
    if command.verb == b"*":
        return Row(command.at, Side.CLIENT, RowKind.COMMAND, "credentials, not kept", verb=b"*")
    text = b" ".join([part for part in (command.verb, command.argument) if part])
    return Row(command.at, Side.CLIENT, RowKind.COMMAND, "cut" if command.cut else "", text, verb=command.verb)


def icmp_says(error: IcmpError) -> str:
    """What an ICMP error says, in words and numbers."""
    numbers = f"ICMP{'v6' if error.version == 6 else ''} type {error.type} code {error.code}"
    if error.path_mtu:
        return f"{numbers}: packet too big" + (f", next-hop MTU {error.mtu}" if error.mtu is not None else "")
    if error.prohibited:
        return f"{numbers}: prohibited"
    if error.time_exceeded:
        return f"{numbers}: time exceeded"
    return f"{numbers}: unreachable" if error.unreachable else numbers
