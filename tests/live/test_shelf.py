"""A shelf keeps no more than it may, for no longer than it may."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pcapdiag.live.shelf import Limits, Shelf


def name(number: int) -> str:
    return f"20261127T1000{number:02d}Z_192.0.2.1-1_192.0.2.2-25_body_{number:016x}"


def put(shelf: Shelf, number: int, octets: int = 100) -> None:
    shelf.put(name(number), lambda file: file.write(bytes(octets)), b"{}")


def kept(directory: Path) -> list[str]:
    return sorted(path.stem for path in directory.glob("*.pcapng"))


def test_the_oldest_goes_when_there_are_too_many(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, Limits(sessions=2))
    for number in range(4):
        put(shelf, number)
    assert kept(tmp_path) == [name(2), name(3)]


def test_never_more_octets_than_may_be(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, Limits(octets=250))
    for number in range(4):
        put(shelf, number)
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 250
    assert kept(tmp_path) == [name(2), name(3)]


def test_what_is_larger_than_all_that_may_be_is_not_kept(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, Limits(octets=250))
    put(shelf, 1)
    with pytest.raises(OSError, match=r"302 octets, more than --save-size allows"):
        put(shelf, 2, 300)
    assert kept(tmp_path) == [name(1)]


def test_what_is_too_old_goes_without_anything_new(tmp_path: Path) -> None:
    put(Shelf(tmp_path, Limits()), 1)
    for path in tmp_path.iterdir():
        os.utime(path, (time.time() - 7200,) * 2)
    shelf = Shelf(tmp_path, Limits(age_s=3600))
    assert kept(tmp_path) == [name(1)]
    shelf.tidy()
    assert not list(tmp_path.iterdir())
