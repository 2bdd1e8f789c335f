"""Rules as documents: five headings, ids that are unique, supersessions that lead somewhere, and what `explain` says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pcapdiag.diagnosis import rules
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.matters import Matter
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import HEADINGS, Claim, Rule, UnknownRule, all_rules, document, explain, rule, rules_for
from pcapdiag.model import Party

HUNDREDS: dict[str, set[Party | None]] = {
    "1": {Party.NOBODY},
    "2": {Party.CLIENT},
    "3": {Party.SERVER},
    "4": {Party.MIDDLEBOX},
    "5": {Party.PATH},
    "6": {None},
    "9": {None, Party.UNDETERMINED},
}
"""First digit of an id -> about whom its rules may speak."""

FILES = sorted(path for path in Path(rules.__path__[0]).glob("*.py") if path.name != "__init__.py")


def name(rule: Rule) -> str:
    return rule.id


@pytest.mark.parametrize("each", all_rules(), ids=name)
def test_every_heading_has_a_text(each: Rule) -> None:
    story = document(each)
    texts = dict(
        zip(HEADINGS, (story.sees, story.means, story.lookalikes, story.what_to_do, story.sources), strict=True)
    )
    assert [heading for heading, text in texts.items() if not text] == []


@pytest.mark.parametrize("each", all_rules(), ids=name)
def test_id_party_and_supersession(each: Rule) -> None:
    ids = {other.id for other in all_rules()}
    assert re.fullmatch(r"PD[1-69]\d\d", each.id)
    assert each.party in HUNDREDS[each.id[2]]
    assert each.supersedes <= ids - {each.id}
    assert set(re.findall(r"\bPD\d{3}\b", each.doc)) <= ids, "its text names a rule that is not"


def test_no_two_rules_supersede_each_other() -> None:
    beats = {each.id: each.supersedes for each in all_rules()}
    assert [(one, other) for one, beaten in beats.items() for other in beaten if one in beats[other]] == []


def test_ids_are_unique_and_one_file_holds_one_rule() -> None:
    found = [match for path in FILES for match in re.findall(r'^@rule\(\s*"(PD\d+)"', path.read_text(), re.M)]
    assert len(found) == len(set(found)) == len(FILES)
    assert set(found) == {each.id for each in all_rules()}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_rule_fits_on_a_page(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) < 120
    assert [line for line in lines if len(line) > 120] == []
    head = re.match(r'"""(PD\d{3}): ', lines[0])
    assert head is not None
    assert f'"{head[1]}"' in path.read_text()


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.value)
def test_every_ending_has_a_rule_that_can_name_somebody(kind: Kind) -> None:
    asked = rules_for(kind, frozenset(Matter))
    assert [each for each in asked if each.party is not None]
    assert list(asked) == sorted((each for each in all_rules() if kind in each.ends), key=name)
    assert [each for each in rules_for(kind, frozenset()) if each.party is not None]


def test_a_rule_is_asked_where_one_of_its_matters_is() -> None:
    without, with_one = (rules_for(Kind.QUIT, frozenset(held)) for held in ((), (Matter.RESETS,)))
    assert {each.id for each in with_one} - {each.id for each in without} == {"PD604", "PD605"}
    assert "PD613" in {each.id for each in rules_for(Kind.QUIT, frozenset({Matter.MUTE_CLIENT}))}


@pytest.mark.parametrize("spelled", ["PD301", "pd301", " Pd301 "])
def test_explain(spelled: str) -> None:
    story = explain(spelled)
    assert (story.id, story.party) == ("PD301", Party.SERVER)
    assert story.sees.startswith("No QUIT that counts")
    assert not story.sees.startswith(" ")


@pytest.mark.parametrize(
    ("asked", "near"),
    [("PD3011", "PD301"), ("PD3O1", "PD301"), ("D301", "PD301"), ("301", "PD301"), ("something", None)],
)
def test_explain_of_an_unknown_id_names_near_ones(asked: str, near: str | None) -> None:
    with pytest.raises(UnknownRule, match=asked) as raised:
        explain(asked)
    nearest = raised.value.nearest
    assert near in nearest if near else nearest == ()
    assert len(nearest) <= 3


def test_a_missing_heading_gives_an_empty_text() -> None:
    @rule("PD999", "Made up", None)
    def made_up(see: Observation) -> Iterator[Claim]:
        """It sees nothing.

        What it sees:
            One thing.

            And another: a colon inside does not begin a heading.

            What to do:

        Sources:
            None.
        """
        yield from ()

    story = document(made_up)
    assert story.sees == "One thing.\n\nAnd another: a colon inside does not begin a heading.\n\nWhat to do:"
    assert (story.means, story.lookalikes, story.what_to_do, story.sources) == ("", "", "", "None.")
