"""Recorded truths, and what pcapdiag says of the captures beside them, in; how often it is right, and each miss, out.

Beside it stands the rule by which most people and tools decide: blame the source address of the first FIN or RST.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pcapdiag.analysis import Judged, KeepDialogue
from pcapdiag.model import Endpoint
from pcapdiag.pipeline import DEFAULT_PORTS, analyze
from pcapdiag.tcp.connection import Connection

CAPTURES = Path(__file__).parents[2] / "captures" / "lab"
UNDETERMINED = "undetermined"
WORDS = ("dropped_by", "how", "stage", "impact")


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said of one session; None where nothing is."""

    dropped_by: str
    how: str
    stage: str | None = None
    impact: str | None = None
    strength: str | None = None
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class Scored:
    """One session as one file shows it: what may be said of it, what pcapdiag says, and what the simple rule says."""

    scenario: str
    file: str
    place: str
    tags: frozenset[str]
    deed: dict[str, Any]
    accepted: dict[str, Any]
    said: Answer | None
    naive: Answer | None


# --- from a truth to answers ------------------------------------------------------------------------------------------


def committed() -> list[Path]:
    """The truths that are scored: those that stand in the history as they stand here, so that none was written with the
    verdict in view. Outside a repository all are: what was unpacked had been committed."""
    pending = {Path(entry[3:]).parent.name for entry in _status().split("\0") if entry}
    return [path for path in sorted(CAPTURES.glob("*/truth.json")) if path.parent.name not in pending]


def _status() -> str:
    """What git says of truths that are new or changed; it must not lock out somebody who commits at this moment."""
    if shutil.which("git") is None:
        return ""
    command = ["git", "--no-optional-locks", "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all"]
    done = subprocess.run([*command, "--", "*/truth.json"], cwd=CAPTURES, capture_output=True, text=True, check=False)
    return done.stdout


def scored(path: Path) -> Iterator[Scored]:
    """Of one truth: each session in each file that shows it."""
    truth = json.loads(path.read_text(encoding="utf-8"))
    ports = DEFAULT_PORTS | {_endpoint(session["server"]).port for session in truth["sessions"]}
    for place, file in truth["vantage_files"].items():
        judged = list(analyze([str(path.parent / file)], ports=ports, keep_dialogue=KeepDialogue.NONE).sessions)
        for session in truth["sessions"]:
            if file not in session["visible_in"]:
                continue
            found = _find(session, file, judged)
            if found:
                judged.remove(found)  # the same two ends may come again
            yield Scored(
                path.parent.name,
                file,
                place,
                frozenset(truth["tags"]),
                session["deed"],
                session["accepted"][file],
                answer(found) if found else None,
                naive(found.session.connection) if found else None,
            )


def _find(session: dict[str, Any], file: str, judged: Iterable[Judged]) -> Judged | None:
    """The first session between these ends, whichever is the client; behind NAT the client's address differs by file."""
    ends = {_endpoint(session["client_in"].get(file, session["client"])), _endpoint(session["server"])}
    return next((one for one in judged if {one.session.client, one.session.server} == ends), None)


def _endpoint(text: str) -> Endpoint:
    address, _, port = text.rpartition(":")
    return Endpoint(address.strip("[]"), int(port))


def answer(judged: Judged) -> Answer:
    """pcapdiag's own."""
    verdict = judged.verdict
    return Answer(
        verdict.dropped_by.value,
        verdict.how.value,
        verdict.stage.value,
        verdict.impact.value,
        verdict.strength.value if verdict.strength else None,
        verdict.rule,
    )


def naive(connection: Connection) -> Answer:
    """Blame the source address of the first FIN or RST in the capture. It knows nothing of stages and mail."""
    closing = connection.closing
    ends = [(fin.at, fin.side, "fin") for fin in closing.fins]
    ends += [(reset.at, reset.claimed, "rst") for reset in closing.resets]
    if not ends:
        return Answer("nobody", "open")
    _, side, how = min(ends, key=lambda end: end[0])
    return Answer(side.value, how)


# --- from answers to figures ------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Tally:
    """Counts over views."""

    views: int = 0
    dropped_by: int = 0
    how: int = 0
    stage: int = 0
    impact: int = 0
    wrong: int = 0
    excused: int = 0
    """Undetermined, and the file lacks what would settle it."""
    shy: int = 0
    """Undetermined, and it could have been said."""
    missing: int = 0

    def add(self, accepted: dict[str, Any], said: Answer | None) -> None:
        self.views += 1
        if said is None:
            self.missing += 1
            return
        self.dropped_by += said.dropped_by in accepted["dropped_by"]
        self.how += said.how in accepted["how"]
        self.stage += said.stage in accepted["stage"]
        self.impact += said.impact in accepted["impact"]
        self.wrong += accuses_wrongly(accepted, said)
        if said.dropped_by == UNDETERMINED:
            self.excused += bool(accepted["undetermined_ok"])
            self.shy += not accepted["undetermined_ok"]

    @classmethod
    def of(cls, seen: Iterable[Scored], says: Callable[[Scored], Answer | None]) -> Tally:
        tally = cls()
        for view in seen:
            tally.add(view.accepted, says(view))
        return tally


def accuses_wrongly(accepted: dict[str, Any], said: Answer) -> bool:
    """A party, or nobody, is named that the truth does not allow: the worst that can happen."""
    return said.dropped_by not in {*accepted["dropped_by"], UNDETERMINED}


def missed(view: Scored) -> list[str]:
    """Which of the words are not accepted. An excused `undetermined` is no miss."""
    if view.said is None:
        return ["session"]
    excused = view.said.dropped_by == UNDETERMINED and view.accepted["undetermined_ok"]
    return [
        name
        for name in WORDS
        if getattr(view.said, name) not in view.accepted[name] and not (excused and name in {"dropped_by", "how"})
    ]


def miss_line(view: Scored) -> str:
    """One miss, to be read: what we say, what is accepted, and why no more and no less."""
    may = "; ".join("/".join(view.accepted[name]) for name in WORDS)
    where = f"{view.scenario}, {view.file}"
    if view.said is None:
        return f"{where}: no such session; accepted: {may}, because {view.accepted['why']}"
    said = view.said
    worst = "WRONG ACCUSATION" if accuses_wrongly(view.accepted, said) else "missed " + ", ".join(missed(view))
    words = "; ".join(str(getattr(said, name)) for name in WORDS)
    lacks = f" ({view.accepted['undetermined_ok']})" if view.accepted["undetermined_ok"] else ""
    return (
        f"{where}: {worst}: we say {words} ({said.strength or 'no strength'}, {said.rule}); "
        f"accepted: {may}, because {view.accepted['why']}{lacks}"
    )


def misses(seen: Iterable[Scored]) -> tuple[list[Scored], list[Scored]]:
    """Wrong accusations, and what else was missed."""
    wrong, other = [], []
    for view in seen:
        if view.said and accuses_wrongly(view.accepted, view.said):
            wrong.append(view)
        elif missed(view):
            other.append(view)
    return wrong, other


@cache
def everything() -> tuple[Scored, ...]:
    """All views of all committed truths."""
    return tuple(view for path in committed() for view in scored(path))
