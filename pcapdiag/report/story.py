"""An `Analysis` -> the blocks of a whole report, and these in a dialect.

The order is the reader's: what happened, in a paragraph; the sessions in a table, or the groups where they are many; each
session that needs attention in full; what was read, with checksums, so that both sides know they speak of the same file.
Sessions are told one by one, so a trace of 12,000 costs no more memory than one of fifty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from pcapdiag.analysis import Analysis, Group, Judged, KeepDialogue
from pcapdiag.model import CaptureInfo
from pcapdiag.report import telling
from pcapdiag.report.choice import FEW, Choice, choose
from pcapdiag.report.clean import safe_text, short_name
from pcapdiag.report.clock import Clock, when
from pcapdiag.report.document import (
    LONGEST,
    Block,
    Bullets,
    Code,
    Dialect,
    Facts,
    Fold,
    Heading,
    Numbered,
    Paragraph,
    Table,
    capped,
)
from pcapdiag.report.groups import ranked, server_of
from pcapdiag.report.names import beside, greeted, helo, hosts
from pcapdiag.report.options import Options
from pcapdiag.report.redaction import in_full
from pcapdiag.report.rungs import rungs
from pcapdiag.report.summary import about, in_common, lead, notes, together
from pcapdiag.report.text.ladder import Ladder
from pcapdiag.report.text.style import Style
from pcapdiag.report.words import count
from pcapdiag.version import __version__

LADDER_WIDTH = 100
"""Columns of the drawing: a ticket shows about so many before it scrolls."""
FULL = "full report"
"""What a shorter one points to."""
MOST_GROUPS, MOST_PATTERNS, MOST_CAPTURES = 30, 20, 20


@dataclass(frozen=True, slots=True)
class Story:
    """A report in its parts; what can be cut off is `sessions`."""

    head: Sequence[Block]
    sessions: Iterator[Sequence[Block]]
    tail: Sequence[Block]
    """The last one says who made the report."""
    wanted: int
    """How many sessions there are that could be told."""


def full(analysis: Analysis, dialect: Dialect, options: Options, *, limit: int | None = None) -> Iterator[str]:
    """The whole report in that dialect, in pieces.

    `limit` is how many characters it may have at most (65,000 in a comment on GitHub; not below 1,000): it is cut between two
    sessions, or in front of a block where already the beginning is too long, and says so.
    """
    story = tell(analysis, options)
    if limit is None:
        yield dialect.write(story.head)
        yield from (dialect.write(blocks) for blocks in story.sessions)
        yield dialect.write(story.tail).rstrip("\n") + "\n"
    else:
        yield from _within(limit, story, dialect)


def _within(limit: int, story: Story, dialect: Dialect) -> Iterator[str]:
    *captures, signed = story.tail
    last = dialect.write([signed]).rstrip("\n") + "\n"
    room = limit - len(last) - len(dialect.write([_cut(story.wanted, story)]))
    tail = _fitting(captures, dialect, room // 2) + last
    room -= len(tail) - len(last)
    head = _fitting(story.head, dialect, room)
    room -= len(head)
    yield head
    for told, blocks in enumerate(story.sessions):
        piece = dialect.write(blocks)
        if len(piece) > room:
            yield dialect.write([_cut(told, story)])
            break
        room -= len(piece)
        yield piece
    yield tail


def _cut(told: int, story: Story) -> Paragraph:
    return Paragraph(
        f"The report is cut here: there is no room for more sessions. Told above: {told:,} of {story.wanted:,}."
    )


def _fitting(blocks: Iterable[Block], dialect: Dialect, room: int) -> str:
    """The first blocks for which there is room; a heading goes with what it heads."""
    written, heading = "", ""
    for block in blocks:
        piece = heading + dialect.write([block])
        if isinstance(block, Heading):
            heading = piece
            continue
        if len(written) + len(piece) > room:
            break
        written, heading = written + piece, ""
    return written


def tell(analysis: Analysis, options: Options) -> Story:
    """The blocks of the whole report."""
    clock, paths = Clock(options.zone), [info.path for info in analysis.captures]
    shown = len(analysis.sessions)
    rows = list(analysis.sessions) if shown <= FEW else []
    choice = choose(analysis, options)
    head: list[Block] = [Heading(1, "Who dropped the SMTP connection")]
    head += [Paragraph(text) for text in lead(analysis, only=rows[0] if shown == 1 else None, ports=options.ports)]
    if len(rows) > 1 or (rows and not choice.told):
        head += [Heading(2, "Sessions"), sessions_table(rows, clock)]
    elif not rows and shown:
        head += [Heading(2, "Sessions that ended alike"), groups_table(analysis.groups, clock)]
    head += titled(2, "Across sessions", list(patterns(analysis)))
    tail = [*_left_out(choice), *titled(2, "Captures", [*files(analysis, clock), *remarks(analysis)])]
    return Story(
        head=head,
        sessions=_sessions(choice, Teller(clock, paths, options), alone=shown == 1),
        tail=[*tail, Paragraph(signature(analysis))],
        wanted=choice.wanted,
    )


def _sessions(choice: Choice, teller: Teller, *, alone: bool) -> Iterator[Sequence[Block]]:
    for number, judged in enumerate(choice.sessions):
        yield list(teller.session(judged, first=number == 0, alone=alone))


def _left_out(choice: Choice) -> Iterator[Block]:
    if choice.wanted > choice.told:
        yield Paragraph(
            f"Told in full: {choice.told:,} of {count(choice.wanted, 'session')}, examples of each kind. "
            "Another one: pcapdiag analyze FILE --session N."
        )


class Teller:
    """Tells sessions of one analysis."""

    def __init__(self, clock: Clock, paths: Sequence[str], options: Options) -> None:
        self._clock = clock
        self._paths = paths
        self._options = options
        self._style = Style(width=LADDER_WIDTH, colour=False, unicode=options.unicode)

    def session(self, judged: Judged, *, first: bool, alone: bool) -> Iterator[Block]:
        """One session in full. `first`: the conversation lies open; `alone`: the report began with its sentence."""
        verdict, paths = judged.verdict, self._paths
        yield Heading(2, f"Session {judged.id}: {telling.headline(verdict)}")
        if not alone:
            yield Paragraph(telling.verdict_sentence(verdict, paths))
        yield Facts([(label, text) for label, text in telling.facts(judged, self._clock, paths)])
        yield from titled(3, "Why we say so", list(telling.why_so(verdict, paths)))
        if judged.with_dialogue and self._options.dialogue is not KeepDialogue.NONE:
            yield from self._conversation(judged, open=first)
        yield from titled(3, "What else it could be", list(telling.doubts(verdict, paths)))
        yield from titled(3, "Seen besides", list(telling.besides(verdict, paths)))
        yield from self.next_steps(judged)
        yield Heading(3, "In Wireshark")
        yield from self.filters(judged)

    def next_steps(self, judged: Judged, most: int | None = None, longest: int = LONGEST) -> Iterator[Block]:
        """What to do next, at most so many steps of it, and the capture to take."""
        steps = [capped(step, longest) for step in telling.next_steps(judged.verdict, self._paths)]
        shown = steps if most is None else few(steps, most)
        if shown:
            yield Heading(3, "What to do next")
            yield Numbered(shown)
        if judged.verdict.next_capture and len(shown) >= len(steps):
            yield Code([judged.verdict.next_capture])

    def filters(self, judged: Judged) -> Iterator[Block]:
        """The display filters of the session, to be copied."""
        for text, name in telling.filters(judged, self._paths):
            if name:
                yield Paragraph(f"In {name}:")
            yield Code([text])

    def _conversation(self, judged: Judged, *, open: bool) -> Iterator[Block]:
        session, told = judged.session, rungs(judged)
        one, last = session.connection.first, session.connection.last
        client, server = hosts(session)
        drawn = Ladder(self._style, self._clock, several_files=one.capture != last.capture)
        lines = drawn.draw(told, client, server, whole=judged.id in self._options.only)
        code = Code([line.rstrip() for line in lines])
        title = "The conversation"
        if any(rung.end for rung in told):
            title += f" ({self._style.glyphs.cross} marks what ended it)"
        if open:
            yield Heading(3, title)
        yield code if open else Fold(title, [code])


def titled(level: int, title: str, items: Sequence[str]) -> list[Block]:
    """A list under its heading; nothing at all when it would be empty."""
    return [Heading(level, title), Bullets(items)] if items else []


def few(items: Sequence[str], most: int) -> list[str]:
    """The first of them, and how many more there are; a single one more takes no more room than to say so."""
    more = len(items) - most
    return [*items[:most], f"({more} more in the {FULL})"] if more > 1 else list(items)


def sessions_table(sessions: Iterable[Judged], clock: Clock) -> Table:
    """A row a session."""
    rows = list(sessions)
    tell_time = when(clock, (judged.session.connection.first.time_ns for judged in rows))
    header = ("id", "start", "client", "server", "dropped by", "how", "stage", "strength", "mail")
    return Table(header, [_row(judged, tell_time(judged.session.connection.first.time_ns)) for judged in rows])


def _row(judged: Judged, start: str) -> Sequence[str]:
    session, verdict = judged.session, judged.verdict
    return (
        str(judged.id),
        start,
        beside(session.client.address, helo(session)),
        beside(session.server.address, greeted(session)),
        verdict.dropped_by.value,
        verdict.how.value,
        verdict.stage.value,
        verdict.strength.value if verdict.strength else "",
        telling.mail(judged),
    )


def groups_table(groups: Iterable[Group], clock: Clock) -> Table:
    """A row a group."""
    rows = ranked(groups)
    tell_time = when(clock, (ns for group in rows for ns in (group.first_ns, group.last_ns)))
    header = ("sessions", "server", "dropped by", "how", "stage", "rule", "first", "last", "example")
    cells: list[Sequence[str]] = [
        (
            f"{group.sessions:,}",
            server_of(group),
            group.dropped_by.value,
            group.how.value,
            group.stage.value,
            group.rule,
            tell_time(group.first_ns),
            tell_time(group.last_ns),
            str(group.example),
        )
        for group in rows[:MOST_GROUPS]
    ]
    if rest := rows[MOST_GROUPS:]:
        number = sum(group.sessions for group in rest)
        cells.append((f"{number:,}", f"(and {count(len(rest), 'smaller group')})", *[""] * 7))
    return Table(header, cells)


def patterns(analysis: Analysis) -> Iterator[str]:
    """The first of what sessions have in common."""
    yield from islice(in_common(analysis), MOST_PATTERNS)
    if len(analysis.patterns) > MOST_PATTERNS:
        yield f"And {len(analysis.patterns) - MOST_PATTERNS:,} more like these."


def files(analysis: Analysis, clock: Clock, first: Iterable[int] = ()) -> list[str]:
    """What was read, with checksums; those captures first."""
    told_of = frozenset(first)
    infos = [info for _, info in sorted(enumerate(analysis.captures), key=lambda pair: pair[0] not in told_of)]
    told = [f"{short_name(info.path)}: {about(info, clock)}{_checksum(info)}" for info in infos[:MOST_CAPTURES]]
    if len(infos) > MOST_CAPTURES:
        told.append(f"and {count(len(infos) - MOST_CAPTURES, 'more file')}")
    return told


def remarks(analysis: Analysis) -> list[str]:
    """What a reader must know about what was read, and what could not be."""
    told = [f"{short_name(info.path)}: {text}" for info in analysis.captures for text in notes(info)]
    told += [f"not read: {short_name(error.path)}: {safe_text(error.says)}" for error in analysis.errors]
    if len(told) > MOST_CAPTURES:
        told[MOST_CAPTURES:] = [f"and {count(len(told) - MOST_CAPTURES, 'more remark')}"]
    if len(analysis.captures) > 1:
        told.insert(0, together(analysis.captures))
    return told


def _checksum(info: CaptureInfo) -> str:
    """By which both sides know that they speak of the same file."""
    return f"; SHA-256: {info.sha256}" if info.sha256 else ""


def signature(analysis: Analysis) -> str:
    """Who made the report, and what it hides."""
    return f"pcapdiag {__version__}. {in_full(analysis.redaction)}"
