"""Mail transactions as they grow: from MAIL to the reply to the end of data (RFC 5321 3.3)."""

from __future__ import annotations

from pcapdiag.model import Stage
from pcapdiag.smtp.dialogue import Command, MailTransaction, Reply
from pcapdiag.smtp.grammar import declared_size, path_of
from pcapdiag.smtp.makers import make_exchange, make_recipient, make_transaction
from pcapdiag.smtp.queueid import queue_id
from pcapdiag.smtp.stages import Kind

RECIPIENTS_KEPT = 1000
_CHUNK, _LAST = Kind.CHUNK, Kind.LAST


class Sent:
    """A command on its way to its reply. What most commands never change stands in the class."""

    sent = True
    """False while octets of a chunk are still to come."""
    early = False
    """It came before the greeting."""
    message: Message | None = None
    """The transaction that was open; of MAIL, until its reply comes, the one that it began."""
    reply: Reply | None = None
    final: Reply | None = None
    """RCPT in LMTP: the recipient's own reply to the end of data."""
    over = False
    """DATA: the terminator was sent before the reply came."""
    due = 0
    """Replies still owed; LMTP's end of data has one for each recipient. 0: not counted yet."""

    def __init__(self, command: Command, kind: Kind, stage: Stage | None) -> None:
        self.command = command
        self.kind = kind
        self.stage = stage
        self.plain = kind is not _CHUNK and kind is not _LAST
        """The dialogue stands at its stage while it waits for its reply."""


class Message:
    """One transaction while it lasts."""

    previous: Message | None = None
    """The transaction that was open when this MAIL came: it goes on when this one is refused."""
    recipients_total = 0
    octets: int | None = None
    complete = False
    terminator: Command | None = None
    reply: Reply | None = None
    reset = False
    finals = 0

    def __init__(self, mail: Sent) -> None:
        self.mail = mail
        self.recipients: list[Sent] = []
        """The RCPT commands."""

    def address(self, recipient: Sent) -> None:
        """A RCPT was sent."""
        self.recipients_total += 1
        if len(self.recipients) < RECIPIENTS_KEPT:
            self.recipients.append(recipient)

    def accepted(self) -> list[Sent]:
        return [each for each in self.recipients if each.reply is not None and 200 <= each.reply.code < 300]

    def answer(self, reply: Reply, lmtp: bool) -> None:
        """A reply to the end of data. RFC 2033 4.2: one for each recipient accepted before, in their order."""
        self.reply = reply
        if lmtp:
            accepted = self.accepted()
            if self.finals < len(accepted):
                accepted[self.finals].final = reply
            self.finals += 1

    def frozen(self) -> MailTransaction:
        mail, reply = self.mail, self.reply
        argument = mail.command.argument
        accepted = reply is not None and 200 <= reply.code < 300
        return make_transaction(
            (
                path_of(argument),
                make_exchange((mail.command, mail.reply, mail.stage or Stage.MAIL)),
                tuple([make_recipient((path_of(to.command.argument), to.reply, to.final)) for to in self.recipients]),
                self.recipients_total,
                declared_size(argument),
                self.octets,
                self.complete,
                self.terminator,
                reply,
                queue_id(reply.text) if reply is not None and accepted else None,
                self.reset,
            )
        )
