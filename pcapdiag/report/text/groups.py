"""Sessions that ended alike, a row a group: what a trace of thousands looks like from above."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pcapdiag.analysis import OTHER_SERVERS, Group
from pcapdiag.model import Party
from pcapdiag.report.clock import Clock, When, when
from pcapdiag.report.text.style import PARTY_COLOUR, Style
from pcapdiag.report.text.table import grid
from pcapdiag.report.words import count

MOST = 30
WIDE = 100


def groups_table(groups: Sequence[Group], style: Style, clock: Clock) -> Iterator[str]:
    """The largest troubles first, orderly ends last."""
    ranked = sorted(groups, key=lambda group: (group.dropped_by is Party.NOBODY, -group.sessions, group.first_ns))
    tell = when(clock, (ns for group in ranked for ns in (group.first_ns, group.last_ns)))
    wide = style.width >= WIDE
    rows = [_wide(group, tell, style) if wide else _stacked(group, tell, style) for group in ranked[:MOST]]
    headers = ["sessions", "server", "dropped by", "how", "stage", "rule", "first", "last", "see"]
    if not wide:
        headers = ["sessions", "server", "dropped by, stage", "first, last"]
    yield from grid(rows, headers, style, right=(0, 8) if wide else (0,))
    if rest := ranked[MOST:]:
        yield f"  and {count(len(rest), 'smaller group')} with {count(sum(group.sessions for group in rest), 'session')}"


def _wide(group: Group, tell: When, style: Style) -> list[str]:
    return [
        f"{group.sessions:,}",
        _server(group),
        style.paint(group.dropped_by.value, *PARTY_COLOUR[group.dropped_by]),
        group.how.value,
        group.stage.value,
        group.rule,
        tell(group.first_ns),
        tell(group.last_ns),
        str(group.example),
    ]


def _stacked(group: Group, tell: When, style: Style) -> list[str]:
    party = style.paint(group.dropped_by.value, *PARTY_COLOUR[group.dropped_by])
    return [
        f"{group.sessions:,}",
        f"{_server(group)}\n{group.rule}, see {group.example}",
        f"{party} {group.how.value}\n{group.stage.value}",
        f"{tell(group.first_ns)}\n{tell(group.last_ns)}",
    ]


def _server(group: Group) -> str:
    return "(other servers)" if group.server == OTHER_SERVERS else group.server
