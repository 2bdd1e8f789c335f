"""What the capture itself makes doubtful: octets that it lacks may hold the words that decide who ended the session."""

from __future__ import annotations

from typing import NamedTuple

from pcapdiag.diagnosis.answers import ends_in_hole
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.model import Party, Side
from pcapdiag.smtp.dialogue import DOT, Body, Command, Entry, Missing, Reply, TlsEntry
from pcapdiag.tcp.connection import Connection, Fin, GapReason

ALERT = 21
"""TLS record type (RFC 8446 section 5.1): a farewell in TLS is no word of the dialogue."""

SHORTEST_QUIT = len(b"QUIT\n")

LONGEST_LINE = 64
"""A segment that is longer, and of which nothing was captured, holds more than a command: content, or a pipeline."""


class Doubt(NamedTuple):
    """Why a claim about somebody is worth less."""

    says: str
    lowers: bool
    """Something that decides may be hidden: a likely claim is only possible. Else only a proof is none any more."""
    orderly: bool = True
    """An orderly end may be what is hidden."""


def doubt_about(see: Observation, party: Party | None) -> Doubt | None:
    """The gravest doubt that this capture casts on a claim about `party`, if any."""
    drops = see.around.capture_drops or 0
    client, server = see.connection.halves
    missing = client.missing + server.missing
    if drops:
        says = f"the capture lost packets ({drops} by its own count): an earlier close may be among them"
        return Doubt(says, True, orderly=False)
    if not see.dialogue.recognised and (client.cut or server.cut):
        return Doubt("the packets were cut so short that nothing could be read of what was said", True)
    if not (missing or client.cut or see.connection.midway or _unseen_before_fin(see.connection)):
        return None
    if party is not Party.PATH and client.packets and server.packets:
        late = next((side for side in Side if _missing_at_the_end(see, side)), None)
        if late is not None:
            return Doubt(f"the capture missed octets of the {late.value}, and none that came after them", True)
        if see.connection.midway and not _step_seen(see.dialogue.entries):
            return Doubt("the capture began in the middle, and holds no whole step of the dialogue since", True)
        if (missing or see.connection.midway) and see.last_reply is not None and see.last_reply.code == 221:
            return Doubt("the server's last word is 221, and not all that came before it was captured", True)
        if _end_cut(see, party):
            return Doubt("the client's last octets were cut off: a QUIT may be among them", True)
    if missing:
        return Doubt(f"the capture missed {missing} octets of this session: an earlier close may be among them", False)
    return None


def quit_may_be_hidden(see: Observation) -> bool:
    """A QUIT may be among the client's last octets, and its 221 in what the server said behind them: both were cut off.

    QUIT stands alone or is pipelined behind the end of a message; a command of which the verb was captured hides none. What
    follows STARTTLS and could not be read is TLS, whose last records are QUIT, 221 or alerts.
    """
    if not see.half(Side.CLIENT).cut or see.dialogue.tls is not None:
        return False
    hidden = False
    for entry in reversed(see.dialogue.entries):
        if isinstance(entry, Missing):
            hidden |= entry.side is Side.SERVER
        elif isinstance(entry, Reply):
            if entry.code == 421:
                return False
        elif isinstance(entry, Command):
            length = entry.end - entry.offset
            if not entry.verb and any(each.command.verb == b"STARTTLS" for each in see.dialogue.exchanges):
                return entry.cut
            unread = not entry.verb and (length == len(b"QUIT\r\n") or length > LONGEST_LINE)
            return hidden and entry.cut and (entry.verb == DOT or unread)
        else:
            return hidden and isinstance(entry, Body) and ends_in_hole(see.dialogue.entries, entry)
    return False


def _missing_at_the_end(see: Observation, side: Side) -> bool:
    """Octets of this side were acknowledged and not captured, and it said nothing after them that could be read; or its FIN
    stands behind octets that were not captured."""
    if any(fin.side is side for fin in _unseen_before_fin(see.connection)):
        return True
    if not see.half(side).missing:
        return False
    for entry in reversed(see.dialogue.entries):
        if isinstance(entry, Missing):
            if entry.side is side and entry.reason == GapReason.CAPTURE.value:
                return True
        elif _speaker(entry) is side and not (isinstance(entry, Body) and ends_in_hole(see.dialogue.entries, entry)):
            return False
    return True


def _unseen_before_fin(connection: Connection) -> list[Fin]:
    """FINs that stand behind octets which were neither captured nor acknowledged."""
    fins = connection.closing.fins
    return [fin for fin in fins if fin.accepted and fin.offset > connection.half(fin.side).octets]


def _speaker(entry: Entry) -> Side | None:
    """Whose words these are, as far as they could be read."""
    if isinstance(entry, Reply):
        return Side.SERVER
    if isinstance(entry, Command):
        return Side.CLIENT if entry.known and not entry.cut else None
    if isinstance(entry, TlsEntry):
        return None if entry.type == ALERT or "alert" in entry.says else entry.side
    return Side.CLIENT


def _step_seen(entries: tuple[Entry, ...]) -> bool:
    """The client said something, and after it the server."""
    speakers = [_speaker(entry) for entry in entries if not isinstance(entry, Missing)]
    return Side.CLIENT in speakers and Side.SERVER in speakers[speakers.index(Side.CLIENT) :]


def _end_cut(see: Observation, party: Party | None) -> bool:
    """The snap length cut off what the client said last (in TLS: the head of the record), and there was room for a QUIT.

    Where the server answered nothing after that, a QUIT would not count: what is said about the server stands.
    """
    if not see.half(Side.CLIENT).cut:
        return False
    answered = False
    for entry in reversed(see.dialogue.entries):
        if isinstance(entry, Missing) and entry.reason == GapReason.SNAPLEN.value:
            if entry.side is Side.CLIENT:
                return entry.octets >= SHORTEST_QUIT and (answered or party is not Party.SERVER)
            answered = True
        elif isinstance(entry, Command) and entry.cut:
            continue
        elif _speaker(entry) is Side.SERVER:
            answered = True
        elif not isinstance(entry, Body):
            return False
    return False
