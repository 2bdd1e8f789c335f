"""Every scene: its capture is what its ladder tells, and the verdict is what its ``expect.toml`` says.

``expect.toml`` is the truth of the story, written from the ladder and not from what the tool says. Fields that it
leaves out are not tested; ``captured_at`` at its top is what the user says with --captured-at; a list where one value is usual means any of them; ``"null"`` is None (TOML has none).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pcapdiag.analysis import Analysis, Judged, KeepDialogue
from pcapdiag.diagnosis.matters import matters_of
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import all_rules
from pcapdiag.model import Strength, Vantage
from pcapdiag.pipeline import analyze
from pcapdiag.report import json as json_report
from pcapdiag.report import text as text_report
from pcapdiag.report.options import Options
from tests.factories import make_surroundings

from .build import CAPTURES, outputs, scenes
from .ladder import parse

SCENES = {scene.name: scene for scene in scenes()}
ORDER = [Strength.POSSIBLE.value, Strength.LIKELY.value, Strength.PROVEN.value]
PCAP_HEADER, RECORD_HEADER = 24, 16
KNOWN = {
    *(
        "dropped_by",
        "could_also_be",
        "how",
        "stage",
        "owing",
        "stalled_by",
        "waited_s",
        "at_least",
        "at_most",
        "impact",
    ),
    *("attention", "end", "evidence", "resets", "mentions", "rule", "must", "must_not"),
}


@cache
def built() -> dict[Path, bytes]:
    return outputs()


@cache
def analysed(name: str) -> Analysis:
    said = expected(name).get("captured_at")
    return analyze(
        [str(SCENES[name] / "capture.pcap")],
        captured_at=Vantage(said) if said else None,
        keep_dialogue=KeepDialogue.ALL,
    )


def expected(name: str) -> dict[str, Any]:
    return tomllib.loads((SCENES[name] / "expect.toml").read_text(encoding="utf-8"))


def as_json(name: str) -> str:
    return "".join(json_report.render(analysed(name)))


@pytest.mark.parametrize("name", SCENES)
def test_the_capture_is_what_the_ladder_tells(name: str) -> None:
    path = SCENES[name] / "capture.pcap"
    assert path.read_bytes() == built()[path], "run python -m tests.scenes.build"


def test_the_list_of_scenes_is_up_to_date() -> None:
    readme = CAPTURES / "README.md"
    assert readme.read_bytes() == built()[readme], "run python -m tests.scenes.build"


@pytest.mark.parametrize("name", SCENES)
def test_a_scene_has_a_story_and_an_expectation(name: str) -> None:
    story = parse((SCENES[name] / "scene.ladder").read_text(encoding="utf-8")).story
    assert len(story.split()) >= 10
    wanted = expected(name)
    assert set(wanted) <= {"captured_at", "session", "patterns", "secrets", "notes"}
    for session in wanted["session"]:
        assert set(session) <= KNOWN


@pytest.mark.skipif(shutil.which("tshark") is None, reason="compares with Wireshark's dissectors: needs tshark")
def test_wireshark_has_nothing_to_complain_about(tmp_path: Path) -> None:
    """All scenes in one file, since tshark takes half a second to start."""
    whole, of_frame = b"", [""]
    for name, scene in SCENES.items():
        octets = (scene / "capture.pcap").read_bytes()
        whole += octets if not whole else octets[PCAP_HEADER:]
        of_frame += [name] * frames_in(octets)
    (tmp_path / "all.pcap").write_bytes(whole)
    complaints = '_ws.malformed or _ws.expert.severity == "Error"'
    checked = ["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"]
    command = [
        "tshark",
        *checked,
        "-r",
        str(tmp_path / "all.pcap"),
        "-Y",
        complaints,
        "-T",
        "fields",
        "-e",
        "frame.number",
    ]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert [of_frame[int(number)] for number in run.stdout.split()] == []


def frames_in(pcap: bytes) -> int:
    at, count = PCAP_HEADER, 0
    while at < len(pcap):
        at += RECORD_HEADER + int.from_bytes(pcap[at + 8 : at + 12], "little")
        count += 1
    return count


@pytest.mark.parametrize("name", SCENES)
def test_the_verdict_is_the_truth_of_the_story(name: str) -> None:
    wanted = expected(name)
    judged = list(analysed(name).sessions)
    assert len(judged) == len(wanted["session"])
    wrong = []
    for one, truth in zip(judged, wanted["session"], strict=True):
        wrong += [f"session {one.id}: {says}" for says in differences(one, truth)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", SCENES)
def test_the_report_says_what_the_story_needs(name: str) -> None:
    wanted = expected(name)
    whole = as_json(name)
    if "secrets" in wanted:
        read_by_people = "".join(text_report.render(analysed(name), Options()))
        for secret in wanted["secrets"]:
            assert secret not in whole + read_by_people
    report = json.loads(whole)
    assert {pattern["kind"] for pattern in report["patterns"]} == set(wanted.get("patterns", []))
    codes = {note["code"] for capture in report["captures"] for note in capture["notes"]}
    assert set(wanted.get("notes", [])) <= codes
    for session, truth in zip(report["sessions"], wanted["session"], strict=True):
        said = json.dumps([session["verdict"]["summary"], session["evidence"]], ensure_ascii=False)
        for text in truth.get("mentions", []):
            assert text in said
        if "resets" in truth:
            assert [reset["effect"] for reset in session["closing"]["resets"]] == truth["resets"]


def differences(judged: Judged, truth: dict[str, Any]) -> list[str]:
    """What the verdict says otherwise than the story."""
    verdict = judged.verdict
    said: dict[str, Any] = {
        "dropped_by": verdict.dropped_by.value,
        "how": verdict.how.value,
        "stage": verdict.stage.value,
        "owing": verdict.owing.value if verdict.owing else "null",
        "stalled_by": verdict.stalled_by.value if verdict.stalled_by else "null",
        "impact": verdict.impact.value,
        "attention": verdict.attention,
        "end": verdict.end.frame,
        "rule": verdict.rule,
    }
    wrong = [
        f"{name} is {value!r}, the story says {truth[name]!r} ({verdict.rule})"
        for name, value in said.items()
        if name in truth and value not in (truth[name] if isinstance(truth[name], list) else [truth[name]])
    ]
    also = sorted(party.value for party in verdict.could_also_be)
    if "could_also_be" in truth and also != sorted(truth["could_also_be"]):
        wrong.append(f"could_also_be is {also}, the story says {truth['could_also_be']} ({verdict.rule})")
    if "waited_s" in truth and abs((verdict.waited_ns or 0) / 1e9 - truth["waited_s"]) > 0.1:
        wrong.append(f"waited {verdict.waited_ns} ns, the story says {truth['waited_s']} s")
    return wrong + _strength(judged, truth) + _rules(judged, truth)


def _strength(judged: Judged, truth: dict[str, Any]) -> list[str]:
    strength = judged.verdict.strength
    if strength is None:
        return ["no strength"] if "at_least" in truth else []
    place = ORDER.index(strength.value)
    wrong = []
    if "at_least" in truth and place < ORDER.index(truth["at_least"]):
        wrong.append(f"only {strength.value}, the story shows at least {truth['at_least']} ({judged.verdict.rule})")
    if "at_most" in truth and place > ORDER.index(truth["at_most"]):
        wrong.append(f"{strength.value}, the story allows at most {truth['at_most']} ({judged.verdict.rule})")
    return wrong


def _rules(judged: Judged, truth: dict[str, Any]) -> list[str]:
    verdict = judged.verdict
    fired = {verdict.rule, *(finding.rule for finding in (*verdict.findings, *verdict.others, *verdict.superseded))}
    shown = {frame.frame for evidence in verdict.evidence for frame in evidence.frames}
    wrong = [f"{rule} must fire ({sorted(fired)} did)" for rule in truth.get("must", []) if rule not in fired]
    wrong += [f"{rule} must not fire" for rule in truth.get("must_not", []) if rule in fired]
    if missing := set(truth.get("evidence", [])) - shown:
        wrong.append(f"evidence lacks the frames {sorted(missing)}, it has {sorted(shown)} ({verdict.rule})")
    return wrong


@pytest.mark.parametrize("name", SCENES)
def test_a_rule_about_something_is_silent_where_that_is_not(name: str) -> None:
    """So that it need not be asked there."""
    around = make_surroundings()
    for judged in analysed(name).sessions:
        see = Observation(judged.session, around)
        held = matters_of(judged.session, around, see.refusals)
        for rule in all_rules():
            if rule.about and rule.about.isdisjoint(held):
                assert not list(rule.check(see)), f"{rule.id} has something to say of session {judged.id}"


@pytest.mark.parametrize("rule", [rule.id for rule in all_rules()])
def test_every_rule_has_a_scene_where_it_must_fire(rule: str) -> None:
    assert any(rule in session.get("must", []) for name in SCENES for session in expected(name)["session"])
