"""What is said of real captures, held against the schemas."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pcapdiag.analysis import KeepDialogue
from pcapdiag.pipeline import analyze
from pcapdiag.report import jsonl
from pcapdiag.report.json import render
from tests.report.test_json import ANALYSIS, SESSION

pytestmark = pytest.mark.corpus


@pytest.mark.parametrize("keep", [KeepDialogue.ALL, KeepDialogue.ATTENTION])
def test_every_capture_of_the_corpus(corpus: Path, keep: KeepDialogue) -> None:
    paths = sorted(path for path in (corpus / "smtp").rglob("*") if path.is_file())
    paths += sorted((corpus / "lab").glob("*/*.pcap*"))
    assert paths
    for path in paths:
        analysis = analyze([str(path)], keep_dialogue=keep)
        told = json.loads("".join(render(analysis)))
        failures = [f"{path.name} {each.json_path}: {each.message}" for each in ANALYSIS.iter_errors(told)]
        assert not failures[:5]
        assert [session["id"] for session in told["sessions"]] == list(range(1, len(told["sessions"]) + 1))
        for line in jsonl.render(analysis):
            SESSION.validate(json.loads(line))
