"""A slice analysed again: does it still say what its capture said?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum

from pcapdiag.analysis import Judged, KeepDialogue
from pcapdiag.diagnosis.verdict import Verdict
from pcapdiag.model import Endpoint, Vantage
from pcapdiag.pipeline import analyze
from pcapdiag.pseudonym import Pseudonyms


def differences(
    chosen: Sequence[Judged],
    path: str,
    names: Pseudonyms,
    *,
    ports: frozenset[int] | None,
    captured_at: Vantage | None,
) -> Iterator[tuple[int, str]]:
    """(id, what reads otherwise) of the sessions of which the slice at `path` says something else than their capture."""
    again = analyze([path], ports=ports, captured_at=captured_at, engine="own", keep_dialogue=KeepDialogue.NONE)
    sessions = sorted(again.sessions, key=lambda judged: judged.session.connection.first)
    by_ends: dict[tuple[Endpoint, Endpoint], list[Judged]] = {}
    for judged in sessions:
        by_ends.setdefault((judged.session.client, judged.session.server), []).append(judged)
    for before in sorted(chosen, key=lambda judged: judged.session.connection.first):
        ends = _named(before.session.client, names), _named(before.session.server, names)
        found = by_ends.get(ends) or by_ends.get(ends[::-1])
        if not found:
            yield before.id, "it is not found in the slice at all"
            continue
        after = found.pop(0)
        told = list(_otherwise(before.verdict, after.verdict))
        if told:
            yield before.id, "; ".join(told)


def _named(endpoint: Endpoint, names: Pseudonyms) -> Endpoint:
    return endpoint._replace(address=names.address(endpoint.address))


def _otherwise(before: Verdict, after: Verdict) -> Iterator[str]:
    pairs = (
        ("dropped by", before.dropped_by.value, after.dropped_by.value),
        ("how", before.how.value, after.how.value),
        ("stage", before.stage.value, after.stage.value),
        ("owing", _value(before.owing, "nobody"), _value(after.owing, "nobody")),
        ("held up by", _value(before.stalled_by, "nobody"), _value(after.stalled_by, "nobody")),
        ("impact", before.impact.value, after.impact.value),
        ("attention", str(before.attention).lower(), str(after.attention).lower()),
        ("strength", _value(before.strength, "none"), _value(after.strength, "none")),
        ("rule", before.rule, after.rule),
    )
    return (f"{what} {now} instead of {then}" for what, then, now in pairs if then != now)


def _value(member: Enum | None, none: str) -> str:
    return member.value if member else none
