"""Verdicts against truths, counted: right, too shy, wrong. A wrong accusation names a party that the truth rules out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pcapdiag.analysis import Judged
from pcapdiag.model import Party, Strength
from tests.oracle.reading import ends


@dataclass
class Tally:
    """Counts, and a line to read for each miss."""

    views: int = 0
    who: int = 0
    staged: int = 0
    """Views whose truth names a stage."""
    stage: int = 0
    wrong: list[str] = field(default_factory=list)
    misses: list[str] = field(default_factory=list)
    strengths: Counter[tuple[Strength | None, bool]] = field(default_factory=Counter)
    """(strength, right) -> how often."""

    def add(self, where: str, one: Judged | None, parties: set[str], stages: set[str], why: str) -> None:
        self.views += 1
        self.staged += bool(stages)
        if one is None:
            self.misses.append(f"{where}: no such session; truth {why}")
            return
        verdict = one.verdict
        said = f"{verdict.dropped_by.value}/{verdict.how.value}/{verdict.stage.value} frame {verdict.end.frame} ({verdict.rule})"
        right = verdict.dropped_by.value in parties
        self.who += right
        self.strengths[verdict.strength, right] += 1
        if not right and verdict.dropped_by is not Party.UNDETERMINED:
            self.wrong.append(f"{where}: accused {said}; truth {why}")
        elif not right:
            self.misses.append(f"{where}: {said}; truth {why}")
        if stages and verdict.stage.value in stages:
            self.stage += 1
        elif stages:
            self.misses.append(
                f"{where}: stage {verdict.stage.value}, owing {verdict.owing}; truth {sorted(stages)}, {why}"
            )

    def wrong_share(self, strength: Strength) -> float:
        right, wrong = self.strengths[strength, True], self.strengths[strength, False]
        return wrong / max(right + wrong, 1)

    def __str__(self) -> str:
        return "\n".join(
            [
                "",
                *(f"WRONG {line}" for line in self.wrong),
                *self.misses,
                f"{self.views} views: who {self.who / max(self.views, 1):.1%}, stage {self.stage / max(self.staged, 1):.1%}, "
                f"{len(self.wrong)} wrong accusations",
            ]
        )


def find(truth: dict[str, Any], judged: list[Judged]) -> Judged | None:
    """The session of a truth: the same two ends, and frames in common where the truth tells them."""
    for one in judged:
        connection = one.session.connection
        apart = "first_frame" in truth and (
            connection.first.frame > truth["last_frame"] or connection.last.frame < truth["first_frame"]
        )
        if {connection.client, connection.server} == ends(truth) and not apart:
            return one
    return None
