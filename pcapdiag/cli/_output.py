"""Where a report goes: a file, a terminal or a pipe, and what each can show."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self, TextIO

import click

from pcapdiag.errors import UsageError
from pcapdiag.target import Draft, draft_of

colour_option = click.option(
    "--color/--no-color",
    default=None,
    help="Colour even in a pipe, or not even on a terminal. By default a terminal decides, and NO_COLOR.",
)


ENOUGH = 64 << 10
"""Characters or octets that are written at once."""


class Output:
    """Standard output, or a file that comes into being when all is written.

    A reader that goes away early (``| head``) ends the writing without a word.
    """

    def __init__(self, path: str | None, *, colour: bool | None = None) -> None:
        self.path = path
        self._draft: Draft | None = None
        self._ends = ExitStack()
        self._stream = self._open(path)
        self.terminal = path is None and self._stream.isatty()
        self.colour = self._wants_colour(colour)
        self.unread = False
        """Whoever read it has gone."""

    def _open(self, path: str | None) -> TextIO:
        if path is not None:
            try:
                return self._file(path)
            except OSError as error:
                raise UsageError(f"cannot write {path}: {error.strerror or error}") from error
        stream = sys.stdout
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
        return stream

    def _file(self, path: str) -> TextIO:
        self._draft = self._ends.enter_context(draft_of(path))
        return open(self._draft.name, "w", encoding="utf-8", newline="\n")

    def _wants_colour(self, asked: bool | None) -> bool:
        """https://no-color.org: NO_COLOR "when present and not an empty string (regardless of its value)"."""
        if asked is not None:
            return asked
        return self.terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    @property
    def width(self) -> int:
        """COLUMNS, or the terminal's width, or 80."""
        from shutil import get_terminal_size

        return get_terminal_size((80, 24)).columns

    @property
    def unicode(self) -> bool:
        """Its encoding has lines and arrows."""
        from pcapdiag.report.glyphs import can_draw

        return can_draw(self._stream.encoding)

    def lines(self, lines: Iterable[str]) -> None:
        """Write lines as they come."""
        self._write(line + "\n" for line in lines)

    def pieces(self, pieces: Iterable[str] | Iterable[bytes]) -> None:
        """Write a text, or octets: on a terminal as they come, else many pieces at once."""
        self._write(pieces if self.terminal else _gathered(pieces))

    def _write(self, pieces: Iterable[str | bytes]) -> None:
        for piece in pieces:
            if not self._put(piece):
                return
        self._put("", flush=True)

    def _put(self, piece: str | bytes, *, flush: bool = False) -> bool:
        """False when nobody reads any more."""
        try:
            if isinstance(piece, bytes):
                self._stream.buffer.write(piece)
            else:
                self._stream.write(piece)
            if flush:
                self._stream.flush()
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EINVAL):  # Windows says EINVAL of a pipe without a reader
                raise UsageError(f"cannot write {self.path or 'standard output'}: {error.strerror or error}") from error
            self._forget()
            return False
        return True

    def _forget(self) -> None:
        """Python flushes standard output once more at exit: give it something that takes it."""
        self.unread = True
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self._stream.fileno())
        os.close(null)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.path is None:
            return
        with self._ends:
            try:
                self._stream.close()
                if kind is None and self._draft is not None:
                    self._draft.put_in_place()
            except OSError as error:
                raise UsageError(f"cannot write {self.path}: {error.strerror or error}") from error


def _gathered(pieces: Iterable[str] | Iterable[bytes]) -> Iterator[str | bytes]:
    """The same in larger pieces: a report has thousands of them, and each writing costs."""
    held: list[Any] = []
    size = 0
    try:
        for piece in pieces:
            held.append(piece)
            size += len(piece)
            if size >= ENOUGH:
                yield held[0][:0].join(held)
                held.clear()
                size = 0
    except Exception:  # what was said before stays said
        yield from held
        raise
    yield from held
