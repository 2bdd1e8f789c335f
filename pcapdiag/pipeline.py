"""The whole flow on one screen: octets, table, connections, sessions, verdicts.

open_captures     files, pipes        -> batches of packets, trace by trace
Tracker           batches             -> connections, whose octets go straight to
SmtpObserver      octets              -> a dialogue
judge             session, around     -> a verdict
AnalysisBuilder   judged sessions     -> the analysis, which every report is made from
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from pcapdiag.analysis import Analysis, AnalysisBuilder, InputError, Judged, KeepDialogue
from pcapdiag.capture import Captures, CaptureSet, Trace, open_captures
from pcapdiag.capture.checksum import sha256_of
from pcapdiag.diagnosis import judge
from pcapdiag.errors import UsageError
from pcapdiag.garbage import collected_rarely
from pcapdiag.model import Endpoint, Vantage
from pcapdiag.parts import Here, Part, numbers_by_batch, weave
from pcapdiag.session import Session, Surroundings
from pcapdiag.smtp.dialogue import Dialogue
from pcapdiag.smtp.observer import SmtpObserver
from pcapdiag.tcp.connection import Connection
from pcapdiag.tcp.tracker import Tracker

if TYPE_CHECKING:
    from pcapdiag.relay import Relay

DEFAULT_PORTS = frozenset({25, 465, 587, 2525})
SMTPS_PORT = 465
"""Implicit TLS (RFC 8314 section 3)."""

WORTH_SHARING = 64 << 20
"""Octets of input: with less, another process takes longer to start than it saves."""
MOST_PROCESSES = 4
"""Unless more are asked for: each holds up to 150 MB."""


class Job(NamedTuple):
    """What is to be analysed, and how: all that another process has to know."""

    paths: tuple[str, ...]
    ports: frozenset[int] | None
    merge: bool
    engine: str
    captured_at: Vantage | None
    keep_dialogue: KeepDialogue

    def open(self, progress: Callable[[int, int | None], None] | None = None) -> CaptureSet:
        return open_captures(
            list(self.paths), ports=self.ports, merge=self.merge, engine=self.engine, progress=progress
        )


@collected_rarely()
def analyze(
    paths: Sequence[str],
    *,
    ports: frozenset[int] | None = DEFAULT_PORTS,
    merge: bool = False,
    engine: str = "auto",
    captured_at: Vantage | None = None,
    keep_dialogue: KeepDialogue = KeepDialogue.ATTENTION,
    processes: int | None = 1,
    progress: Callable[[int, int | None], None] | None = None,
) -> Analysis:
    """Analyse captures and say who dropped which connection.

    Args:
        paths: Files and directories; ``-`` is standard input.
        ports: Ports on which sessions are looked for; None: also finds SMTP on any other port, by its dialogue.
        merge: Files that overlap in time are one trace.
        engine: ``own``, ``tshark``, or ``auto``: tshark only for packets that ours does not know.
        captured_at: Where the captures were taken, when the user knows.
        keep_dialogue: Whose dialogue is kept.
        processes: How many share the connections among them; None: as many as pay. The result is the same; one
            more reads for all. With several, `Analysis.sessions.each` takes functions that can be pickled.
        progress: Called with octets read and octets in all.

    Raises:
        PcapdiagError: nothing could be read at all because of the options; a file that cannot be read stands in
            `Analysis.errors` instead.
    """
    if processes is not None and processes < 1:
        raise UsageError(f"{processes} processes cannot do any work: name 1 or more")
    job = Job(tuple(str(path) for path in paths), ports, merge, engine, captured_at, keep_dialogue)
    captures = job.open(progress)
    shares = worthwhile(captures.total) if processes is None else processes
    if shares > 1 and captures.total is None:
        raise UsageError(
            "several processes cannot share standard input or a pipe: name a file, or leave --processes away"
        )
    if shares == 1 and ports is not None:
        builder = AnalysisBuilder(keep_dialogue)
        for judged in judged_in(captures, job, (0, 1)):
            builder.add(judged)
        return builder.finish(captures.infos(), _errors(captures))
    # In shares, or on any port, it is known at the end only which connections are sessions, and so their numbers.
    if shares == 1:
        own = part_of(job, (0, 1), captures)
        return weave([Here(own)], captures.infos(), _errors(captures))
    return _shared(job, shares, progress)


def with_checksums(analysis: Analysis) -> Analysis:
    """The analysis with the SHA-256 of every capture file, which are read once more for it."""
    captures = [info._replace(sha256=sha256_of(info.path)) for info in analysis.captures]
    return analysis._replace(captures=tuple(captures))


def worthwhile(octets: int | None) -> int:
    """How many processes pay for an input of so many octets (None: nobody knows before its end)."""
    if octets is None or octets < WORTH_SHARING:
        return 1
    mine = getattr(os, "sched_getaffinity", None)
    return min(len(mine(0)) if mine else os.cpu_count() or 1, MOST_PROCESSES)


def _shared(job: Job, shares: int, progress: Callable[[int, int | None], None] | None) -> Analysis:
    """The analysis by several processes, which share the connections among them, and one more that reads for all."""
    from pcapdiag.relay import Relay  # noqa: PLC0415 - to import multiprocessing takes longer than a small capture
    from pcapdiag.shares import Elsewhere, helping  # noqa: PLC0415 - the same

    relay = Relay(shares)
    helping(partial(relay.read, job.open))
    others = [Elsewhere(partial(_part_elsewhere, job, (share, shares), relay)) for share in range(1, shares)]
    try:
        with relay.seen(0, progress) as captures:
            own = part_of(job, (0, shares), captures)
        return weave([Here(own), *others], captures.infos(), _errors(captures))
    except BaseException:
        for other in others:  # they would go on to the end for nobody
            other.close()
        raise


def _part_elsewhere(job: Job, share: tuple[int, int], relay: Relay) -> Part:
    with relay.seen(share[0]) as captures:
        return part_of(job, share, captures)


def part_of(job: Job, share: tuple[int, int], captures: Captures) -> Part:
    """What one process of several does: it looks at everything, and follows its share of the connections."""
    return Part(judged_in(captures, job, share), job.keep_dialogue, share[1])


def _errors(captures: Captures) -> Iterator[InputError]:
    return (InputError(path, says) for path, says in captures.errors)


def judged_in(captures: Captures, job: Job, share: tuple[int, int]) -> Iterator[Judged]:
    """The sessions of all traces as they end (of this share of the connections), judged."""
    numbering = numbers_by_batch() if job.ports is None or share[1] > 1 else partial(_next_number, count(1))
    for trace in captures.traces:
        for session, around in sessions_of(trace, job.ports, job.captured_at, numbering, share):
            yield Judged(session.connection.serial, session, judge(session, around))


def _next_number(counted: Iterator[int], batch: int) -> int:
    """One after the other over all traces: of one process that looks at the mail ports only these are the ids."""
    return next(counted)


def sessions_of(
    trace: Trace,
    ports: frozenset[int] | None,
    captured_at: Vantage | None,
    numbering: Callable[[int], int],
    share: tuple[int, int] = (0, 1),
) -> Iterator[tuple[Session, Surroundings]]:
    """The sessions of one trace as they end, each with what the capture knew by then."""
    ended: list[tuple[Connection, SmtpObserver]] = []
    tracker: Tracker[SmtpObserver] = Tracker(
        observer_for,
        lambda connection, observer: ended.append((connection, observer)),
        ports=ports,
        trace=trace.index,
        numbering=numbering,
        share=share,
    )

    def drain() -> Iterator[tuple[Session, Surroundings]]:
        around = Surroundings(tracker.hosts, captured_at, ports or DEFAULT_PORTS, trace.dropped)
        for connection, observer in ended:
            session = session_of(connection, observer, ports)
            if session is not None:
                yield session, around
        ended.clear()

    for batch in trace.batches():
        tracker.feed(batch)
        yield from drain()
    tracker.finish()
    yield from drain()


def session_of(connection: Connection, observer: SmtpObserver, ports: frozenset[int] | None) -> Session | None:
    """A finished connection and what was said over it; None: on no port that mail uses, and no SMTP."""
    dialogue = observer.finish()
    if ports is not None or connection.server.port in DEFAULT_PORTS or speaks_smtp(dialogue):
        return Session(connection, dialogue)
    return None


def observer_for(client: Endpoint, server: Endpoint) -> SmtpObserver:
    """The reader of one connection's octets."""
    return SmtpObserver(implicit_tls=server.port == SMTPS_PORT)


def speaks_smtp(dialogue: Dialogue) -> bool:
    """SMTP by what was said: a greeting that names it, an EHLO, HELO or LHLO, or a MAIL (FTP greets with 220 too)."""
    greeting = dialogue.greeting
    if dialogue.helo is not None or dialogue.transactions:
        return True
    return greeting is not None and b"SMTP" in greeting.text.upper()
