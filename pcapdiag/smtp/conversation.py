"""Commands and replies -> exchanges, transactions and positions: the ledger of one conversation.

Pairs each reply with the oldest command that waits for one, keeps the history of (stage, owing), and freezes everything
into a `Dialogue`. It sees whole commands and whole replies only; octets are the observer's business. Bounds are those of
`pcapdiag.smtp.dialogue`.
"""

from __future__ import annotations

from pcapdiag.model import Moment, Side, Stage
from pcapdiag.smtp import auth, guess
from pcapdiag.smtp.bounded import Bounded, trim
from pcapdiag.smtp.dialogue import Body, Command, Dialogue, Missing, OddKind, Reply, Tls
from pcapdiag.smtp.grammar import is_masked_banner, is_masked_verb, keywords, masked
from pcapdiag.smtp.history import Entries, Oddities, Positions
from pcapdiag.smtp.makers import make_dialogue, make_exchange
from pcapdiag.smtp.secrets import Secrets
from pcapdiag.smtp.stages import OUTCOMES, Kind, Reading
from pcapdiag.smtp.transactions import Message, Sent

_OUTSTANDING = 500

_BEGINS_MIDWAY = frozenset(
    (Kind.MAIL, Kind.RCPT, Kind.DATA, Kind.DOT, Kind.CHUNK, Kind.LAST, Kind.RESET, Kind.AUTH, Kind.TLS, Kind.SASL)
)
"""A conversation seen from its beginning does not begin with these: a client that blasts begins with HELO."""

# Looked up once: members of an enumeration are slow to reach, and these are asked for with every line.
_CLIENT, _SERVER, _BODY, _OTHER = Side.CLIENT, Side.SERVER, Stage.BODY, Stage.OTHER
_HELLO, _MAIL, _RCPT, _RESET = Kind.HELLO, Kind.MAIL, Kind.RCPT, Kind.RESET
_DOT, _CHUNK, _LAST, _ALONE = Kind.DOT, Kind.CHUNK, Kind.LAST, Kind.ALONE
_AS_BEFORE, _CONTENT = Reading.AS_BEFORE, Reading.CONTENT
_GREETING, _END_OF_DATA = Stage.GREETING, Stage.END_OF_DATA


class _Transactions(Bounded[Message]):
    first = 0
    last = 200


