"""One row per session, in three widths of page; and the table of groups where the sessions are too many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from tabulate import tabulate

from pcapdiag.analysis import Group, Judged
from pcapdiag.model import Impact, Party, Strength
from pcapdiag.report.text.clock import Clock
from pcapdiag.report.text.names import greeted, helo
from pcapdiag.report.text.style import Style, columns
from pcapdiag.report.text.words import PARTY_COLOUR

WIDE, NORMAL = 118, 74
"""From so many columns on, a row is one line; from so many on, time has a column of its own."""
MOST_GROUPS = 30

When = Callable[[int], str]


def grid(
    rows: Iterable[Sequence[str]], headers: Sequence[str], style: Style, right: Sequence[int] = ()
) -> Iterator[str]:
    """Lines of a table without borders, two columns in."""
    align = ["right" if index in right else "left" for index in range(len(headers))]
    text = tabulate(
        [list(row) for row in rows],
        headers=[style.paint(header, "dim") for header in headers],
        tablefmt="plain",
        disable_numparse=True,
        colalign=align,
    )
    for line in text.splitlines():
        yield ("  " + line).rstrip()


def sessions_table(sessions: Sequence[Judged], style: Style, clock: Clock) -> Iterator[str]:
    """One row per session."""
    days = {clock.day(judged.session.connection.first.time_ns) for judged in sessions}
    when = (lambda ns: f"{clock.day(ns)[5:]} {clock.time(ns)}") if len(days) > 1 else clock.time
    if style.width >= WIDE:
        yield from _wide(sessions, style, when)
    elif style.width >= NORMAL:
        yield from _normal(sessions, style, when)
    else:
        yield from _slim(sessions, style, when)


def _wide(sessions: Sequence[Judged], style: Style, when: When) -> Iterator[str]:
    room = (style.width - 84) // 2
    headers = ("id", "start", "client", "server", "dropped by", "how", "stage", "strength", "mail")
    rows = []
    for judged in sessions:
        verdict, session = judged.verdict, judged.session
        rows.append(
            (
                str(judged.id),
                when(session.connection.first.time_ns),
                _host(session.client.address, helo(session), room, style),
                _host(session.server.address, greeted(session), room, style),
                style.paint(verdict.dropped_by.value, *PARTY_COLOUR[verdict.dropped_by]),
                verdict.how.value,
                verdict.stage.value,
                _strength(verdict.strength),
                _mail(judged, style),
            )
        )
    yield from grid(rows, headers, style, right=(0,))


def _normal(sessions: Sequence[Judged], style: Style, when: When) -> Iterator[str]:
    """Two lines a row: client above server, the party above how sure we are, the stage above what it did to the mail."""
    width = max(8, *(len(when(judged.session.connection.first.time_ns)) for judged in sessions))
    room = style.width - width - 46
    arrow = style.glyphs.arrow
    rows = []
    for judged in sessions:
        verdict, session = judged.verdict, judged.session
        client = _host(session.client.address, helo(session), room, style)
        server = _host(session.server.address, greeted(session), room - len(arrow) - 1, style)
        rows.append(
            (
                str(judged.id),
                when(session.connection.first.time_ns),
                f"{client}\n{arrow} {server}",
                f"{_party(judged, style)}\n{_strength(verdict.strength)}",
                f"{verdict.stage.value}\n{_mail(judged, style)}",
            )
        )
    headers = ("id", "start", f"client {arrow} server", "dropped by, how", "stage, mail")
    yield from grid(rows, headers, style, right=(0,))


def _slim(sessions: Sequence[Judged], style: Style, when: When) -> Iterator[str]:
    arrow = style.glyphs.arrow
    room = style.width - 26
    rows = []
    for judged in sessions:
        verdict, session = judged.verdict, judged.session
        client = _host(session.client.address, helo(session), room, style)
        server = _host(session.server.address, greeted(session), room - len(arrow) - 1, style)
        rows.append(
            (
                str(judged.id),
                f"{when(session.connection.first.time_ns)}\n{client}\n{arrow} {server}",
                f"{_party(judged, style)}\n{verdict.stage.value}\n{_mail(judged, style)}",
            )
        )
    yield from grid(rows, ("id", f"client {arrow} server", "dropped by, how"), style, right=(0,))


def _host(address: str, name: str | None, room: int, style: Style) -> str:
    """Address and name in `room` columns: an address is never cut, a name may be."""
    left = room - len(address) - 1
    return f"{address} {style.cut(name, left)}" if name and left >= min(8, columns(name)) else address


def _party(judged: Judged, style: Style) -> str:
    verdict = judged.verdict
    return f"{style.paint(verdict.dropped_by.value, *PARTY_COLOUR[verdict.dropped_by])} {verdict.how.value}"


def _strength(strength: Strength | None) -> str:
    return strength.value if strength else ""


def _mail(judged: Judged, style: Style) -> str:
    """``2 delayed``: how many messages, and the worst that happened."""
    impact = judged.verdict.impact
    messages = judged.session.dialogue.transactions_total
    words = "ok" if impact is Impact.NONE else impact.value
    colour = {Impact.NONE: "green", Impact.UNKNOWN: "cyan"}.get(impact, "yellow")
    if impact is Impact.NONE and not messages:
        return "none sent"
    return style.paint(f"{messages} {words}" if messages else words, colour)


def groups_table(groups: Sequence[Group], style: Style, clock: Clock) -> Iterator[str]:
    """Sessions that ended alike, the largest troubles first."""
    ranked = sorted(groups, key=lambda group: (group.dropped_by is Party.NOBODY, -group.sessions, group.first_ns))
    days = {clock.day(ns) for group in ranked for ns in (group.first_ns, group.last_ns)}
    when = (lambda ns: f"{clock.day(ns)[5:]} {clock.time(ns)}") if len(days) > 1 else clock.time
    wide = style.width >= 100
    rows: list[tuple[str, ...]] = []
    for group in ranked[:MOST_GROUPS]:
        party = style.paint(group.dropped_by.value, *PARTY_COLOUR[group.dropped_by])
        first, last = when(group.first_ns), when(group.last_ns)
        number = f"{group.sessions:,}"
        if wide:
            rows.append(
                (
                    number,
                    group.server,
                    party,
                    group.how.value,
                    group.stage.value,
                    group.rule,
                    first,
                    last,
                    str(group.example),
                )
            )
        else:
            rows.append(
                (
                    number,
                    f"{group.server}\n{group.rule}",
                    f"{party} {group.how.value}\n{group.stage.value}",
                    f"{first}\n{last}",
                    str(group.example),
                )
            )
    headers: tuple[str, ...]
    if wide:
        headers = ("sessions", "server", "dropped by", "how", "stage", "rule", "first", "last", "such as")
    else:
        headers = ("sessions", "server, rule", "dropped by, stage", "first, last", "such as")
    yield from grid(rows, headers, style, right=(0, len(headers) - 1))
    if len(ranked) > MOST_GROUPS:
        rest = ranked[MOST_GROUPS:]
        yield ""
        yield f"  and {len(rest):,} smaller groups with {sum(group.sessions for group in rest):,} sessions (all of them: --format json)"
