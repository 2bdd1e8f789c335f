"""An `Analysis` -> the whole result in a paragraph, and what was read: sentences that every report for people begins with.

Cleaned text without layout, as in `telling`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pcapdiag.analysis import OTHER_SERVERS, Analysis, Group, Judged
from pcapdiag.diagnosis.verdict import Verdict
from pcapdiag.model import CaptureInfo, How, Impact, Party, Stage
from pcapdiag.report.clean import plain, safe_text
from pcapdiag.report.clock import Clock
from pcapdiag.report.telling import held_up_by, perhaps
from pcapdiag.report.words import HOW, PARTY, PATTERN, STAGE, count, listed, sentence, where

NOT_DROPPED = (Party.NOBODY, Party.UNDETERMINED)
OPEN = (Party.NOBODY, How.OPEN)
MOST_IDS = 12
"""Sessions named behind one pattern."""
NOT_TAKEN = {Impact.REJECTED: ", but mail was refused", Impact.DELAYED: ", but mail was put off"}
"""What an orderly end may hide."""
OUTSTANDING = 4
"""A way to end stands out when a quarter of the dropped sessions ended so."""


def lead(analysis: Analysis, *, only: Judged | None, ports: Sequence[int] | None) -> Iterator[str]:
    """The result, a paragraph each. `only` is the session when there is but one; `ports` as in `Options`."""
    shown = len(analysis.sessions)
    if not analysis.total:
        yield _nothing(analysis, ports)
        return
    if not shown:
        yield f"No session passes the filter; there are {count(analysis.total, 'session')} without it."
        return
    if only is not None:
        yield sentence(plain(only.verdict.summary, [info.path for info in analysis.captures]))
    else:
        first = f"{count(analysis.total, 'SMTP session')}{_counts(analysis)}"
        yield " ".join([first, *_worst(analysis), _attention(analysis)])
    if shown != analysis.total:
        yield f"A filter is set, which shows {shown:,} of {count(analysis.total, 'session')}."


def title(analysis: Analysis, *, only: Judged | None) -> str:
    """The result as the heading of a page. `only` is the session when there is but one."""
    if not analysis.total:
        return "No SMTP session found"
    if only is not None:
        return _fate(only.verdict)
    dropped = f"{analysis.dropped:,} of {count(analysis.total, 'SMTP session')} dropped"
    if not analysis.dropped:
        return f"{count(analysis.total, 'SMTP session')}, none dropped"
    by = [party for party, number in analysis.dropped_by.items() if number and party not in NOT_DROPPED]
    return f"{dropped} by {PARTY[by[0]]}" if len(by) == 1 else dropped


def _fate(verdict: Verdict) -> str:
    """One session's end in half a sentence, with the party and the step."""
    place = where(verdict.stage, verdict.owing)
    if verdict.dropped_by is Party.UNDETERMINED:
        return f"Who ended the session, {place}, cannot be told from this capture"
    if verdict.dropped_by is not Party.NOBODY:
        held_up = f", {held_up_by(verdict)}," if held_up_by(verdict) else ""
        who = f"{perhaps(verdict)}{PARTY[verdict.dropped_by]}{held_up}"
        return sentence(f"{who} dropped the connection {place}").removesuffix(".")
    if verdict.how is How.OPEN:
        return f"Still open when the capture ended, {place}"
    return "The session ended as it should" + NOT_TAKEN.get(verdict.impact, "")


def _nothing(analysis: Analysis, ports: Sequence[int] | None) -> str:
    """The result when there is no session at all, and what to try."""
    packets = sum(info.packets for info in analysis.captures)
    if ports is None:
        where = "on any port"
    else:
        where = f"on {'port' if len(ports) == 1 else 'ports'} {listed([str(port) for port in ports])}"
    sentences = [f"No SMTP session was found in {count(packets, 'packet')}; we looked {where}."]
    if packets and ports is not None:
        sentences.append("If the mail runs on another port, name it with --port N, or find it with --any-port.")
    if packets:
        sentences.append("If it should be there, check that the capture was taken where the mail passes.")
    return " ".join(sentences)


def _counts(analysis: Analysis) -> str:
    """``, all of them dropped by the server.`` or ``: 2 dropped by the server, 1 still open and 7 ended as they should.``"""
    fates = [fate for fate in _fates(analysis) if fate[0]]
    if len(fates) == 1 and analysis.total > 1:
        return f", all of them {fates[0][1]}."
    return f": {listed([f'{number:,} {words}' for number, words in fates])}."


