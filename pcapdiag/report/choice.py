"""Which sessions are told in full: all that need attention where they are few, examples of each kind where they are many."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pcapdiag.analysis import Analysis, Judged, KeepDialogue, itself
from pcapdiag.model import How, Party, Stage
from pcapdiag.report.options import Options

FEW = 50
"""Up to so many sessions, each has its row and those with attention are told in full."""
EXAMPLES = 20
"""At most so many where the sessions are many."""
OF_A_KIND = 3
"""The third of a kind still tells whether it is one; the fourth bores."""

Kind = tuple[str, Party, How, Stage, str]


@dataclass(frozen=True, slots=True)
class Choice:
    """Sessions to tell, in order of their first frames."""

    sessions: Iterator[Judged]
    wanted: int
    """How many there are that could be told."""
    ids: tuple[int, ...]
    """Of the sessions to tell."""

    @property
    def told(self) -> int:
        """How many are told."""
        return len(self.ids)


def choose(analysis: Analysis, options: Options) -> Choice:
    """Pick from the sessions; holds ids only."""
    ids: list[int] = []
    first: dict[Kind, list[int]] = {}
    for id, attention, kind in analysis.sessions.each(_facts):
        if attention or options.dialogue is KeepDialogue.ALL or id in options.only:
            ids.append(id)
            alike = first.setdefault(kind, [])
            if len(alike) < OF_A_KIND:
                alike.append(id)
    if options.details is not None:
        chosen = ids[: options.details]
    elif len(analysis.sessions) <= FEW or options.only:
        chosen = ids
    else:
        chosen = sorted(_examples(analysis, first))
    return Choice(analysis.sessions.each(itself, chosen), len(ids), tuple(chosen))


def _facts(judged: Judged) -> tuple[int, bool, Kind]:
    """Id, whether it needs attention, and its kind."""
    return judged.id, judged.verdict.attention, kind(judged)


def _examples(analysis: Analysis, first: dict[Kind, list[int]]) -> frozenset[int]:
    """The first few of each kind; the kinds with most sessions come first where not all have room."""
    sizes = {
        (group.server, group.dropped_by, group.how, group.stage, group.rule): group.sessions
        for group in analysis.groups
    }
    ranked = sorted(first, key=lambda kind: (-sizes.get(kind, 0), first[kind]))
    chosen = [first[kind][turn] for turn in range(OF_A_KIND) for kind in ranked if len(first[kind]) > turn]
    return frozenset(chosen[:EXAMPLES])


def kind(judged: Judged) -> Kind:
    """What makes two sessions one group (`pcapdiag.analysis.Groups`)."""
    verdict = judged.verdict
    return (judged.session.server.address, verdict.dropped_by, verdict.how, verdict.stage, verdict.rule)
