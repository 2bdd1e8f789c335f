"""What only several sessions together show: the retry storm, and the several attempts of one delivery.

Judged sessions go in one by one, in the order in which they end; patterns come out at the end. Memory is bounded: of a
session a few facts stay (`Try`), and only the latest are held. Every pattern says what it is based on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from pcapdiag.diagnosis.verdict import Verdict
from pcapdiag.model import Address, Duration, Impact, Mailbox, Part, Party, Says, Side, Stage
from pcapdiag.session import Session
from pcapdiag.smtp.dialogue import MailTransaction


@dataclass(frozen=True, slots=True)
class Pattern:
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
    """Hidden envelope: octets that the client sent. Otherwise None: content and sizes differ from try to try."""


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
    verdict: Verdict


MOST_IDS = 50
STORM = 3
"""So many failures at the same stage are a storm; two may be chance."""
HELD_STORMS = 20_000
MOST_PATTERNS = 1_000


def envelope_of(session: Session) -> Envelope | None:
    """The envelope of the message that was last on its way, or what stands for it behind TLS."""
    dialogue = session.dialogue
    if dialogue.transactions:
        last: MailTransaction = dialogue.transactions[-1]
        return Envelope(last.mail_from, tuple([recipient.address for recipient in last.recipients]), None)
    if dialogue.tls is not None and dialogue.tls.finished is not None:
        return Envelope(None, (), session.connection.half(Side.CLIENT).octets)
    return None


@dataclass
class _Storm:
    """The tries of one message that failed alike."""

    first: Try
    total: int = 0
    began_first_ns: int = 0
    began_last_ns: int = 0
    tries: list[tuple[int, int]] = field(default_factory=list)
    """(beginning, id) of the first `MOST_IDS`."""

    def add(self, one: Try) -> None:
        self.began_first_ns = min(self.began_first_ns, one.began_ns) if self.total else one.began_ns
        self.began_last_ns = max(self.began_last_ns, one.began_ns)
        self.total += 1
        if len(self.tries) < MOST_IDS:
            self.tries.append((one.began_ns, one.id))

    def pattern(self) -> Pattern:
        tries = sorted(self.tries)
        return Pattern("retry-storm", self._summary(), tuple([id for _, id in tries]), self.total)

    def _summary(self) -> Says:
        one = self.first
        envelope = one.envelope
        assert envelope is not None  # only tries with one are counted
        begun = sorted(began for began, _ in self.tries)
        gaps = [after - before for before, after in pairwise(begun)]
        average = (self.began_last_ns - self.began_first_ns) // (self.total - 1)
        what: list[Part] = ["the same message (", *_envelope_says(envelope), ")"]
        if envelope.mail_from is None:
            what = [
                f"{envelope.size} octets inside TLS (the envelope is hidden: that it is the same message is inferred)"
            ]
        return (
            Address(one.client),
            " tried ",
            *what,
            " with ",
            Address(one.server),
            f" in {self.total} sessions, and each failed at stage {one.verdict.stage.value}; they began ",
            Duration(min(gaps)),
            " to ",
            Duration(max(gaps)),
            " apart, ",
            Duration(average),
            " on average",
        )


def _envelope_says(envelope: Envelope) -> Says:
    sender: Part = Mailbox(envelope.mail_from) if envelope.mail_from else "the null sender"
    if not envelope.recipients:
        return ("from ", sender, ", no recipient seen")
    more = len(envelope.recipients) - 1
    return ("from ", sender, " to ", Mailbox(envelope.recipients[0]), f" and {more} more" if more else "")


class StormFinder:
    """Retry storms: the same client and server, the same envelope, failing at the same stage at least `STORM` times."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str, Envelope, Stage], _Storm] = {}
        self._done: list[_Storm] = []

    def add(self, one: Try) -> None:
        if one.envelope is None or not _failed(one):
            return
        key = (one.client, one.server, one.envelope, one.verdict.stage)
        storm = self._open.pop(key, None) or _Storm(one)
        storm.add(one)
        self._open[key] = storm  # the latest stands last
        if len(self._open) > HELD_STORMS:
            self._retire(self._open.pop(next(iter(self._open))))

    def _retire(self, storm: _Storm) -> None:
        if storm.total >= STORM and len(self._done) < MOST_PATTERNS:
            self._done.append(storm)

    def finish(self) -> list[Pattern]:
        for storm in self._open.values():
            self._retire(storm)
        self._open = {}
        return [storm.pattern() for storm in sorted(self._done, key=lambda storm: (-storm.total, storm.began_first_ns))]


def _failed(one: Try) -> bool:
    """Somebody ended it, or nobody knows who, and the message was not simply taken."""
    return one.verdict.dropped_by is not Party.NOBODY and one.verdict.impact is not Impact.NONE


class PatternFinder:
    """All patterns at once."""

    def __init__(self) -> None:
        self._storms = StormFinder()

    def add(self, id: int, session: Session, verdict: Verdict) -> None:
        """The next session that ended."""
        connection = session.connection
        one = Try(
            id,
            connection.first.time_ns,
            connection.last.time_ns,
            connection.trace,
            connection.client.address,
            connection.server.address,
            session.dialogue.helo,
            envelope_of(session),
            verdict,
        )
        self._storms.add(one)

    def finish(self) -> tuple[Pattern, ...]:
        return tuple(self._storms.finish())
