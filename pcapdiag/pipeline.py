"""The whole flow on one screen: octets, table, connections, sessions, verdicts.

open_captures     files, pipes        -> batches of packets, trace by trace
Tracker           batches             -> connections, whose octets go straight to
SmtpObserver      octets              -> a dialogue
judge             session, around     -> a verdict
AnalysisBuilder   judged sessions     -> the analysis, which every report is made from
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import count

from pcapdiag.analysis import Analysis, AnalysisBuilder, InputError, Judged, KeepDialogue
from pcapdiag.capture import CaptureSet, Trace, open_captures
from pcapdiag.diagnosis import judge
from pcapdiag.model import Endpoint, Vantage
from pcapdiag.session import Session, Surroundings
from pcapdiag.smtp.dialogue import Dialogue
from pcapdiag.smtp.observer import SmtpObserver
from pcapdiag.tcp.connection import Connection
from pcapdiag.tcp.tracker import Tracker

DEFAULT_PORTS = frozenset({25, 465, 587, 2525})
SMTPS_PORT = 465
"""Implicit TLS (RFC 8314 section 3)."""

COLLECTIONS = (100_000, 20, 100)
"""Thresholds of the cyclic garbage collector while captures are analysed."""


def analyze(
    paths: Iterable[str],
    *,
    ports: frozenset[int] | None = DEFAULT_PORTS,
    merge: bool = False,
    engine: str = "auto",
    captured_at: Vantage | None = None,
    keep_dialogue: KeepDialogue = KeepDialogue.ATTENTION,
    progress: Callable[[int, int | None], None] | None = None,
) -> Analysis:
    """Analyse captures and say who dropped which connection.

    Args:
        paths: Files and directories; ``-`` is standard input.
        ports: Ports on which sessions are looked for; None: also finds SMTP on any other port, by its dialogue (ids then
            count all connections, so that they may have gaps).
        merge: Files that overlap in time are one trace.
        engine: ``own``, ``tshark``, or ``auto``: tshark only for packets that ours does not know.
        captured_at: Where the captures were taken, when the user knows.
        keep_dialogue: Whose dialogue is kept.
        progress: Called with octets read and octets in all.

    Raises:
        PcapdiagError: nothing could be read at all because of the options; a file that cannot be read stands in
            `Analysis.errors` instead.
    """
    captures = open_captures([str(path) for path in paths], ports=ports, merge=merge, engine=engine, progress=progress)
    builder = AnalysisBuilder(keep_dialogue)
    serials = count(1)
    with rare_collections():
        for trace in captures.traces:
            for session, around in sessions_of(trace, captures, ports, captured_at, serials):
                builder.add(Judged(session.connection.serial, session, judge(session, around)))
    return builder.finish(captures.infos(), (InputError(path, says) for path, says in captures.errors))


def sessions_of(
    trace: Trace,
    captures: CaptureSet,
    ports: frozenset[int] | None,
    captured_at: Vantage | None,
    serials: Iterator[int],
) -> Iterator[tuple[Session, Surroundings]]:
    """The sessions of one trace as they end, each with what the capture knew by then."""
    ended: list[tuple[Connection, SmtpObserver]] = []
    tracker: Tracker[SmtpObserver] = Tracker(
        observer_for,
        lambda connection, observer: ended.append((connection, observer)),
        ports=ports,
        trace=trace.index,
        serials=serials,
    )

    def drain() -> Iterator[tuple[Session, Surroundings]]:
        drops = (
            [info.dropped_by_capture for info in captures.infos() if info.dropped_by_capture is not None]
            if ended
            else []
        )
        for connection, observer in ended:
            dialogue = observer.finish()
            if ports is not None or connection.server.port in DEFAULT_PORTS or speaks_smtp(dialogue):
                around = Surroundings(tracker.hosts, captured_at, ports or DEFAULT_PORTS, sum(drops) if drops else None)
                yield Session(connection, dialogue), around
        ended.clear()

    for batch in trace.batches():
        tracker.feed(batch)
        yield from drain()
    tracker.finish()
    yield from drain()


@contextmanager
def rare_collections() -> Iterator[None]:
    """Let the cyclic garbage collector run a hundred times less often: nearly all that passes through here is freed by
    its reference count, and going through the living objects cost a quarter of the time."""
    before = gc.get_threshold()
    gc.set_threshold(*COLLECTIONS)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def observer_for(client: Endpoint, server: Endpoint) -> SmtpObserver:
    """The reader of one connection's octets."""
    return SmtpObserver(implicit_tls=server.port == SMTPS_PORT)


def speaks_smtp(dialogue: Dialogue) -> bool:
    """SMTP by what was said: a greeting that names it, an EHLO, HELO or LHLO, or a MAIL (FTP greets with 220 too)."""
    greeting = dialogue.greeting
    if dialogue.helo is not None or dialogue.transactions:
        return True
    return greeting is not None and b"SMTP" in greeting.text.upper()
