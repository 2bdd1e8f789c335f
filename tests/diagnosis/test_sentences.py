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
