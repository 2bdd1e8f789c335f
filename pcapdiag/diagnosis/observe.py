"""Facts that several rules need, each under a name and computed once: a session becomes an `Observation`.

An observation answers what the frames show. Who is to be named for it is for the rules alone.
"""

from __future__ import annotations

from functools import cached_property

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.ending import Ending, Kind, find_ending
from pcapdiag.diagnosis.quitting import last_record
from pcapdiag.diagnosis.resets import Origin, origin
from pcapdiag.diagnosis.silence import closed_window
from pcapdiag.diagnosis.vantage import Place, infer
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import How, Moment, Party, Says, Side, Stage, Vantage, Wire
from pcapdiag.session import Session, Surroundings
from pcapdiag.smtp.dialogue import DOT, Command, Dialogue, OddKind, Reply
from pcapdiag.tcp.connection import Connection, Half, Reset

QUOTED = 60
"""Octets of a line that evidence quotes."""

PATIENCE_NS = {Side.CLIENT: 1_000_000_000, Side.SERVER: 3_000_000_000}
"""Shorter waits are the pace of ordinary software; nobody is said to have stalled anybody. A server that drops a connection
after a second or two does not do so by a timer: the shortest in the field is Postfix's 10 s under stress..."""

PATIENCE_RTTS = 10
"""...nor are waits of fewer round trips."""


# Looked up once: members of an enumeration are slow to reach, and these are asked for of every session.
_CONNECT, _QUIT, _OPEN = Kind.CONNECT, Kind.QUIT, Kind.OPEN
_AFTER_QUIT: tuple[Stage, Side | None] = (Stage.QUIT, None)


