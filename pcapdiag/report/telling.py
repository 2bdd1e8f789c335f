"""A judged session -> the sentences that every report for people tells of it.

Cleaned text (`pcapdiag.report.clean`) without layout: the text report breaks it into lines, the others escape it in their
own way. What a table or a drawing shows stands in `ladder` and `rungs`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pcapdiag.analysis import Judged
from pcapdiag.diagnosis.verdict import Evidence, Finding, Verdict
from pcapdiag.model import How, Impact, Moment, Party, Strength
from pcapdiag.report.clean import duration_text, plain, short_name
from pcapdiag.report.clock import Clock
from pcapdiag.report.facts import wireshark_filters
from pcapdiag.report.mail import messages
from pcapdiag.report.names import beside, greeted, helo
from pcapdiag.report.words import HOW, IMPACT, PARTY, SIDE, VANTAGE, listed, sentence, where

Paths = Sequence[str]

MOST_FRAMES = 8
"""Frames named behind one sentence of evidence."""


class Fact(NamedTuple):
    """One line of what a session was: ``dropped by``, and who."""

    label: str
    """Empty: goes on with the fact before."""
    text: str


DROPPED_BY = "dropped by"
"""The label of the fact that names the party."""


def headline(verdict: Verdict) -> str:
    """The verdict in a few words, as sure as it is, and with who made the party drop the connection."""
    if verdict.dropped_by is Party.NOBODY:
        return f"{'still open' if verdict.how is How.OPEN else 'ended as it should'}, {verdict.stage.value}"
    if verdict.dropped_by is Party.UNDETERMINED:
        return f"dropped by: undetermined, {verdict.stage.value}"
    held_up = f", {held_up_by(verdict)}" if held_up_by(verdict) else ""
    return f"{perhaps(verdict)}dropped by {PARTY[verdict.dropped_by]}{held_up}, {verdict.stage.value}"


def perhaps(verdict: Verdict) -> str:
    """What stands in front of a party that is named in few words, so that they are no surer than the verdict."""
    return "possibly " if verdict.strength is Strength.POSSIBLE else ""


def held_up_by(verdict: Verdict) -> str:
    """Who made the party drop the connection; empty where nobody else did."""
    if verdict.stalled_by in (None, verdict.dropped_by):
        return ""
    return f"held up by {PARTY[verdict.stalled_by]}"


def verdict_sentence(verdict: Verdict, paths: Paths) -> str:
    """The verdict as one sentence."""
    return sentence(plain(verdict.summary, paths))


def facts(judged: Judged, clock: Clock, paths: Paths) -> Iterator[Fact]:
    """Who spoke with whom and when, who dropped it where, and what became of the mail."""
    session, verdict = judged.session, judged.verdict
    connection = session.connection
    yield Fact("client", beside(str(session.client), helo(session)))
    yield Fact("server", beside(str(session.server), greeted(session)))
    lasted = duration_text(connection.last.time_ns - connection.first.time_ns)
    yield Fact("time", f"{clock.full(connection.first.time_ns)}, lasted {lasted}")
    yield Fact(DROPPED_BY, _who(judged))
    yield Fact("stage", _place(verdict))
    if verdict.stalled_by is not None:
        yield Fact("held up by", PARTY[verdict.stalled_by])
    yield Fact("mail", IMPACT[verdict.impact])
    for line in messages(session):
        yield Fact("", line)
    if verdict.vantage is not None:
        seen = "".join(": " + plain(each.says, paths) for each in verdict.vantage_evidence[:1])
        yield Fact("captured", VANTAGE[verdict.vantage] + seen)
    why = plain(verdict.why, paths).removeprefix(f"{verdict.rule}: ")
    yield Fact("rule", f"{verdict.rule}, {why} (pcapdiag explain {verdict.rule})")


def mail(judged: Judged) -> str:
    """``2 delayed``: how many messages, and the worst that happened."""
    impact, number = judged.verdict.impact, judged.session.dialogue.transactions_total
    if impact is Impact.NONE:
        return f"{number} ok" if number else "none sent"
    return f"{number} {impact.value}" if number else impact.value


def _who(judged: Judged) -> str:
    verdict, session = judged.verdict, judged.session
    address = {Party.CLIENT: session.client.address, Party.SERVER: session.server.address}.get(verdict.dropped_by)
    who = PARTY[verdict.dropped_by] + (f" {address}" if address else "")
    how = HOW[verdict.how]
    sure = f"; {verdict.strength.value}" if verdict.strength else ""
    also = (
        f"; could also be {listed([PARTY[party] for party in verdict.could_also_be])}" if verdict.could_also_be else ""
    )
    joined = f"{who}: {how}" if verdict.dropped_by in (Party.NOBODY, Party.UNDETERMINED) else f"{who}, by {how}"
    return joined + sure + also


def _place(verdict: Verdict) -> str:
    text = f"{verdict.stage.value}: {where(verdict.stage, verdict.owing)}"
    if verdict.owing is not None:
        text += f"; it was {SIDE[verdict.owing]}'s turn"
        if verdict.waited_ns is not None:
            text += f", for {duration_text(verdict.waited_ns)}"
    return text


def why_so(verdict: Verdict, paths: Paths) -> Iterator[str]:
    """Why we say so: a sentence a piece of evidence, with its frames."""
    return (_evidence(each, paths) for each in verdict.evidence)


def doubts(verdict: Verdict, paths: Paths) -> Iterator[str]:
    """What speaks against it, and what else it could be."""
    yield from (_evidence(each, paths) for each in verdict.against)
    yield from (_finding(each, paths) for each in verdict.others)


def besides(verdict: Verdict, paths: Paths) -> Iterator[str]:
    """What was seen besides."""
    return (_finding(each, paths) for each in verdict.findings)


def _evidence(evidence: Evidence, paths: Paths) -> str:
    return sentence(plain(evidence.says, paths), _frames(evidence, paths))


def _finding(finding: Finding, paths: Paths) -> str:
    frames = tuple(sorted({at for each in finding.evidence for at in each.frames}))
    shown = _frames(Evidence(finding.summary, frames), paths).strip(" ()")
    return sentence(plain(finding.summary, paths), f" ({finding.rule}{': ' if shown else ''}{shown})")


def _frames(evidence: Evidence, paths: Paths) -> str:
    """Frames that the sentence itself does not name."""
    named = {part for part in evidence.says if isinstance(part, Moment)}
    if not evidence.frames or named.issuperset(evidence.frames):
        return ""
    total = evidence.frames_total or len(evidence.frames)
    captures = sorted({at.capture for at in evidence.frames})
    texts = []
    for capture in captures:
        numbers = [at.frame for at in evidence.frames if at.capture == capture]
        word = "frame" if len(numbers) == 1 else "frames"
        of = f" of {short_name(paths[capture])}" if len(paths) > 1 else ""
        texts.append(f"{word} {runs(numbers)}{of}")
    more = f"; {total:,} in all" if total > MOST_FRAMES else ""
    return f" ({', '.join(texts)}{more})"


def next_steps(verdict: Verdict, paths: Paths) -> list[str]:
    """What to do next, in order. Where the last one ends in a colon, the capture to take (`Verdict.next_capture`) follows."""
    steps = list(dict.fromkeys(sentence(plain(step, paths)) for step in verdict.next_steps))
    if verdict.next_capture and not (steps and steps[-1].endswith(":")):
        steps.append("The capture that would settle it:")
    return steps


def filters(judged: Judged, paths: Paths) -> Iterator[tuple[str, str]]:
    """Wireshark's display filter of the session, and the file it is for where there are several."""
    for capture, text in wireshark_filters(judged.session.connection):
        yield text, short_name(paths[capture]) if len(paths) > 1 else ""


def runs(numbers: Sequence[int]) -> str:
    """``12, 15-18, 40, ...``: at most `MOST_FRAMES` items, neighbours joined."""
    texts: list[str] = []
    ordered = sorted(set(numbers))
    start = 0
    while start < len(ordered) and len(texts) < MOST_FRAMES:
        stop = start
        while stop + 1 < len(ordered) and ordered[stop + 1] == ordered[stop] + 1:
            stop += 1
        texts.append(str(ordered[start]) if stop == start else f"{ordered[start]}-{ordered[stop]}")
        start = stop + 1
    return ", ".join(texts) + (", ..." if start < len(ordered) else "")
