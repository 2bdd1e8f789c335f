"""Work in shares: the same result as in one process, in the same order; nothing is left behind however it ends."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pcapdiag.analysis import KeepDialogue
from pcapdiag.errors import PcapdiagError
from pcapdiag.pipeline import analyze
from pcapdiag.report import json as json_report
from pcapdiag.shares import in_shares

Found = Iterator[tuple[tuple[int, ...], str]]


def numbers(share: int, shares: int) -> Found:
    """Every share's numbers, the largest first: order is not the worker's business."""
    for number in reversed(range(share, 20, shares)):
        yield (number,), f"thing {number}"


def fails(share: int, shares: int) -> Found:
    yield from numbers(share, shares)
    raise PcapdiagError(f"share {share} of {shares} failed")


def dies(share: int, shares: int) -> Found:
    os.kill(os.getpid(), signal.SIGTERM)
    yield from numbers(share, shares)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("shares", [1, 2, 3])
def test_everything_comes_once_and_in_order(temporary: Path, shares: int) -> None:
    assert list(in_shares(numbers(0, shares), numbers, shares)) == [f"thing {number}" for number in range(20)]
    assert list(temporary.iterdir()) == []


def test_a_failure_in_another_process_is_raised_here(temporary: Path) -> None:
    with pytest.raises(PcapdiagError, match="share 1 of 2 failed"):
        list(in_shares(numbers(0, 2), fails, 2))
    assert list(temporary.iterdir()) == []


def test_a_process_that_was_killed_is_said_and_not_waited_for(temporary: Path) -> None:
    with pytest.raises(PcapdiagError, match="ended from outside"):
        list(in_shares(numbers(0, 2), dies, 2))
    assert list(temporary.iterdir()) == []


def test_who_stops_early_leaves_nothing(temporary: Path) -> None:
    things = in_shares(numbers(0, 2), numbers, 2)
    assert next(things) == "thing 0"
    things.close()  # type: ignore[attr-defined]
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("keep", [KeepDialogue.ATTENTION, KeepDialogue.ALL])
def test_the_analysis_is_the_same(keep: KeepDialogue) -> None:
    captures = [str(path) for path in sorted(Path("captures").glob("*/capture.pcap"))]
    alone = "".join(json_report.render(analyze(captures, keep_dialogue=keep, processes=1)))
    assert "".join(json_report.render(analyze(captures, keep_dialogue=keep, processes=3))) == alone
