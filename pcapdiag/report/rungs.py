"""A session's rows to rungs: which words each event gets, and how loud it is said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

from pcapdiag.analysis import Judged
from pcapdiag.model import Moment, Side
from pcapdiag.report.clean import duration_text, safe_text, wire_line, wire_text
from pcapdiag.report.ladder import Row, RowKind, ladder
from pcapdiag.report.words import SIDE, count
from pcapdiag.smtp.dialogue import DOT
from pcapdiag.tcp.connection import Connection


class Tone(Enum):
    """How a rung should strike the eye."""

    PLAIN = "plain"
    QUIET = "quiet"
    WARN = "warn"
    BAD = "bad"
    END = "end"


@dataclass(frozen=True, slots=True)
class Rung:
    """One line of the ladder."""

    at: Moment
    side: Side | None
    """Who sent it; None: nobody did (silence, an ICMP error of a third machine, a remark)."""
    text: str
    """Cleaned text; a line feed begins another line."""
    tone: Tone = Tone.PLAIN
    whole: bool = False
    """Told in full, over several lines if it must."""
    end: bool = False
    """The event that ended the session: marked with a cross."""
    timed: bool = True
    """False: it stands between two frames and has none of its own."""
    kind: RowKind | None = None
    """What it tells of; None: the handshake."""
    last: Moment | None = None
    """The last frame of a run of retransmissions."""


def rungs(judged: Judged) -> list[Rung]:
    """Everything the ladder of that session shows, in time order."""
    told = [*_opening(judged.session.connection), *(_rung(row, judged) for row, _ in ladder(judged))]
    return sorted(told, key=lambda rung: rung.at)


def _opening(connection: Connection) -> Iterator[Rung]:
    """The first SYN and SYN+ACK; their repetitions are retransmissions like any other."""
    handshake = connection.handshake
    if handshake.syns:
        yield Rung(handshake.syns[0], Side.CLIENT, f"SYN to port {connection.server.port}", Tone.QUIET)
    if handshake.synacks:
        yield Rung(handshake.synacks[0], Side.SERVER, "SYN+ACK", Tone.QUIET)


def _rung(row: Row, judged: Judged) -> Rung:
    rung = replace(_told(row, forged=row.at in judged.verdict.forged), kind=row.kind, last=row.last)
    ended = row.at == judged.verdict.end and row.kind in (RowKind.FIN, RowKind.RST, RowKind.ICMP)
    if ended and row.kind is RowKind.RST and rung.tone is Tone.QUIET:
        rung = replace(rung, text=EFFECTS["ended"], tone=Tone.END)  # behind its own side's FIN, and yet the end
    return replace(rung, end=True) if ended else rung


def _told(row: Row, *, forged: bool) -> Rung:
    match row.kind:
        case RowKind.GREETING | RowKind.REPLY:
            return _reply(row)
        case RowKind.COMMAND:
            return _command(row)
        case RowKind.BODY:
            text = _with(f"message, {count(row.octets or 0, 'octet')}", row.says)
            return Rung(row.at, row.side, text, Tone.QUIET, whole=True)
        case RowKind.TLS:
            return _tls(row)
        case RowKind.GAP:
            text = f"? {count(row.octets or 0, 'octet')}: {row.says or 'missing'}"
            return Rung(row.at, row.side, text, Tone.WARN, whole=True)
        case RowKind.RETRANSMISSION:
            return Rung(row.at, row.side, _again(row), Tone.WARN, whole=True)
        case RowKind.FIN:
            says = (
                "FIN, forged" if forged else "FIN, refused by its receiver" if row.says else "FIN: nothing more to send"
            )
            return Rung(row.at, row.side, says, Tone.END if forged else Tone.BAD, whole=True)
        case RowKind.RST:
            return _reset(row)
        case RowKind.ICMP:
            return Rung(row.at, None, f"{safe_text(row.sender or '')}: {safe_text(row.says)}", Tone.BAD, whole=True)
        case RowKind.SILENCE:
            return _silence(row)


def _tls(row: Row) -> Rung:
    if "alert" in row.says:
        return Rung(
            row.at, row.side, f"TLS: {safe_text(row.says)}", Tone.BAD if "fatal" in row.says else Tone.WARN, whole=True
        )
    return Rung(row.at, row.side, f"TLS: {safe_text(row.says)}, {count(row.octets or 0, 'octet')}", Tone.QUIET)


def _reply(row: Row) -> Rung:
    code = row.code or 0
    tone = Tone.BAD if code >= 500 else Tone.WARN if code >= 400 else Tone.PLAIN
    text = wire_text(row.wire)
    if row.enhanced and not text.startswith(wire_line(row.enhanced)):
        text = f"{wire_line(row.enhanced)} {text}"
    return Rung(row.at, row.side, _with(f"{code:03d} {text}", row.says), tone, whole=code >= 400)


def _command(row: Row) -> Rung:
    if row.verb == DOT:
        return Rung(row.at, row.side, ".  (end of the message)")
    if row.verb == b"*":
        return Rung(row.at, row.side, f"*** ({row.says})")
    if not row.wire:
        return Rung(row.at, row.side, _with("(a line that is no command)", row.says), Tone.WARN)
    return Rung(row.at, row.side, _with(wire_line(row.wire), row.says))


def _again(row: Row) -> str:
    octets = f", {count(row.octets, 'octet')}" if row.octets else ""
    if row.segments == 1:
        return f"sent again{octets}"
    return f"sent again {row.segments:,} times in {duration_text(row.duration_ns or 0)}{octets}"


EFFECTS = {
    "ended": "RST: the connection is gone",
    "echo": "RST, an echo: it was over before",
    "refused": "RST, out of place: nobody obeyed it",
    "forged": "RST, forged",
}


def _reset(row: Row) -> Rung:
    """A reset's flags and effect, as the row has them: ``RA, ended``."""
    effect = row.says.rpartition(", ")[2]
    tone = Tone.QUIET if effect == "echo" else Tone.WARN if effect == "refused" else Tone.END
    return Rung(row.at, row.side, EFFECTS.get(effect, f"RST, {effect}"), tone, whole=True)


def _silence(row: Row) -> Rung:
    turn = f", {SIDE[row.side]}'s turn" if row.side is not None else ""
    return Rung(row.at, None, f"{duration_text(row.duration_ns or 0)} of silence{turn}", Tone.WARN, timed=False)


def _with(text: str, remark: str) -> str:
    """`text` with our remark behind its first line."""
    if not remark:
        return text
    first, feed, rest = text.partition("\n")
    return f"{first} ({safe_text(remark)}){feed}{rest}"