class Conversation:
    """What was said so far. What most conversations never change and seldom read stands in the class."""

    greeting: Reply | None = None
    alien = False
    """The server speaks something that is no SMTP."""
    auth_seen = False
    starttls_seen = False
    lmtp = False
    _beyond = 0
    """Commands that are outstanding beyond the limit."""
    _helo: bytes | None = None
    _extensions: tuple[bytes, ...] = ()

    def __init__(self) -> None:
        self.entries = Entries()
        self.positions = Positions()
        self.oddities = Oddities()
        self.outstanding: list[Sent] = []
        self._secrets: Secrets | None = None
        self.greeted = False
        """The greeting is complete, or must have been before the capture began."""
        self.content_open = False
        """354 was said, or seems to have been, and the terminator was not seen."""
        self.client_lost = False
        """Octets of the client are missing: a reply may belong to a command that was not captured."""
        self.lost_replies = 0
        """How many of the oldest outstanding commands were sent before a hole in the server's octets."""
        self.smtp = False
        self.message: Message | None = None
        self._done = _GREETING
        """The step completed last."""
        self._turn: Side | None = _CLIENT
        """Who owes when nothing is outstanding."""
        self._exchanges: list[Sent] = []
        self._transactions = _Transactions()

    @property
    def secrets(self) -> Secrets:
        """What was withheld so far."""
        if self._secrets is None:
            self._secrets = Secrets()
        return self._secrets

    @property
    def anything_said(self) -> bool:
        """More than holes of the client's octets was seen."""
        return any(not (isinstance(entry, Missing) and entry.side is _CLIENT) for entry in self.entries)

    @property
    def message_ended(self) -> bool:
        """The last that the client sent is the end of a message."""
        return bool(self._exchanges) and self._exchanges[-1].kind in (_DOT, _LAST)

    # --- Positions ---------------------------------------------------------------------------------------------------

    def settle(self, at: Moment) -> None:
        """Say where the dialogue stands now."""
        stage: Stage
        owing: Side | None = _SERVER
        if not self.greeted:
            stage, owing = (_OTHER, None) if self.alien else (_GREETING, owing)
        elif self.outstanding:
            head = self.outstanding[0]
            if head.plain:
                stage = head.stage or self._done
            else:
                stage, owing = self._awaited(head)
        elif self.content_open:
            stage, owing = _BODY, _CLIENT
        else:
            stage, owing = self._done, self._turn
        self.positions.stand(stage, owing, at)

    def _awaited(self, head: Sent) -> tuple[Stage, Side]:
        """The stage while the oldest command waits for its reply, and is more than a line on its own."""
        if not head.sent:
            return _BODY, _CLIENT
        if head.early and self.outstanding[-1].early:
            # RFC 5321 4.3.1: the sender "SHOULD wait for this greeting message before sending any commands".
            return _GREETING, _SERVER
        if head.kind is _CHUNK and any(s.kind is _LAST and s.sent for s in self.outstanding):
            # A terminator that was sent makes it end-of-data, whichever chunk's reply is awaited.
            return _END_OF_DATA, _SERVER
        return head.stage or self._done, _SERVER

    # --- The client --------------------------------------------------------------------------------------------------

    def command(self, command: Command, kind: Kind, stage: Stage | None) -> Sent:
        """The client sent a command; its consequences for the transaction and the stage."""
        sent = Sent(command, kind, stage)
        if not self.greeted:
            self._before_greeting(sent)
        if self.lost_replies:
            self._assume_answered()
        self.entries.append(command)
        self._exchanges.append(sent)
        if len(self.outstanding) < _OUTSTANDING:
            self.outstanding.append(sent)
        else:
            self._beyond += 1
        if kind is _RCPT:
            self.smtp = True
            if self.message is not None:
                self.message.address(sent)
        elif kind is not _ALONE:
            self.smtp = True
            self._consequences(sent)
        elif is_masked_verb(command.verb):
            self.oddities.add(OddKind.MASKED_VERB, command.at, _CLIENT, command.verb)
        return sent

    def _before_greeting(self, sent: Sent) -> None:
        command = sent.command
        if sent.kind in _BEGINS_MIDWAY and not self._exchanges:
            self.begin_midway()
        elif self.client_lost or self.lost_replies:
            self.greeted = True
        else:
            sent.early, sent.plain = True, False
            self.oddities.once(OddKind.EARLY_TALK, command.at, _CLIENT, command.verb)

    def begin_midway(self) -> None:
        """The capture began after the greeting."""
        self.greeted = True
        self.client_lost = True
        for sent in self.outstanding:
            sent.early = False
        if self.positions.stage is None:
            self._done = _OTHER

    def _consequences(self, sent: Sent) -> None:
        before = self.message
        if sent.kind is _MAIL:
            self.message = sent.message = Message(sent)
            if before is not None and before.mail.reply is not None and before.mail.reply.positive:
                self.message.previous = before
            self._transactions.append(self.message)
            return
        sent.message = before
        if sent.kind is _HELLO:
            self._helo = sent.command.argument
            self.lmtp = sent.command.verb == b"LHLO"

    def content(self, body: Body) -> None:
        """A stretch of content ended: count it."""
        if body.octets or not body.complete:
            self.entries.append(body)
        if self.message is not None:
            self.message.octets = (self.message.octets or 0) + body.octets

    def terminated(self, sent: Sent) -> None:
        """The terminator (or the last octet of the last chunk) of the open transaction was sent."""
        if (message := sent.message) is not None:
            message.complete, message.terminator = True, sent.command
            message.octets = message.octets or 0
            self.message = None if self.message is message else self.message

    # --- The server --------------------------------------------------------------------------------------------------

    def reply(self, reply: Reply) -> tuple[Reading, Sent | None]:
        """The server said something complete: how the client's octets behind it are to be read, and what it answered."""
        greeted, outstanding, code = self.greeted, self.outstanding, reply.code
        if not greeted or self.client_lost or code == 334 or self._secrets or not outstanding:
            reply = self.cleaned(reply)
            if not greeted and self._greets(reply):
                return _AS_BEFORE, None
        if self.lost_replies:
            self._resynchronise(reply)
        if not outstanding:
            return self._without_command(reply), None
        sent = outstanding[0]
        kind = sent.kind
        if kind is _ALONE and sent.command.cut and not sent.command.verb:
            kind = guess.answered(reply, greeted_only=self._done is _GREETING) or kind
        self.entries.append(reply)
        stage, owing, reading = OUTCOMES[kind][code // 100]
        if not sent.plain and not sent.sent:
            self.oddities.add(OddKind.EARLY_REPLY_IN_BODY, reply.at, _SERVER, reply.text)
        if (kind is _DOT or kind is _LAST) and self._more_due(sent, reply):
            # LMTP: the reply of one recipient; the others are still owed.
            return _AS_BEFORE, sent
        sent.reply = reply
        del outstanding[0]
        if self.lost_replies:
            self.lost_replies -= 1
        if stage is not None:
            self._done = stage
        self._turn = owing
        if kind is _MAIL or kind is _HELLO or kind is _RESET:
            self._effects(sent, reply)
        if reading is _CONTENT and not sent.over:
            self.content_open = True
        self.settle(reply.at)
        return reading, sent

    def cleaned(self, reply: Reply) -> Reply:
        """The reply without what may be a credential."""
        if reply.code == 334:
            reply = reply._replace(lines=tuple([auth.challenge(line) for line in reply.lines]))
        if reply.code in auth.REFUSALS and (self.client_lost or not self.greeted or not self.outstanding):
            reply = reply._replace(lines=tuple([auth.refusal(reply.code, line) for line in reply.lines]))
        if self._secrets is not None:
            reply = reply._replace(lines=tuple([self._secrets.cleaned(reply.code, line) for line in reply.lines]))
        return reply

    def _greets(self, reply: Reply) -> bool:
        """Is this the greeting? Other replies than 220, 4xx and 5xx show that the capture began later."""
        if self.outstanding and self.client_lost:
            self.greeted = True
            return False
        if not guess.can_greet(reply.code):
            self.begin_midway()
            return False
        self.greeted = True
        self.greeting = reply
        self.entries.append(reply)
        text = reply.text.upper()
        self.smtp = self.smtp or b"SMTP" in text or b"LMTP" in text
        if is_masked_banner(reply.lines[0]):
            self.oddities.add(OddKind.MASKED_BANNER, reply.at, _SERVER, reply.lines[0])
        self.settle(reply.at)
        return True

    def _more_due(self, sent: Sent, reply: Reply) -> bool:
        message = sent.message
        if not sent.due:
            several = self.lmtp and message is not None
            sent.due = max(1, len(message.accepted())) if several and message is not None else 1
        sent.due -= 1
        if message is not None:
            message.answer(reply, self.lmtp)
        # RFC 5321 3.8: 421 closes the channel, no further replies will come.
        return sent.due > 0 and reply.code != 421

    def _effects(self, sent: Sent, reply: Reply) -> None:
        """What a reply to MAIL, EHLO or RSET does to the transaction."""
        refused, message = reply.code >= 400, sent.message
        if sent.kind is not _MAIL:
            if not refused:
                if sent.kind is _HELLO:
                    self._extend(reply)
                self._give_up(message)
        elif message is not None:
            # RFC 5321 3.3: a MAIL that is refused begins nothing; a transaction that was open before goes on.
            sent.message, before, message.previous = None, message.previous, None
            if refused and self.message is message:
                self.message = before if before is not None and not (before.complete or before.reset) else None

    def _give_up(self, message: Message | None) -> None:
        """RFC 5321 4.1.4: EHLO "MUST clear all buffers and reset the state exactly as if a RSET command had been issued"."""
        if message is not None and not message.complete:
            message.reset = True
        self.message = None if self.message is message else self.message

    def _extend(self, reply: Reply) -> None:
        """A reply to EHLO."""
        self._extensions = keywords(reply.lines)
        for keyword in masked(self._extensions):
            self.oddities.add(OddKind.MASKED_VERB, reply.at, _SERVER, keyword)

    def _without_command(self, reply: Reply) -> Reading:
        """No command waits: the server spoke unasked, or the command was not captured, or there were too many of them."""
        if self._beyond:
            self._beyond -= 1
            self.entries.append(reply)
            return _AS_BEFORE
        unasked = not self.client_lost
        reply = reply._replace(unasked=unasked)
        self.entries.append(reply)
        if unasked:
            self.oddities.add(OddKind.UNASKED_REPLY, reply.at, _SERVER, reply.text)
            self.settle(reply.at)
            return _AS_BEFORE
        kind = guess.answered(reply, greeted_only=self._done is _GREETING)
        if kind is None:
            self._turn = _CLIENT
            self.settle(reply.at)
            return _AS_BEFORE
        self.smtp = True
        stage, self._turn, reading = OUTCOMES[kind][reply.code // 100]
        self._done = stage or self._done
        if kind is _HELLO:
            self._extend(reply)
        if reading is _CONTENT:
            self.content_open = True
        self.settle(reply.at)
        return reading

    def early_reply(self, reply: Reply) -> None:
        """A reply came while the content was still being sent; the client goes on sending."""
        reply = self.cleaned(reply)
        self.entries.append(reply)
        self.oddities.add(OddKind.EARLY_REPLY_IN_BODY, reply.at, _SERVER, reply.text)

    # --- Holes -------------------------------------------------------------------------------------------------------

    def client_gap(self, at: Moment) -> None:
        """Unknown commands were sent: the server may owe replies to them."""
        self.client_lost = True
        if self.greeted:
            self._turn = _SERVER
            self.settle(at)

    def server_gap(self, at: Moment) -> None:
        """Unknown replies were sent. One that was owed alone has most probably come."""
        if not self.greeted:
            self.lost_replies = max(1, len(self.outstanding))
            return
        self.lost_replies = len(self.outstanding)
        if self.lost_replies == 1 and self.outstanding[0].sent and self.outstanding[0].kind is not Kind.DATA:
            self._assume_answered()
            self.settle(at)

    def _assume_answered(self) -> None:
        """The client went on after a hole in the server's octets: what it waited for has come."""
        self.greeted = True
        for _ in range(min(self.lost_replies, len(self.outstanding))):
            sent = self.outstanding.pop(0)
            stage, self._turn, _ = OUTCOMES[sent.kind][2]
            self._done = stage or self._done
        self.lost_replies = 0

    def _resynchronise(self, reply: Reply) -> None:
        """After a hole in the server's octets: drop commands whose replies were inside it, as far as this one tells."""
        kind = guess.answered(reply)
        if kind is not None and any(sent.kind is kind for sent in self.outstanding):
            while self.outstanding[0].kind is not kind:
                del self.outstanding[0]
                self.lost_replies = max(0, self.lost_replies - 1)
        if not self.outstanding:
            self.lost_replies = 0

    # --- The rest ----------------------------------------------------------------------------------------------------

    def answer_unseen(self, sent: Sent) -> None:
        """The client's octets show that DATA was answered by 354 inside a hole."""
        while self.outstanding and self.outstanding[0] is not sent:
            del self.outstanding[0]
        del self.outstanding[:1]
        self.lost_replies = 0
        self.content_open = True

    def trim(self) -> None:
        """Forget the middle of a very long conversation."""
        self.entries.trim()
        trim(self._exchanges, Entries.first, Entries.last)
        self._transactions.trim()
        self.positions.trim()

    def dialogue(self, tls: Tls | None) -> Dialogue:
        """Freeze."""
        self.trim()
        exchanges = [make_exchange((sent.command, sent.reply, sent.stage or _OTHER)) for sent in self._exchanges]
        messages = [message.frozen() for message in self._transactions]
        return make_dialogue((
            tuple(self.entries), self.entries.total, tuple(exchanges), self.greeting, self._helo, self._extensions,
            tuple(messages), self._transactions.total, tuple(self.positions.changes), tls, tuple(self.oddities),
            self.smtp or tls is not None, self.lmtp, tuple([sent.command for sent in self.outstanding]),
        ))  # fmt: skip
