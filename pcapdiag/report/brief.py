"""An `Analysis` -> a page of at most 60 lines, in any dialect: the note for a ticket.

The most important first, and of everything as much as there is room for: the result; for each of the first sessions who,
where, what became of the mail, the evidence, what speaks against it, the next step; checksums, and what is hidden. It
says what was left out and where that stands. Sessions are left out whole; of a session first the later evidence.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from pcapdiag.analysis import Analysis, Group, Judged
from pcapdiag.model import Moment
from pcapdiag.report import telling
from pcapdiag.report.choice import FEW, choose, kind
from pcapdiag.report.clean import frame_text
from pcapdiag.report.clock import Clock
from pcapdiag.report.document import Block, Bullets, Dialect, Facts, Heading, Paragraph, capped
from pcapdiag.report.groups import ranked, server_of
from pcapdiag.report.options import Options
from pcapdiag.report.story import FULL, Teller, few, files, patterns, remarks, signature, titled
from pcapdiag.report.summary import lead
from pcapdiag.report.words import PARTY, count

MOST_LINES = 60
MOST_TOLD = 20
MOST_GROUPS = 6
MOST_FILES, MOST_REMARKS = 3, 2
SHARES, SHARE = 3, 26
"""With sessions of several kinds each may take a third of the room, or so many lines: a bit of each is of use to nobody."""
MOST_LINES_APART = 6
"""Lines kept for sessions that are told in one."""
LEAST = 22
"""Lines kept for a first session, whatever else there is to say."""
LONGEST = 300
"""Characters of one text: a capture with its checksum has fewer."""
LEAD, REMARK = 400, 150
"""Characters of the result, and of a remark on a capture."""


class Depth(NamedTuple):
    """How much of a session is told."""

    evidence: int
    doubts: int
    steps: int
    mails: int
    filters: bool
    longest: int
    """Characters of one text."""


DEPTHS = (
    Depth(8, 6, 6, 5, True, LONGEST),
    Depth(4, 3, 3, 3, True, LONGEST),
    Depth(3, 2, 2, 2, True, LONGEST),
    Depth(2, 1, 1, 1, True, 200),
    Depth(2, 0, 1, 0, False, 200),
    Depth(1, 0, 1, 0, False, 70),
)
"""The last has room in `LEAST` lines, whatever was said."""

_FACTS = {"client", "server", "time", telling.DROPPED_BY, "mail", ""}
"""Labels of the facts that a note needs; the sentence tells the others."""


class Room(NamedTuple):
    """What is still free on the page."""

    lines: int
    characters: int

    def holds(self, text: str) -> bool:
        return text.count("\n") <= self.lines and len(text) <= self.characters

    def without(self, text: str) -> Room:
        return Room(self.lines - text.count("\n"), self.characters - len(text))

    def divided(self, by: int) -> Room:
        return Room(max(self.lines // by, SHARE), self.characters)


def short(
    analysis: Analysis, dialect: Dialect, options: Options, *, attached: bool = False, limit: int | None = None
) -> str:
    """The page. `attached`: the full report goes with it; `limit`: how many characters it may have at most."""
    return _Page(analysis, dialect, options, attached).text(Room(MOST_LINES, limit or sys.maxsize))


class _Page:
    def __init__(self, analysis: Analysis, dialect: Dialect, options: Options, attached: bool) -> None:
        self._analysis = analysis
        self._dialect = dialect
        self._options = options
        self._attached = attached
        self._clock = Clock(options.zone)
        self._paths = [info.path for info in analysis.captures]
        self._teller = Teller(self._clock, self._paths, options)
        self._alone = len(analysis.sessions) == 1

    def text(self, room: Room) -> str:
        choice = choose(self._analysis, self._options)
        chosen = _by_kind(islice(choice.sessions, MOST_TOLD))
        if self._alone and not chosen:
            chosen = list(self._analysis.sessions)  # it ended as it should; who and when is still worth a line
        signed = self._dialect.write([Paragraph(signature(self._analysis))])
        tail = self._fitting(self._tail(chosen), room.without(signed)) + signed
        room = room.without(tail + self._where(choice.wanted, cut=True))
        kept = Room(room.lines - LEAST, room.characters) if chosen else room
        head = self._fitting(self._head(chosen), kept)
        told = self._sessions(chosen, room.without(head))
        lines = self._in_a_line(chosen[len(told) :], room.without(head + "".join(told)))
        page = head + "".join(told) + (self._dialect.write([Bullets(lines)]) if lines else "")
        where = self._where(choice.wanted - len(told) - len(lines), cut=bool(lines) or FULL in page + tail)
        return f"{page}{where}{tail}".rstrip("\n") + "\n"

    def _fitting(self, parts: Iterable[Sequence[Block]], room: Room) -> str:
        """The parts for which there is room, the first in any case."""
        written = ""
        for part in parts:
            piece = self._dialect.write(part)
            if not written or room.holds(written + piece):
                written += piece
        return written

    def _head(self, chosen: Sequence[Judged]) -> Iterator[Sequence[Block]]:
        only = chosen[0] if self._alone else None
        for text in lead(self._analysis, only=only, ports=self._options.ports):
            yield [Paragraph(capped(text, LEAD))]
        if len(self._analysis.sessions) > FEW:
            yield [Bullets(few([self._group(group) for group in ranked(self._analysis.groups)], MOST_GROUPS))]
        if alike := list(patterns(self._analysis)):
            yield [Bullets(few(_short(alike), 2))]

    def _group(self, group: Group) -> str:
        return (
            f"{count(group.sessions, 'session')} with {server_of(group)}: {PARTY[group.dropped_by]}, "
            f"{group.how.value}, {group.stage.value} ({group.rule}); see {group.example}"
        )

    def _sessions(self, chosen: Sequence[Judged], room: Room) -> list[str]:
        """As many as there is room for, each as deep as its share allows."""
        others = min(len(chosen) - 1, MOST_LINES_APART) + 1 if len(chosen) > 1 else 0
        share = Room(room.lines - others, room.characters).divided(
            min(max(len({kind(one) for one in chosen}), 1), SHARES)
        )
        told: list[str] = []
        for judged in chosen:
            pieces = [self._dialect.write(self._session(judged, depth)) for depth in DEPTHS]
            piece = next((each for each in pieces[:-1] if share.holds(each) and room.holds(each)), pieces[-1])
            if not room.holds(piece) or (told and piece is pieces[-1]):
                break  # a first session is worth scraps, a second is better told in a line
            room = room.without(piece)
            told.append(piece)
        return told

    def _in_a_line(self, sessions: Sequence[Judged], room: Room) -> list[str]:
        """What there is room for of sessions that are few enough to be counted: the verdict in a few words, when and where."""
        lines: list[str] = []
        for judged in sessions if len(self._analysis.sessions) <= FEW else ():
            verdict, session = judged.verdict, judged.session
            says = (
                f"Session {judged.id}: {telling.headline(verdict)}; {session.client.address} to {session.server.address}, "
                f"{self._clock.time(verdict.end.time_ns)} ({frame_text(verdict.end, self._paths)})"
            )
            if not room.holds(self._dialect.write([Bullets([*lines, says])])):
                break
            lines.append(says)
        return lines

    def _session(self, judged: Judged, depth: Depth) -> Iterator[Block]:
        verdict, paths, longest = judged.verdict, self._paths, depth.longest
        if not self._alone:
            yield Heading(2, f"Session {judged.id}: {telling.headline(verdict)}")
            yield Paragraph(capped(telling.verdict_sentence(verdict, paths), longest))
        yield Facts(list(self._facts(judged, depth)))
        yield from titled(3, "Why we say so", few(_short(telling.why_so(verdict, paths), longest), depth.evidence))
        if depth.doubts:
            doubts = _short(telling.doubts(verdict, paths), longest)
            yield from titled(3, "What else it could be", few(doubts, depth.doubts))
        yield from self._teller.next_steps(judged, depth.steps, longest)
        if depth.filters:
            yield Heading(3, "In Wireshark")
            yield from self._teller.filters(judged)

    def _facts(self, judged: Judged, depth: Depth) -> Iterator[tuple[str, str]]:
        label, mails = "", depth.mails
        for fact in telling.facts(judged, self._clock, self._paths):
            label = fact.label or label
            if label in _FACTS and (fact.label or mails > 0):
                mails -= not fact.label
                yield fact.label, capped(fact.text, depth.longest)

    def _where(self, left_out: int, *, cut: bool) -> str:
        """How many sessions are not told, and where all stands; nothing where this page is all."""
        if left_out <= 0 and not cut:
            return ""
        needs = "session that needs attention", "sessions that need attention"
        missing = f"Not told here: {count(left_out, *needs)}. " if left_out > 0 else ""
        where = "is attached" if self._attached else "comes from: pcapdiag analyze FILE --format html"
        return self._dialect.write([Paragraph(f"{missing}The {FULL} {where}.")])

    def _tail(self, chosen: Sequence[Judged]) -> Iterator[Sequence[Block]]:
        shown = {at.capture for judged in chosen[:1] for at in _ends(judged)}
        yield titled(2, "Captures", few(_short(files(self._analysis, self._clock, shown)), MOST_FILES))
        if told := remarks(self._analysis):
            yield [Bullets(few(_short(told, REMARK), MOST_REMARKS))]


def _by_kind(sessions: Iterable[Judged]) -> list[Judged]:
    """One of each kind, then the others."""
    given = list(sessions)
    first = {kind(judged): judged.id for judged in reversed(given)}
    return sorted(given, key=lambda judged: first[kind(judged)] != judged.id)


def _ends(judged: Judged) -> tuple[Moment, Moment]:
    return judged.session.connection.first, judged.session.connection.last


def _short(texts: Iterable[str], longest: int = LONGEST) -> list[str]:
    return [capped(text, longest) for text in texts]
