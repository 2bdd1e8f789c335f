"""Views with their answers in; the tables of the scoreboard out, for a terminal and as docs/reference/scoreboard.md."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple

from tabulate import tabulate

from pcapdiag.model import Strength

from .score import WORDS, Scored, Tally, accuses_wrongly, miss_line, missed, misses

Row = list[str]
OURS = ("views", "dropped_by", "how", "stage", "impact", "wrong", "undetermined", "too shy", "not found")
SIMPLE = ("simple: dropped_by", "simple: how", "simple: wrong")
STRENGTH = ("strength", "verdicts", "wrong")

SOFTWARE = {"postfix", "exim", "opensmtpd", "sendmail", "aiosmtpd", "swaks", "smtplib"}
PARTIAL = {"snaplen", "one-direction", "late", "early-stop"}
THEMES: dict[str, Callable[[Scored], bool]] = {
    "ended by nobody": lambda view: view.deed["by"] == "nobody",
    "ended by the client": lambda view: view.deed["by"] == "client",
    "ended by the server": lambda view: view.deed["by"] == "server",
    "ended by a middlebox": lambda view: view.deed["by"] == "middlebox",
    "ended by the path": lambda view: view.deed["by"] == "path",
    "at connect or greeting": lambda view: view.deed["stage"] in {"connect", "greeting"},
    "at data, body or end-of-data": lambda view: view.deed["stage"] in {"data", "body", "end-of-data"},
    "TLS: starttls, tls, encrypted": lambda view: view.deed["stage"] in {"starttls", "tls", "encrypted"},
    "partial captures": lambda view: bool(view.tags & PARTIAL),
    "real mail software": lambda view: bool(view.tags & SOFTWARE),
}

PAGE = """\
# Scoreboard

Written by `python -m tools.regen` from [the captures of the fault lab](../../captures/lab/ORIGIN.md).

{headline}

**What is scored.** The [lab](../../tests/lab/README.md) lets real TCP stacks and mail servers talk, does harm to them on purpose, and captures at the client, in
the middle and at the server. One session in one of these files is a *view*, and pcapdiag is shown each file alone, without being told where it was taken.
Counted is in how many views the words of [the verdict](verdict.md) are right.

**What is right.** The truth of a scenario is what its actors wrote down as they did it, never what packets look like. From that, one table
(`ROWS` in `tests/lab/truth.py`) computes for each file what an expert may say who sees only this file: two parties, where the file cannot tell them apart. A scenario
cannot set it, and only truths that were committed before are scored.

**The columns.** `dropped_by`, `how`, `stage` and `impact`: so many views got that word right. *wrong*: a party is named, or nobody, that is not accepted;
nothing is worse. *undetermined*: pcapdiag says that it cannot know, and the truth names what the file lacks. *too shy*: it says so where it could be
known. Neither accuses anybody, and neither counts as right.

**The simple rule** is how traces are usually read: blame the source address of the first FIN or RST in the capture, and nobody where there is none. It says
nothing about stages and mail. It is applied to the same sessions, as pcapdiag tells them apart. An orderly end counts against it as well, since somebody's FIN is
always the first; {apart}

## By the place of the capture

{places}

## By what happened

A scenario may stand in several rows, or in none.

{themes}

## How sure, and how often wrong

{strengths}

An `undetermined` has no strength.

## Wrong accusations

{wrong}

## Other misses

{other}

## Run it

```sh
python -m tests.lab score           # these tables
python -m tests.lab score --show    # and every miss: what is said, what is accepted, and why
```

