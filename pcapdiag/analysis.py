"""`Analysis`: everything one run found out, ready for any report.

`AnalysisBuilder` turns judged sessions, one by one as they end, into an `Analysis`; `select` makes a smaller one of it.
Sessions are iterated, as often as wanted, in the order of their first frames; finished ones lie in a spool, orderly ones
without their dialogue, so that memory does not grow with what has passed. `Counts` needs no more of each than its `Digest`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from operator import attrgetter
from typing import Any, NamedTuple, Protocol, TypeVar

from pcapdiag.diagnosis.patterns import Pattern, PatternFinder, Try, try_of
from pcapdiag.diagnosis.verdict import Verdict
from pcapdiag.model import CaptureInfo, How, Moment, Party, Says, Stage
from pcapdiag.session import Session
from pcapdiag.smtp.dialogue import DOT, Command, Dialogue, Entry, Reply
from pcapdiag.spool import BUDGET, Spool

T = TypeVar("T")


class Judged(NamedTuple):
    """A session with its verdict."""

    id: int
    """Order of first frames, from 1; given before any filter."""
    session: Session
    verdict: Verdict
    with_dialogue: bool = True
    """False: the dialogue's entries were not kept (an orderly session that nobody asked for). What is left of them is the
    last command and the last reply; exchanges and the connection's segments are gone."""


class Sessions(Protocol):
    """Judged sessions that can be iterated again."""

    def __iter__(self) -> Iterator[Judged]: ...
    def __len__(self) -> int: ...

    def each(self, tell: Callable[[Judged], T], numbers: Iterable[int] | None = None) -> Iterator[T]:
        """What `tell` says of each session, or of those with these ids in the order given.

        It is called where the session lies, perhaps in another process: a function of a module, or a partial of one.
        """


def itself(judged: Judged) -> Judged:
    """For `Sessions.each`: the session as it is."""
    return judged


class Digest(NamedTuple):
    """What counting needs of a judged session."""

    server: str
    dropped_by: Party
    how: How
    stage: Stage
    rule: str
    attention: bool
    ended_ns: int
    """`Verdict.end`."""
    attempt: Try

    @property
    def id(self) -> int:
        return self.attempt.id

    @property
    def bare(self) -> BareDigest:
        """Without its id, and in plain tuples: to hand these to another process costs half."""
        return self[:-1], self.attempt[1:]


BareDigest = tuple[tuple[Any, ...], tuple[Any, ...]]
"""A `Digest` without the attempt, and the attempt without the id."""


def numbered(id: int, bare: BareDigest) -> Digest:
    """The digest of a session whose id was given later."""
    rest, attempt = bare
    return Digest._make((*rest, Try._make((id, *attempt))))


def digest_of(judged: Judged) -> Digest:
    """See `Digest`."""
    session, verdict = judged.session, judged.verdict
    return Digest(
        session.connection.server.address,
        verdict.dropped_by,
        verdict.how,
        verdict.stage,
        verdict.rule,
        verdict.attention,
        verdict.end.time_ns,
        try_of(judged.id, session, verdict),
    )


class Group(NamedTuple):
    """Sessions that ended alike on one server."""

    server: str
    """Its address; `OTHER_SERVERS` where there were too many to keep apart."""
    dropped_by: Party
    how: How
    stage: Stage
    rule: str
    sessions: int
    first_ns: int
    """When the first of them ended (`Verdict.end`), and the last."""
    last_ns: int
    example: int
    """Id of the first of them by id."""


class InputError(NamedTuple):
    """An input that could not be read."""

    path: str
    says: str


class Analysis(NamedTuple):
    """The result of one run."""

    captures: tuple[CaptureInfo, ...]
    errors: tuple[InputError, ...]
    sessions: Sessions
    groups: tuple[Group, ...]
    """The largest first."""
    patterns: tuple[Pattern, ...]
    total: int
    """All sessions, before any filter."""
    attention: int
    dropped: int
    """Sessions ended by somebody: neither `nobody` nor `undetermined`."""
    dropped_by: dict[Party, int]
    redaction: str = "none"


OTHER_SERVERS = "*"
MAX_GROUPS = 10_000
"""A scan of a whole network must not fill the memory: from here on servers are no longer kept apart."""


