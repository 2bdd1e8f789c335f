"""Mail transactions as they grow: from MAIL to the reply to the end of data (RFC 5321 3.3)."""

from __future__ import annotations

from pcapdiag.model import Stage
from pcapdiag.smtp.dialogue import Command, Exchange, MailTransaction, Recipient, Reply
from pcapdiag.smtp.grammar import declared_size, path_of
from pcapdiag.smtp.queueid import queue_id
from pcapdiag.smtp.stages import OUTCOMES, Kind

RECIPIENTS_KEPT = 1000


class Sent:
    """A command on its way to its reply."""

    __slots__ = ("command", "due", "kind", "message", "outcomes", "over", "recipient", "reply", "sent", "stage")

    def __init__(self, command: Command, kind: Kind, stage: Stage | None) -> None:
        self.command = command
        self.kind = kind
        self.stage = stage
        self.outcomes = OUTCOMES[kind]
        self.sent = True
        """False while octets of a chunk are still to come."""
        self.message: Message | None = None
        self.recipient: Addressee | None = None
        self.reply: Reply | None = None
        self.over = False
        """DATA: the terminator was sent before the reply came."""
        self.due = 0
        """Replies still owed; LMTP's end of data has one for each recipient. 0: not counted yet."""

    def exchange(self, stage: Stage) -> Exchange:
        return Exchange(self.command, self.reply, self.stage or stage)


class Addressee:
    """One RCPT."""

    __slots__ = ("address", "final", "reply")

    def __init__(self, address: bytes) -> None:
        self.address = address
        self.reply: Reply | None = None
        self.final: Reply | None = None


class Message:
    """One transaction while it lasts."""

    __slots__ = (
        "addressees", "addressees_total", "complete", "finals", "mail", "octets", "previous", "reply", "reset", "terminator"
    )  # fmt: skip

    def __init__(self, mail: Sent, previous: Message | None) -> None:
        self.mail = mail
        self.previous = previous
        """The transaction that was open when this MAIL came: it goes on when this one is refused."""
        self.addressees: list[Addressee] = []
        self.addressees_total = 0
        self.octets: int | None = None
        self.complete = False
        self.terminator: Command | None = None
        self.reply: Reply | None = None
        self.reset = False
        self.finals = 0

    def address(self, argument: bytes) -> Addressee:
        addressee = Addressee(path_of(argument))
        self.addressees_total += 1
        if len(self.addressees) < RECIPIENTS_KEPT:
            self.addressees.append(addressee)
        return addressee

    def accepted(self) -> list[Addressee]:
        return [a for a in self.addressees if a.reply is not None and 200 <= a.reply.code < 300]

    def answer(self, reply: Reply, lmtp: bool) -> None:
        """A reply to the end of data. RFC 2033 4.2: one for each recipient accepted before, in their order."""
        self.reply = reply
        if lmtp:
            accepted = self.accepted()
            if self.finals < len(accepted):
                accepted[self.finals].final = reply
            self.finals += 1

    def frozen(self) -> MailTransaction:
        argument = self.mail.command.argument
        reply = self.reply
        accepted = reply is not None and 200 <= reply.code < 300
        return MailTransaction(
            path_of(argument),
            self.mail.exchange(Stage.MAIL),
            tuple([Recipient(a.address, a.reply, a.final) for a in self.addressees]),
            self.addressees_total,
            declared_size(argument) if b"=" in argument else None,
            self.octets,
            self.complete,
            self.terminator,
            reply,
            queue_id(reply.text) if reply is not None and accepted else None,
            self.reset,
        )
