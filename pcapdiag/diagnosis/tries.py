"""One session as the search for patterns remembers it: a `Try` to hand a message over. And `Pattern`, what comes out."""

from __future__ import annotations

from typing import NamedTuple

from pcapdiag.diagnosis.verdict import Verdict
from pcapdiag.model import How, Impact, Mailbox, Part, Party, Says, Side, Stage, Vantage
from pcapdiag.session import Session
from pcapdiag.smtp.dialogue import MailTransaction

MOST_IDS = 50
MOST_PATTERNS = 1_000


_NOBODY = Party.NOBODY
"""Looked up once: members of an enumeration are slow to reach."""


class Pattern(NamedTuple):
    """What only several sessions together show."""

    kind: str
    """``retry-storm``, ``attempts``."""
    summary: Says
    sessions: tuple[int, ...]
    """Ids, at most 50."""
    sessions_total: int


class Envelope(NamedTuple):
    """What tells one message from another, as far as the capture shows it."""

    mail_from: bytes | None
    """None: hidden by TLS."""
    recipients: tuple[bytes, ...]
    size: int | None
    """Hidden envelope: octets that the client sent. Otherwise None: they differ from try to try."""

    @property
    def says(self) -> Says:
        if self.mail_from is None:
            return (f"about {self.size:,} octets inside TLS",)
        sender: Part = Mailbox(self.mail_from) if self.mail_from else "the null sender"
        if not self.recipients:
            return ("from ", sender, ", no recipient seen")
        more = len(self.recipients) - 1
        return ("from ", sender, " to ", Mailbox(self.recipients[0]), f" and {more} more" if more else "")


class Try(NamedTuple):
    """One session, as far as patterns need it."""

    id: int
    began_ns: int
    ended_ns: int
    trace: int
    client: str
    server: str
    helo: bytes | None
    envelope: Envelope | None
    """None: the session never got to one."""
    taken: bool
    """The server answered 2xx to the end of data."""
    dropped_by: Party
    how: How
    stage: Stage
    impact: Impact
    vantage: Vantage | None

    @property
    def failed(self) -> bool:
        """Somebody ended it, or nobody knows who, and its mail was not simply taken."""
        return self.dropped_by is not _NOBODY and self.impact is not Impact.NONE

    @property
    def undelivered(self) -> bool:
        """Failed, or ended orderly with its mail refused or put off."""
        return self.failed or (not self.taken and self.impact in (Impact.DELAYED, Impact.REJECTED))

    @property
    def outcome(self) -> str:
        """In a few words."""
        if self.taken:
            return "took the message"
        if self.dropped_by is Party.NOBODY:
            return "did not take it" if self.how is How.QUIT else "still open"
        return f"{self.how.value} by {self.dropped_by.value} at {self.stage.value}"


def try_of(id: int, session: Session, verdict: Verdict) -> Try:
    """What patterns need of a session."""
    connection, dialogue = session.connection, session.dialogue
    last = dialogue.transactions[-1] if dialogue.transactions else None
    return Try(
        id,
        connection.first.time_ns,
        connection.last.time_ns,
        connection.trace,
        connection.client.address,
        connection.server.address,
        dialogue.helo,
        _envelope(session, last),
        last is not None and last.reply is not None and 200 <= last.reply.code < 300,
        verdict.dropped_by,
        verdict.how,
        verdict.stage,
        verdict.impact,
        verdict.vantage,
    )


def _envelope(session: Session, last: MailTransaction | None) -> Envelope | None:
    """The envelope of the message that was last on its way, or what stands for it behind TLS."""
    if last is not None:
        return Envelope(last.mail_from, tuple([recipient.address for recipient in last.recipients]), None)
    tls = session.dialogue.tls
    if tls is not None and tls.finished is not None:
        return Envelope(None, (), session.connection.half(Side.CLIENT).octets)
    return None
