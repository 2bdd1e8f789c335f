"""What a rule is, where rules are found, and the story each one tells.

A rule is a generator function over an `Observation` with a decorator and a docstring of five headings. Rules live one
to a file in `pcapdiag.diagnosis.rules`: the directory is the registry, so adding a rule is adding a file. A rule yields
`Claim`s, never reads another rule's, and names in `supersedes` the more general rules that it makes redundant.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.matters import Matter
from pcapdiag.diagnosis.verdict import Evidence, Finding
from pcapdiag.making import maker
from pcapdiag.model import How, Moment, Party, Says, Side, Stage, Strength

if TYPE_CHECKING:
    from pcapdiag.diagnosis.observe import Observation

HEADINGS = ("What it sees", "What it means", "What else looks like this", "What to do", "Sources")


class Claim(NamedTuple):
    """What a rule yields; fields as in `Finding`, in the same order, which adds the rule's id, title and party."""

    summary: Says
    evidence: tuple[Evidence, ...]
    against: tuple[Evidence, ...] = ()
    how: How | None = None
    strength: Strength | None = None
    could_also_be: tuple[Party, ...] = ()
    stalled_by: Party | None = None
    end: Moment | None = None
    stage: Stage | None = None
    owing: Side | None = None
    benign: bool = False
    forged: tuple[Moment, ...] = ()
    next_steps: tuple[Says, ...] = ()


_finding = maker(Finding)

Check = Callable[["Observation"], Iterator[Claim]]


class Rule(NamedTuple):
    """One rule: its check, and what `pcapdiag explain` says about it."""

    id: str
    title: str
    party: Party | None
    """None: context that accompanies a verdict."""
    ends: frozenset[Kind]
    """The kinds of ending that it is asked about."""
    about: frozenset[Matter]
    """It is asked only where the session holds one of these; empty: about any session."""
    supersedes: frozenset[str]
    check: Check
    doc: str

    def finding(self, claim: Claim) -> Finding:
        """A claim of this rule, with its name to it."""
        return _finding((self.id, self.title, *claim[:3], self.party, *claim[3:]))


class RuleDoc(NamedTuple):
    """A rule's story: the text under each of the five headings of its docstring."""

    id: str
    title: str
    party: Party | None
    sees: str
    means: str
    lookalikes: str
    what_to_do: str
    sources: str


class UnknownRule(LookupError):
    """No rule has this id; `nearest` are the ids that look like it."""

    def __init__(self, rule_id: str, nearest: tuple[str, ...]) -> None:
        super().__init__(f"no rule has the id {rule_id!r}")
        self.nearest = nearest


def rule(
    rule_id: str,
    title: str,
    party: Party | None,
    *,
    ends: tuple[Kind, ...] = tuple(Kind),
    about: tuple[Matter, ...] = (),
    supersedes: tuple[str, ...] = (),
) -> Callable[[Check], Rule]:
    """Make a rule of a check, which is asked about the endings and matters it names. Its docstring is the rule's documentation."""

    def wrap(check: Check) -> Rule:
        doc = inspect.cleandoc(check.__doc__ or "")
        return Rule(rule_id, title, party, frozenset(ends), frozenset(about), frozenset(supersedes), check, doc)

    return wrap


@cache
def all_rules() -> tuple[Rule, ...]:
    """Every rule of the directory, by id.

    Raises:
        ValueError: two rules have the same id.
    """
    package = importlib.import_module("pcapdiag.diagnosis.rules")
    found: dict[str, Rule] = {}
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        for value in vars(module).values():
            if isinstance(value, Rule):
                if value.id in found and found[value.id] is not value:
                    raise ValueError(f"two rules have the id {value.id}: {found[value.id].title!r} and {value.title!r}")
                found[value.id] = value
    return tuple(found[key] for key in sorted(found))


@cache
def rules_for(kind: Kind, matters: frozenset[Matter]) -> tuple[Rule, ...]:
    """The rules that are asked about a session that ended so and holds these, by id."""
    asked = [rule for rule in all_rules() if kind in rule.ends]
    return tuple([rule for rule in asked if not rule.about or not rule.about.isdisjoint(matters)])


@cache
def superseded_by(rule_id: str) -> frozenset[str]:
    """Ids of the rules that this one makes redundant."""
    return next(rule.supersedes for rule in all_rules() if rule.id == rule_id)


def explain(rule_id: str) -> RuleDoc:
    """The story of one rule.

    Raises:
        UnknownRule: no rule has this id.
    """
    rules = {each.id: each for each in all_rules()}
    wanted = rule_id.strip().upper()
    if wanted not in rules:
        raise UnknownRule(rule_id, tuple(difflib.get_close_matches(wanted, rules, n=3, cutoff=0.5)))
    return document(rules[wanted])


def document(of: Rule) -> RuleDoc:
    """Split a rule's docstring at its headings; a heading that is missing gives an empty text."""
    texts = dict.fromkeys(HEADINGS, "")
    current: str | None = None
    for line in of.doc.splitlines():
        if line.strip().rstrip(":") in texts and line.strip().endswith(":") and not line.startswith(" "):
            current = line.strip().rstrip(":")
        elif current is not None:
            texts[current] += line + "\n"
    sees, means, lookalikes, what_to_do, sources = (inspect.cleandoc(texts[key]).strip() for key in HEADINGS)
    return RuleDoc(of.id, of.title, of.party, sees, means, lookalikes, what_to_do, sources)
