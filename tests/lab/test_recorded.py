"""Every recorded scenario read again, without root: pcapdiag against the truths, and the truths against their table."""

import json
import shutil
from pathlib import Path

import pytest

from pcapdiag.model import How as Ways
from pcapdiag.model import Impact, Party, Stage, Strength

from .deed import MEANS, Deed
from .record import TRUTH, recompute
from .scenario import load
from .score import Scored, Tally, accuses_wrongly, committed, everything, miss_line, missed

AT_LEAST = 285  # scenarios
ENOUGH = 0.95  # of the views with the right party, and with the right stage

CONTRACT: dict[str, set[str]] = {
    "dropped_by": {party.value for party in Party} - {"undetermined"},
    "how": {how.value for how in Ways},
    "stage": {stage.value for stage in Stage},
    "impact": {impact.value for impact in Impact},
}

each_scenario = pytest.mark.parametrize("path", committed(), ids=lambda path: path.parent.name)


def views_from(path: Path) -> list[Scored]:
    return [view for view in everything() if view.scenario == path.parent.name]


@each_scenario
def test_nobody_is_accused_wrongly(path: Path) -> None:
    wrong = [miss_line(view) for view in views_from(path) if view.said and accuses_wrongly(view.accepted, view.said)]
    assert not wrong, "\n".join(wrong)


@each_scenario
def test_every_session_is_found(path: Path) -> None:
    lost = [miss_line(view) for view in views_from(path) if view.said is None]
    assert not lost, "\n".join(lost)


@each_scenario
def test_a_truth_speaks_the_words_of_the_contract(path: Path) -> None:
    truth = json.loads(path.read_text(encoding="utf-8"))
    assert truth["scenario"] == path.parent.name
    for file in truth["vantage_files"].values():
        assert (path.parent / file).stat().st_size, file
    assert truth["sessions"]
    for session in truth["sessions"]:
        deed = Deed.recalled(session["deed"])
        assert deed.by in CONTRACT["dropped_by"]
        assert deed.how in CONTRACT["how"]
        assert deed.stage in CONTRACT["stage"]
        assert deed.means in MEANS
        assert sorted(session["accepted"]) == sorted(session["visible_in"])
        for accepted in session["accepted"].values():
            for name, words in CONTRACT.items():
                assert accepted[name], name
                assert set(accepted[name]) <= words, name


@each_scenario
def test_what_is_accepted_is_what_the_table_says_today(path: Path, tmp_path: Path) -> None:
    shutil.copy(path, tmp_path / TRUTH)
    assert not recompute(tmp_path, load()[path.parent.name]), "python -m tests.lab truth, and look at what changed"


def test_party_and_stage_are_right_in_nearly_all_views() -> None:
    tally = Tally.of(everything(), lambda view: view.said)
    told = "\n".join(miss_line(view) for view in everything() if {"dropped_by", "stage"} & set(missed(view)))
    assert tally.dropped_by >= ENOUGH * tally.views, told
    assert tally.stage >= ENOUGH * tally.views, told


def test_proven_is_never_wrong() -> None:
    proven = [view for view in everything() if view.said and view.said.strength == Strength.PROVEN.value]
    assert proven
    assert [miss_line(view) for view in proven if "dropped_by" in missed(view)] == []


def test_every_stage_and_every_means_has_a_scenario() -> None:
    deeds = [session["deed"] for path in committed() for session in json.loads(path.read_text("utf-8"))["sessions"]]
    assert {stage.value for stage in Stage} - {deed["stage"] for deed in deeds} == set()
    assert set(MEANS) - {deed["means"] for deed in deeds} == set()


def test_nothing_that_was_recorded_got_lost() -> None:
    assert len(committed()) >= AT_LEAST
