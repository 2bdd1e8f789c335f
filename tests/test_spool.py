"""The spool: in order, as often as wanted, from memory and from the file; and nothing is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcapdiag.errors import SpoolFull
from pcapdiag.spool import Spool


@given(st.permutations(range(12)), st.integers(0, 13))
def test_what_goes_in_comes_out_in_order_of_the_numbers(numbers: list[int], fitting: int) -> None:
    with Spool[tuple[int, str]](budget=fitting * 10) as spool:
        for number in numbers:
            spool.add(number, (number, "x" * number), 10)
        assert len(spool) == 12
        assert spool.spilled == max(12 - fitting, 0)
        expected = [(number, "x" * number) for number in range(12)]
        assert list(spool) == expected
        assert list(spool) == expected


def test_iterations_do_not_disturb_one_another_or_those_who_add() -> None:
    with Spool[int](budget=30) as spool:
        for number in range(10):
            spool.add(number, number, 10)
        one, two = iter(spool), iter(spool)
        assert [next(one) for _ in range(5)] == [0, 1, 2, 3, 4]
        assert next(two) == 0
        spool.add(10, 10, 10)
        assert list(one) == [5, 6, 7, 8, 9]
        assert list(two) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
        assert list(spool) == list(range(11))


@pytest.mark.parametrize("budget", [0, 25, 1000])
def test_pick_gives_those_asked_for_in_that_order(budget: int) -> None:
    with Spool[str](budget) as spool:
        for number in range(5):
            spool.add(number, str(number), 10)
        assert list(spool.pick([4, 1, 99, 0])) == ["4", "1", "0"]


def test_once_closed_it_is_empty() -> None:
    spool = Spool[int](budget=0)
    spool.add(1, 1, 1)
    spool.close()
    assert (len(spool), list(spool)) == (0, [])


def test_no_file_is_left_behind_even_by_a_program_that_dies(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pcapdiag.spool import Spool\n"
        "spool = Spool(0); spool.add(1, b'x' * 100_000, 1)\n"
        "os._exit(9) if sys.argv[1] == 'dies' else None\n"
    )
    for how in ("ends", "dies"):
        environment = {**os.environ, "TMPDIR": str(tmp_path), "TEMP": str(tmp_path), "TMP": str(tmp_path)}
        subprocess.run([sys.executable, "-c", program, how], env=environment, check=False)
        assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    spool = Spool[int](budget=10)
    spool.add(1, 1, 10)
    with pytest.raises(SpoolFull, match=r"\(1 sessions so far, 0 octets .*No space left on device; set TMPDIR"):
        spool.add(2, 2, 10)


def test_it_needs_no_temporary_folder_within_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise AssertionError("no file was needed")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    spool = Spool[int]()
    for number in range(1000):
        spool.add(number, number, 10_000)
    assert len(spool) == 1000