class Groups:
    """Counts sessions by (server, dropped_by, how, stage, rule)."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, Party, How, Stage, str], list[int]] = {}

    def add(self, digest: Digest) -> None:
        key = digest[:5]
        at = digest.ended_ns
        row = self._rows.get(key)
        if row is None and len(self._rows) >= MAX_GROUPS:
            key = (OTHER_SERVERS, *key[1:])
            row = self._rows.get(key)
        if row is None:
            self._rows[key] = [1, at, at, digest.id]
            return
        row[0] += 1
        row[1] = min(row[1], at)
        row[2] = max(row[2], at)
        row[3] = min(row[3], digest.id)

    def finish(self) -> tuple[Group, ...]:
        rows = sorted(self._rows.items(), key=lambda item: (-item[1][0], item[1][1], item[1][3]))
        return tuple([Group(*key, *row) for key, row in rows])


class KeepDialogue(Enum):
    """Of which sessions the entries of the dialogue are kept."""

    ATTENTION = "attention"
    ALL = "all"
    NONE = "none"

    def keeps(self, verdict: Verdict) -> bool:
        return self is KeepDialogue.ALL or (self is KeepDialogue.ATTENTION and verdict.attention)


class Counts:
    """Everything an analysis says about its sessions together, at some microseconds each."""

    def __init__(self) -> None:
        self._groups = Groups()
        self._patterns = PatternFinder()
        self._attention = 0

    def add(self, digest: Digest) -> None:
        """Count a session."""
        self._attention += digest.attention
        self._groups.add(digest)
        self._patterns.add(digest.attempt)

    def analysis(self, sessions: Sessions, captures: Iterable[CaptureInfo], errors: Iterable[InputError]) -> Analysis:
        """The analysis of all that was counted; nothing may be counted afterwards."""
        groups = self._groups.finish()
        dropped_by = dict.fromkeys(Party, 0)
        for group in groups:
            dropped_by[group.dropped_by] += group.sessions
        total = sum(dropped_by.values())
        return Analysis(
            captures=tuple(captures),
            errors=tuple(errors),
            sessions=sessions,
            groups=groups,
            patterns=self._patterns.finish(),
            total=total,
            attention=self._attention,
            dropped=total - dropped_by[Party.NOBODY] - dropped_by[Party.UNDETERMINED],
            dropped_by=dropped_by,
        )


class AnalysisBuilder:
    """Takes judged sessions in the order in which they end, and counts as it goes.

    `budget`: octets of memory for sessions; what is beyond goes to a temporary file."""

    def __init__(self, keep_dialogue: KeepDialogue = KeepDialogue.ATTENTION, budget: int = BUDGET) -> None:
        self._keep_dialogue = keep_dialogue
        self._counts = Counts()
        self._spool: Spool[Judged] = Spool(budget)

    def add(self, judged: Judged) -> None:
        """Count a session and put it away."""
        self._counts.add(digest_of(judged))
        put_away(judged, self._spool, self._keep_dialogue)

    def finish(self, captures: Iterable[CaptureInfo] = (), errors: Iterable[InputError] = ()) -> Analysis:
        """The analysis of all that was added; nothing may be added afterwards."""
        return self._counts.analysis(self._spool, captures, errors)


def put_away(judged: Judged, spool: Spool[Judged], keep_dialogue: KeepDialogue) -> None:
    """Into the spool by its id, and small where nobody will ask for more."""
    if not keep_dialogue.keeps(judged.verdict):
        judged = stripped(judged)
    spool.add(judged.id, judged, _octets(judged))


def stripped(judged: Judged) -> Judged:
    """The session without what only a detailed view of it shows: entries, exchanges, segments, positions, TLS records."""
    session = judged.session
    dialogue = session.dialogue
    tls = dialogue.tls
    small = dialogue._replace(
        entries=_last_words(dialogue),
        exchanges=(),
        positions=dialogue.positions[-1:],
        tls=None if tls is None else tls._replace(records=()),
    )
    return Judged(judged.id, Session(session.connection.without_segments(), small), judged.verdict, with_dialogue=False)


def _last_words(dialogue: Dialogue) -> tuple[Entry, ...]:
    kept: list[Entry] = [entry for entry in (last_command(dialogue), last_reply(dialogue)) if entry is not None]
    return tuple(sorted(kept, key=attrgetter("at")))


def last_command(dialogue: Dialogue) -> Command | None:
    """The last command with a verb: neither the terminator of a message nor a line inside an AUTH exchange."""
    for entry in reversed(dialogue.entries):
        if isinstance(entry, Command) and entry.verb not in (DOT, b"*", b""):
            return entry
    return None


def last_reply(dialogue: Dialogue) -> Reply | None:
    """The last reply, the greeting included, complete or not."""
    for entry in reversed(dialogue.entries):
        if isinstance(entry, Reply):
            return entry
    return dialogue.greeting


def _octets(judged: Judged) -> int:
    """About what a judged session takes in memory, in octets; measured with tracemalloc on usual sessions."""
    dialogue = judged.session.dialogue
    octets = 7_000 + 300 * len(judged.session.connection.segments)
    for entry in dialogue.entries:
        octets += 400 + (sum(map(len, entry.lines)) if isinstance(entry, Reply) else 0)
    for transaction in dialogue.transactions:
        octets += 1_200 + 700 * len(transaction.recipients)
    return octets + 200 * len(dialogue.positions)


__all__ = [
    "Analysis",
    "AnalysisBuilder",
    "Counts",
    "Digest",
    "Group",
    "Groups",
    "InputError",
    "Judged",
    "KeepDialogue",
    "Moment",
    "Pattern",
    "Says",
    "Sessions",
    "digest_of",
    "last_command",
    "last_reply",
    "numbered",
    "put_away",
    "stripped",
]
