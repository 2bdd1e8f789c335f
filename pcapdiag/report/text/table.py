"""One row per session, in three layouts by the width of the page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tabulate import tabulate

from pcapdiag.analysis import Judged
from pcapdiag.model import Impact
from pcapdiag.report.clock import Clock, when
from pcapdiag.report.names import greeted, helo
from pcapdiag.report.telling import mail
from pcapdiag.report.text.style import PARTY_COLOUR, Style, columns

WIDE, NORMAL = 110, 74
"""From so many columns on, a row may be one line; from so many on, the time may have a column of its own."""
SHORTEST_NAME = 8
"""A name that would be cut shorter says nothing and is left out."""

Column = tuple[str, list[str]]
"""Heading and cells; a cell may have several lines."""


def grid(
    rows: Iterable[Sequence[str]], headers: Sequence[str], style: Style, right: Sequence[int] = ()
) -> Iterator[str]:
    """Lines of a table without borders, two columns in."""
    heading = [style.paint(header, "dim") for header in headers]  # as a row: tabulate pads true headings by two columns
    text = tabulate(
        [heading, *map(list, rows)],
        tablefmt="plain",
        disable_numparse=True,
        colalign=["right" if index in right else "left" for index in range(len(headers))],
    )
    for line in text.splitlines():
        yield ("  " + line).rstrip()


def sessions_table(sessions: Sequence[Judged], style: Style, clock: Clock) -> Iterator[str]:
    """One row per session."""
    tell = when(clock, (judged.session.connection.first.time_ns for judged in sessions))
    start = [tell(judged.session.connection.first.time_ns) for judged in sessions]
    table = _slim(sessions, start, style)
    for layout, least in ((_wide, WIDE), (_normal, NORMAL)):
        if style.width >= least and _width(wider := layout(sessions, start, style)) <= style.width:
            table = wider
            break
    yield from grid(
        zip(*(cells for _, cells in table), strict=True), [heading for heading, _ in table], style, right=(0,)
    )


def _wide(sessions: Sequence[Judged], start: list[str], style: Style) -> list[Column]:
    """Every word has its column."""
    before: list[Column] = [("id", [str(judged.id) for judged in sessions]), ("start", start)]
    after: list[Column] = [
        ("dropped by", [_party(judged, style) for judged in sessions]),
        ("how", [judged.verdict.how.value for judged in sessions]),
        ("stage", [judged.verdict.stage.value for judged in sessions]),
        ("strength", [_strength(judged) for judged in sessions]),
        ("mail", [_mail(judged, style) for judged in sessions]),
    ]
    room = _left(style, before + after, 2) // 2
    clients = [_host(judged.session.client.address, helo(judged.session), room, style) for judged in sessions]
    servers = [_host(judged.session.server.address, greeted(judged.session), room, style) for judged in sessions]
    return [*before, ("client", clients), ("server", servers), *after]


def _normal(sessions: Sequence[Judged], start: list[str], style: Style) -> list[Column]:
    """Two lines a row: client above server, the party above how sure we are, the stage above what it did to the mail."""
    before: list[Column] = [("id", [str(judged.id) for judged in sessions]), ("start", start)]
    after: list[Column] = [
        (
            "dropped by, how",
            [f"{_party(judged, style)} {judged.verdict.how.value}\n{_strength(judged)}" for judged in sessions],
        ),
        ("stage, mail", [f"{judged.verdict.stage.value}\n{_mail(judged, style)}" for judged in sessions]),
    ]
    return [*before, _hosts(sessions, _left(style, before + after, 1), style), *after]


def _slim(sessions: Sequence[Judged], start: list[str], style: Style) -> list[Column]:
    """Three lines a row."""
    before: list[Column] = [("id", [str(judged.id) for judged in sessions])]
    after: list[Column] = [
        (
            "dropped by",
            [
                f"{_party(judged, style)} {judged.verdict.how.value}\n{judged.verdict.stage.value}\n{_mail(judged, style)}"
                for judged in sessions
            ],
        )
    ]
    heading, hosts = _hosts(sessions, _left(style, before + after, 1), style)
    timed = [f"{time}\n{host}" for time, host in zip(start, hosts, strict=True)]
    return [*before, (heading, timed), *after]


def _width(table: Sequence[Column]) -> int:
    """Columns of the page that a table takes, with its margin."""
    widths = [max(columns(line) for cell in [heading, *cells] for line in cell.split("\n")) for heading, cells in table]
    return 2 + sum(widths) + 2 * (len(table) - 1)


def _left(style: Style, taken: Sequence[Column], more: int) -> int:
    """Columns of the page that those columns of the table leave for `more` others."""
    return style.width - _width(taken) - 2 * more


def _hosts(sessions: Sequence[Judged], room: int, style: Style) -> Column:
    arrow = style.glyphs.arrow
    cells = []
    for judged in sessions:
        session = judged.session
        client = _host(session.client.address, helo(session), room, style)
        cells.append(
            f"{client}\n{arrow} {_host(session.server.address, greeted(session), room - len(arrow) - 1, style)}"
        )
    return f"client {arrow} server", cells


def _host(address: str, name: str | None, room: int, style: Style) -> str:
    """Address and name in `room` columns: an address is never cut, a name may be."""
    left = room - len(address) - 1
    return f"{address} {style.cut(name, left)}" if name and left >= min(SHORTEST_NAME, columns(name)) else address


def _party(judged: Judged, style: Style) -> str:
    party = judged.verdict.dropped_by
    return style.paint(party.value, *PARTY_COLOUR[party])


def _strength(judged: Judged) -> str:
    return judged.verdict.strength.value if judged.verdict.strength else ""


def _mail(judged: Judged, style: Style) -> str:
    impact, words = judged.verdict.impact, mail(judged)
    if impact is Impact.NONE:
        return style.paint(words, "green") if judged.session.dialogue.transactions_total else words
    return style.paint(words, "cyan" if impact is Impact.UNKNOWN else "yellow")
