"""Where reports go: whole wherever that is, at once where somebody looks on, and in few writings elsewhere."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pcapdiag.cli._output import ENOUGH, Output

LINES = [f"{number:0999}\n" for number in range(200)]


class Stream(io.StringIO):
    """Standard output that remembers what was written at once."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal
        self.written: list[str] = []

    def isatty(self) -> bool:
        return self._terminal

    def write(self, text: str) -> int:
        self.written += [text] if text else []
        return super().write(text)


def standard_output(patch: pytest.MonkeyPatch, *, terminal: bool) -> tuple[Output, Stream]:
    stream = Stream(terminal=terminal)
    patch.setattr(sys, "stdout", stream)
    return Output(None), stream


def test_a_terminal_shows_pieces_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    output, stream = standard_output(monkeypatch, terminal=True)
    output.pieces(LINES)
    assert stream.written == LINES


def test_elsewhere_many_are_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    output, stream = standard_output(monkeypatch, terminal=False)
    output.pieces(LINES)
    assert stream.getvalue() == "".join(LINES)
    assert ENOUGH <= len(stream.written[0]) < ENOUGH + len(LINES[0])
    assert stream.written[0] == "".join(LINES[: len(stream.written[0]) // len(LINES[0])])


def test_lines_are_written_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    output, stream = standard_output(monkeypatch, terminal=False)
    said: list[list[str]] = []

    def lines() -> Iterator[str]:
        for line in ("one", "two"):
            yield line
            said.append(list(stream.written))

    output.lines(lines())
    assert said == [["one\n"], ["one\n", "two\n"]]


def test_what_was_said_before_a_failure_stays_said(monkeypatch: pytest.MonkeyPatch) -> None:
    output, stream = standard_output(monkeypatch, terminal=False)

    def pieces() -> Iterator[str]:
        yield from LINES
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        output.pieces(pieces())
    assert stream.getvalue() == "".join(LINES)


def test_octets_are_written_as_they_are(tmp_path: Path) -> None:
    octets = [bytes([number]) * 999 for number in range(200)]
    with Output(str(tmp_path / "file")) as output:
        output.pieces(octets)
    assert (tmp_path / "file").read_bytes() == b"".join(octets)