def _fates(analysis: Analysis) -> Iterator[tuple[int, str]]:
    """How many sessions ended how, in words."""
    by = analysis.dropped_by
    for party in sorted(Party, key=lambda party: -by.get(party, 0)):
        if party not in NOT_DROPPED:
            yield by.get(party, 0), f"dropped by {PARTY[party]}"
    yield by.get(Party.UNDETERMINED, 0), "undetermined"
    nobody = by.get(Party.NOBODY, 0)
    if sum(group.sessions for group in analysis.groups) != analysis.total:
        yield (
            nobody,
            "dropped by nobody",
        )  # a filter is set, and the groups, which know more, are of what it lets through
        return
    still_open = sum(group.sessions for group in analysis.groups if (group.dropped_by, group.how) == OPEN)
    yield still_open, "still open"
    yield nobody - still_open, "ended as it should" if nobody - still_open == 1 else "ended as they should"


def _worst(analysis: Analysis) -> Iterator[str]:
    """How most dropped sessions ended, where one way stands out."""
    ways: dict[tuple[Party, How, Stage], list[Group]] = {}
    for group in analysis.groups:
        if group.dropped_by not in NOT_DROPPED:
            ways.setdefault((group.dropped_by, group.how, group.stage), []).append(group)
    if not ways:
        return
    (party, how, stage), groups = max(ways.items(), key=lambda way: sum(group.sessions for group in way[1]))
    sessions, dropped = (
        sum(group.sessions for group in groups),
        sum(group.sessions for way in ways.values() for group in way),
    )
    if sessions < 2 or sessions * OUTSTANDING < dropped:
        return
    unnamed = analysis.dropped_by.get(Party.UNDETERMINED, 0)
    if sessions == dropped:
        often = f"{sessions:,} times" if unnamed else "Each time"
    else:
        often = f"Most often ({sessions:,} of {dropped:,})"
    yield f"{often} {_who(party, groups)} by {HOW[how]}, {STAGE[stage]}."


def _who(party: Party, groups: list[Group]) -> str:
    servers = sorted({group.server for group in groups})
    if len(servers) > 1 or OTHER_SERVERS in servers:
        more = " and more" if OTHER_SERVERS in servers else ""
        return f"{PARTY[party]} ended the connection, with {len(servers):,}{more} servers,"
    if party is Party.SERVER:
        return f"the server {safe_text(servers[0])} ended the connection"
    return f"{PARTY[party]} ended the connection with {safe_text(servers[0])}"


def _attention(analysis: Analysis) -> str:
    if not analysis.attention:
        return "None needs attention."
    if analysis.attention == analysis.total:
        return "All need attention." if analysis.total > 2 else "Both need attention."
    return f"{count(analysis.attention, 'session needs', 'sessions need')} attention."


def in_common(analysis: Analysis) -> Iterator[str]:
    """What several sessions together show, a sentence each, and which sessions these are."""
    paths = [info.path for info in analysis.captures]
    for pattern in analysis.patterns:
        ids = ", ".join(str(each) for each in pattern.sessions[:MOST_IDS])
        more = ", ..." if pattern.sessions_total > MOST_IDS else ""
        yield f"{PATTERN.get(pattern.kind, pattern.kind)}: {sentence(plain(pattern.summary, paths))} Sessions {ids}{more}."


def about(info: CaptureInfo, clock: Clock) -> str:
    """A capture in half a sentence: format, packets, time."""
    parts = [info.format, "/".join(info.link_types)] if info.link_types else [info.format]
    parts.append(f"{count(info.packets, 'packet')} ({info.smtp_packets:,} of mail)")
    if info.first_time_ns is not None and info.last_time_ns is not None:
        parts.append(clock.span(info.first_time_ns, info.last_time_ns))
    return ", ".join(parts)


def notes(info: CaptureInfo) -> list[str]:
    """What a reader of the verdicts must know about a capture."""
    texts = [safe_text(note.says) for note in info.notes]
    if info.dropped_by_capture and all(note.code != "dropped" for note in info.notes):
        lost = count(info.dropped_by_capture, "packet")
        texts.append(f"the capture itself lost {lost}: gaps are not proof of loss on the way")
    return texts


def together(infos: Sequence[CaptureInfo]) -> str:
    """How several files belong together."""
    files, traces = len(infos), len({info.trace for info in infos})
    if traces == 1:
        return f"The {files} files follow one another and were read as one trace."
    if traces == files:
        return "The files were read as separate traces: no session spans two of them."
    return f"The {files} files make {traces} traces: no session spans two of them."
