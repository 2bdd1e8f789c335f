"""Sentences that a reader once found misleading, on the scenes that show them."""

from __future__ import annotations

from pathlib import Path

import pytest

import pcapdiag
from pcapdiag.report.clean import plain

SCENES = Path(__file__).parents[2] / "captures"


@pytest.mark.parametrize(
    ("scene", "says"), [("scanner-http", "after the client had spoken another protocol than SMTP")]
)
def test_the_sentence_says_what_matters(scene: str, says: str) -> None:
    (judged,) = pcapdiag.analyze([str(SCENES / scene / "capture.pcap")]).sessions
    assert says in plain(judged.verdict.summary, ())


@pytest.mark.parametrize(("scene", "owed"), [("reply-to-dot-never-comes", True), ("zero-window-stall", False)])
def test_a_lost_reply_is_named_only_where_one_was_owed(scene: str, owed: bool) -> None:
    (judged,) = pcapdiag.analyze([str(SCENES / scene / "capture.pcap")]).sessions
    assert judged.verdict.rule == "PD203"
    assert any("a reply that was sent and lost" in plain(each.says, ()) for each in judged.verdict.against) is owed
