"""Files that somebody asked for: whole or not at all, and never what lies there for another purpose."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from pcapdiag.target import draft_of, is_same


def write(path: Path | str, text: str = "new") -> None:
    with draft_of(path) as draft:
        Path(draft.name).write_text(text)
        draft.put_in_place()


def test_it_comes_into_being_whole(tmp_path: Path) -> None:
    path = tmp_path / "report"
    with draft_of(path) as draft:
        Path(draft.name).write_text("half")
        assert not path.exists()
        assert stat.S_IMODE(os.stat(draft.name).st_mode) == 0o600
    assert not list(tmp_path.iterdir())
    write(path)
    assert path.read_text() == "new"
    assert [each.name for each in tmp_path.iterdir()] == ["report"]


def test_what_was_there_stays_until_then(tmp_path: Path) -> None:
    path = tmp_path / "report"
    path.write_text("old")
    path.chmod(0o640)
    with pytest.raises(KeyboardInterrupt), draft_of(path):
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    write(path)
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", 0o640)


def test_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write("report")
    assert Path("report").read_text() == "new"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "report").symlink_to("precious")
    write(tmp_path / "report")
    assert (tmp_path / "precious").read_text() == "precious"
    assert (tmp_path / "report").read_text() == "new"


def test_what_is_no_file_is_written_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    came: list[str] = []
    reader = threading.Thread(target=lambda: came.append(pipe.read_text()))
    reader.start()
    write(pipe)
    reader.join(10)
    assert came == ["new"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_directory_that_takes_no_new_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file in it may be written nevertheless."""
    path = tmp_path / "report"
    path.write_text("old")
    make = __import__("tempfile").mkstemp

    def refuse(prefix: str, dir: str | None = None) -> tuple[int, str]:
        if dir is not None:
            raise PermissionError(13, "Permission denied")
        made: tuple[int, str] = make(prefix=prefix)
        return made

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    write(path)
    assert path.read_text() == "new"
    with pytest.raises(PermissionError):
        write(tmp_path / "other")


def test_one_file_under_two_names(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    (tmp_path / "b").symlink_to("a")
    assert is_same(str(tmp_path / "a"), str(tmp_path / "b"))
    assert not is_same(str(tmp_path / "a"), str(tmp_path / "none"))
    assert not is_same("-", str(tmp_path / "a"))