It needs no root: it reads what was recorded.
"""


def figures(name: str, seen: Iterable[Scored]) -> Row:
    """A row: the name, our counts, and those of the simple rule."""
    seen = list(seen)
    simple = Tally.of(seen, lambda view: view.naive)
    counts = (*astuple(Tally.of(seen, lambda view: view.said)), simple.dropped_by, simple.how, simple.wrong)
    return [name, *map(str, counts)]


def by_place(seen: Sequence[Scored]) -> list[Row]:
    places = dict.fromkeys(view.place for view in seen)
    rows = [figures(place, (view for view in seen if view.place == place)) for place in places]
    return [*rows, figures("in total", seen)]


def by_theme(seen: Sequence[Scored]) -> list[Row]:
    return [figures(theme, filter(belongs, seen)) for theme, belongs in THEMES.items()]


def by_strength(seen: Sequence[Scored]) -> list[Row]:
    """Of the verdicts of each strength: how many, and how many name somebody wrongly."""
    said: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for view in seen:
        if view.said and view.said.strength:
            said[view.said.strength] += 1
            wrong[view.said.strength] += accuses_wrongly(view.accepted, view.said)
    return [[strength.value, str(said[strength.value]), str(wrong[strength.value])] for strength in Strength]


def told(seen: Sequence[Scored], *, show: bool) -> str:
    """For a terminal."""
    tables = [
        tabulate(by_place(seen), headers=["captured at", *OURS, *SIMPLE]),
        tabulate(by_theme(seen), headers=["what happened", *OURS, *SIMPLE]),
        tabulate(by_strength(seen), headers=list(STRENGTH)),
    ]
    wrong, other = misses(seen)
    lines = ["\n".join(map(miss_line, [*wrong, *other]))] if show and (wrong or other) else []
    return "\n\n".join([*tables, headline(seen), *lines])


def page(seen: Sequence[Scored]) -> str:
    """As Markdown."""
    wrong, other = misses(seen)
    return PAGE.format(
        headline=headline(seen),
        apart=_apart(seen),
        places=_markdown(["captured at", *OURS, *SIMPLE], by_place(seen)),
        themes=_markdown(["", *OURS, *SIMPLE], by_theme(seen)),
        strengths=_markdown(STRENGTH, by_strength(seen)),
        wrong=_listed(map(miss_line, wrong)),
        other=_listed(_alike(other)),
    )


def headline(seen: Sequence[Scored]) -> str:
    ours, simple = Tally.of(seen, lambda view: view.said), Tally.of(seen, lambda view: view.naive)
    scenarios = len({view.scenario for view in seen})
    return (
        f"{len(seen)} views of {scenarios} scenarios: pcapdiag rightly names who ended the connection in {_share(ours.dropped_by, ours.views)}, "
        f"and wrongly in {_share(ours.wrong, ours.views)}. "
        f"Who blames the first FIN or RST is right in {_share(simple.dropped_by, simple.views)}, and wrong in {_share(simple.wrong, simple.views)}."
    )


def _apart(seen: Sequence[Scored]) -> str:
    """The simple rule where it has a chance: orderly ends and open sessions left out."""
    ended = [view for view in seen if "nobody" not in view.accepted["dropped_by"]]
    simple, ours = Tally.of(ended, lambda view: view.naive), Tally.of(ended, lambda view: view.said)
    return (
        f"where somebody did end the session, the rule is right in {_share(simple.dropped_by, simple.views)} of {simple.views} views, "
        f"and pcapdiag in {_share(ours.dropped_by, ours.views)}."
    )


def _alike(seen: Iterable[Scored]) -> list[str]:
    """Misses of the same words together, the most frequent first."""
    where: dict[str, list[str]] = {}
    for view in seen:
        for name in missed(view):
            said = getattr(view.said, name, "not found")
            says = f"`{name}`: {said}, accepted is {' or '.join(view.accepted.get(name, ['that it is']))}"
            where.setdefault(says, []).append(f"{view.scenario} ({view.place})")
    return [f"{says}: {', '.join(views)}" for says, views in sorted(where.items(), key=lambda each: -len(each[1]))]


def _listed(lines: Iterable[str]) -> str:
    return "\n".join(f"* {line}" for line in lines) or "None."


def _share(part: int, whole: int) -> str:
    return f"{part} ({part / max(whole, 1):.1%})"


def _markdown(head: Sequence[str], rows: Sequence[Row]) -> str:
    """Made here and not by tabulate, whose layout changes between versions."""
    words = [re.sub(rf"\b({'|'.join(WORDS)})$", r"`\1`", word) for word in head]
    lines = [words, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