class Observation:
    """One session in its surroundings, as rules look at it."""

    def __init__(self, session: Session, around: Surroundings) -> None:
        self.session = session
        self.around = around
        self.connection: Connection = session.connection
        self.dialogue: Dialogue = session.dialogue
        # What every verdict needs; the rest is found when a rule asks.
        self.ending: Ending = find_ending(session)
        self.place: Place = infer(session, around)
        self.position: tuple[Stage, Side | None] = self._position()
        """Stage and whose turn it was when the session ended (docs/reference/verdict.md, section 2)."""
        self.stage, self.owing = self.position
        self.refusals: list[Reply] = self._refusals()
        """Replies seen up to the end with which the server refused something (4xx, 5xx), in order."""
        self.waited_ns: int | None = self._waited_ns()
        """From the last news to the end; of an open session to the end of the capture."""

    def half(self, side: Side) -> Half:
        return self.connection.half(side)

    @property
    def vantage(self) -> Vantage | None:
        return self.place.vantage

    def origin(self, reset: Reset) -> Origin:
        """What speaks about a reset's true sender."""
        return origin(self.session, self.around, reset)

    @cached_property
    def end_origin(self) -> Origin | None:
        """The same for the reset that ended the session."""
        reset = self.ending.reset
        return self.origin(reset) if self.ending.kind is Kind.RST and reset is not None else None

    def closed_by(self, side: Side) -> bool:
        """`side` closed first, by a FIN or RST that nothing shows to be another's, and not upon a TLS alert."""
        ending, origin = self.ending, self.end_origin
        if ending.kind not in (Kind.FIN, Kind.RST) or ending.side is not side or ending.alert is not None:
            return False
        return origin is None or not origin.foreign

    @property
    def close_how(self) -> How:
        """How the first close was done."""
        return How.FIN if self.ending.kind is Kind.FIN else How.RST

    # --- Where the dialogue stood ---

    def _position(self) -> tuple[Stage, Side | None]:
        kind, handshake = self.ending.kind, self.connection.handshake
        if kind is _QUIT:
            return _AFTER_QUIT
        if kind is _CONNECT or (handshake.complete is None and kind is Kind.RST):
            return Stage.CONNECT, (Side.CLIENT if handshake.synacks else Side.SERVER)
        if kind is Kind.ENCRYPTED_QUIT:
            return Stage.ENCRYPTED, None
        stage, owing = self._position_at_end()
        tls = self.dialogue.tls
        if stage is Stage.ENCRYPTED and tls is not None and tls.implicit and not tls.application[0]:
            return stage, Side.SERVER  # the greeting is due inside TLS
        return stage, owing

    def _position_at_end(self) -> tuple[Stage, Side | None]:
        ending = self.ending
        if ending.unread is not None:
            return self.position_at(ending.unread, before=True)
        last = ending.kind in (Kind.OPEN, Kind.SILENCE, Kind.HOLE, Kind.ONE_DIRECTION) and ending.later is None
        return self.position_at(None if last else ending.at)

    def position_at(self, moment: Moment | None, *, before: bool = False) -> tuple[Stage, Side | None]:
        """Where the dialogue stood at a moment, its frame included (or just `before` it); None: at its end."""
        if not self.dialogue.recognised and all(half.octets for half in self.connection.halves):
            return Stage.OTHER, None
        found = None
        for position in self.dialogue.positions:
            if position.stage is Stage.QUIT and self.ending.quit is None:
                continue  # a QUIT that does not count
            if moment is not None and (position.at > moment or (before and position.at == moment)):
                break
            found = position
        if (
            found is not None
            and found.stage is Stage.GREETING
            and self.connection.midway
            and self.dialogue.greeting is None
        ):
            return Stage.OTHER, None  # it came before
        if found is not None:
            return found.stage, found.owing
        if self.session.server.port == 465:
            return Stage.TLS, Side.CLIENT
        return (Stage.GREETING, Side.SERVER) if self.connection.handshake.syns else (Stage.OTHER, None)

    @property
    def step(self) -> str:
        """The position in words."""
        command, messages = self.last_command, self.dialogue.transactions
        begun = not messages or bool(messages[-1].octets)
        if self.stage is Stage.BODY and command is not None and command.verb == b"DATA" and not begun:
            return "right after the go-ahead (354), before any of the message was sent"
        unseen = self.owing is Side.SERVER and not self.dialogue.outstanding and self.half(Side.CLIENT).missing > 0
        return words.step(*self.position, refused=self._refused, unseen=unseen)

    @property
    def _refused(self) -> int | None:
        """The code of the last reply, where it refused the command of the present stage."""
        reply = self.last_reply
        if reply is None or reply.code < 400 or not reply.complete:
            return None
        asked = next((each for each in reversed(self.dialogue.exchanges) if each.reply == reply), None)
        return reply.code if asked is not None and asked.stage is self.stage else None

    # --- Time ---

    @property
    def last_news(self) -> Moment | None:
        """The last frame before the end with new octets or control flags (no pure ACK, repeat or keep-alive)."""
        ending = self.ending
        if ending.kind is _QUIT and ending.quit is not None:
            at, _, reply, _ = ending.quit
            return reply.at if reply is not None and reply.at < ending.at else at
        if ending.kind is Kind.ENCRYPTED_QUIT and (record := last_record(self.session, ending.at)) is not None:
            return record
        until = None if ending.kind is Kind.OPEN else ending.unread or ending.at
        for seg in reversed(self.connection.segments):
            if until is not None and seg.at >= until:
                continue
            if seg.new or ((seg.is_syn or seg.is_fin) and not seg.odd):
                return seg.at
        return None

    def _waited_ns(self) -> int | None:
        last = self.last_news
        if last is None:
            return None
        ending = self.ending
        if ending.kind is _OPEN:
            return max(0, self.connection.until_ns - last.time_ns)
        return max(0, (ending.unread or ending.at).time_ns - last.time_ns)

    def patience_ns(self, closer: Side) -> int:
        """How long a wait of `closer` must be to count as one."""
        return max(PATIENCE_NS[closer], PATIENCE_RTTS * (self.connection.handshake.rtt_ns or 0))

    @cached_property
    def owed_ns(self) -> int:
        """How long the side whose turn it was had said nothing when the session ended: since its turn came, or since its
        own last new octets. A QUIT that does not count changes nothing about whose turn it is."""
        if self.owing is None:
            return 0
        end = self.ending.unread or self.ending.at
        since = [self._turn_since(end)]
        since += [seg.at for seg in self.connection.segments if seg.side is self.owing and seg.new and seg.at < end][
            -1:
        ]
        known = [moment for moment in since if moment is not None]
        return max(0, end.time_ns - max(known).time_ns) if known else 0

    def _turn_since(self, end: Moment) -> Moment | None:
        found = self.connection.handshake.complete
        for position in self.dialogue.positions:
            if position.at >= end:
                break
            if position.stage is not Stage.QUIT:
                found = position.at
        return found

    def stalled(self, closer: Side) -> Party | None:
        """The other party, when its silence made the closer act: its turn, a long wait, and a closer that listened."""
        if self.owing is not closer.other or self.owed_ns < self.patience_ns(closer):
            return None
        if closed_window(self.connection, closer, self.ending.at):
            return None
        return Party.CLIENT if self.owing is Side.CLIENT else Party.SERVER

    def waiting(self) -> Says:
        return words.after_waiting(self.waited_ns)

    # --- What was said ---

    @cached_property
    def replies(self) -> list[Reply]:
        """Replies seen up to the end, in order."""
        return [entry for entry in self.dialogue.entries if isinstance(entry, Reply) and self._by_the_end(entry)]

    def _refusals(self) -> list[Reply]:
        found = [entry for entry in self.dialogue.entries if isinstance(entry, Reply) and entry.code >= 400]
        return [reply for reply in found if self._by_the_end(reply)]

    def _by_the_end(self, reply: Reply) -> bool:
        """It came before the end, or was sent before the server's FIN, which overtook it on the way."""
        ending = self.ending
        if reply.at <= ending.at:
            return True
        fin = ending.fin
        return fin is not None and fin.side is Side.SERVER and reply.end <= fin.offset

    @property
    def last_reply(self) -> Reply | None:
        return self.replies[-1] if self.replies else None

    @cached_property
    def last_command(self) -> Command | None:
        """The last command before the end, the final dot included."""
        until = self.ending.at
        for entry in reversed(self.dialogue.entries):
            if isinstance(entry, Command) and entry.at <= until:
                return entry
        return None

    @property
    def said_anything(self) -> bool:
        """The client sent at least one octet."""
        return self.half(Side.CLIENT).octets > 0

    @cached_property
    def everything_answered(self) -> bool:
        """Nothing is outstanding, at least one message was handed over, and every one was answered."""
        if self.stage is Stage.BODY or self.owing is Side.SERVER or not self.dialogue.transactions:
            return False
        last = self.dialogue.transactions[-1]
        begun = (
            last.reset
            or (last.complete and last.reply is not None)
            or (last.octets is None and not last.recipients_total)
        )
        done = [each for each in self.dialogue.transactions if each.complete and each.reply is not None]
        return bool(done) and begun and all(each.verb != DOT for each in self.dialogue.outstanding)

    @property
    def scanner(self) -> bool:
        """The client spoke another protocol than SMTP and TLS and never tried to hand over mail."""
        dialogue = self.dialogue
        if dialogue.helo is not None or dialogue.transactions or dialogue.tls is not None:
            return False
        return any(odd.kind is OddKind.NOT_SMTP and odd.side is Side.CLIENT for odd in dialogue.oddities)

    @property
    def unheeded(self) -> tuple[Moment, ...]:
        """SYN+ACKs that the server repeated, at least twice, after the client had completed the handshake; empty once it
        sent any octet."""
        handshake = self.connection.handshake
        if handshake.complete is None or not handshake.syns or self.half(Side.SERVER).octets:
            return ()
        repeated = tuple(moment for moment in handshake.synacks if moment > handshake.complete)
        return repeated if len(repeated) >= 2 else ()

    def acknowledged(self, side: Side) -> bool:
        """The other side's TCP acknowledged all that `side` sent."""
        half = self.half(side)
        return half.acked >= half.octets

    @property
    def last_said(self) -> Evidence:
        """The last command and the last reply before the end, quoted, in the order in which they came."""
        command, reply = self.last_command, self.last_reply
        said: list[tuple[Moment, Says]] = []
        if command is not None:
            words_ = (
                ("the final dot",) if command.verb == DOT else (Wire(_shown(command.verb + b" " + command.argument)),)
            )
            said.append((command.at, ("the client: ", *words_)))
        if reply is not None:
            text = _shown(reply.lines[0] if reply.lines else b"")
            said.append((reply.at, ("the server: ", f"{reply.code} ", Wire(text))))
        if not said:
            return Evidence(("before it neither side had said anything",))
        said.sort(key=lambda one: one[0])
        joined = tuple(part for _, one in said for part in ("; ", *one))[1:]
        return Evidence(("the last words before it: ", *joined), tuple(at for at, _ in said))


def _shown(text: bytes) -> bytes:
    """As much of a line as a sentence bears."""
    text = text.strip()
    return text if len(text) <= QUOTED else text[:QUOTED] + b"..."
