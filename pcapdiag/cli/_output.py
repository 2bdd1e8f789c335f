"""Where a report goes: a file, a terminal or a pipe, and what each can show."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Iterable
from types import TracebackType
from typing import Literal, TextIO

import click

from pcapdiag.cli import complain
from pcapdiag.errors import UsageError

colour_option = click.option(
    "--color/--no-color",
    default=None,
    help="Colour even in a pipe, or not even on a terminal. By default a terminal decides, and NO_COLOR.",
)


class Output:
    """Standard output or a file. A reader that goes away early (``| head``) ends the writing without a word."""

    def __init__(self, path: str | None, *, colour: bool | None = None, append: bool = False) -> None:
        self.path = path
        self._reopen = False
        self._mode: Literal["a", "w"] = "a" if append else "w"
        self._stream = self._open(path, self._mode)
        self.terminal = path is None and self._stream.isatty()
        self.colour = self._wants_colour(colour)
        self.unread = False
        """Whoever read it has gone."""

    def ask_to_reopen(self) -> None:
        """Go on in a new file of the same name: somebody has renamed the old one (logrotate). For signal handlers: it
        happens before the next piece is written."""
        self._reopen = True

    @staticmethod
    def _open(path: str | None, mode: Literal["a", "w"]) -> TextIO:
        if path is not None:
            try:
                return open(path, mode, encoding="utf-8", newline="\n")
            except OSError as error:
                raise UsageError(f"cannot write {path}: {error.strerror or error}") from error
        stream = sys.stdout
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
        return stream

    def _wants_colour(self, asked: bool | None) -> bool:
        """https://no-color.org: NO_COLOR "when present and not an empty string (regardless of its value)"."""
        if asked is not None:
            return asked
        return self.terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    @property
    def width(self) -> int:
        """COLUMNS, or the terminal's width, or 80."""
        return shutil.get_terminal_size((80, 24)).columns

    @property
    def unicode(self) -> bool:
        """Its encoding has lines and arrows."""
        from pcapdiag.report.glyphs import can_draw

        return can_draw(self._stream.encoding)

    def lines(self, lines: Iterable[str]) -> None:
        """Write lines."""
        self.pieces(line + "\n" for line in lines)

    def pieces(self, pieces: Iterable[str]) -> None:
        """Write text as it comes."""
        if self._reopen and self.path is not None:
            self._reopen = False
            self._open_again()
        for piece in pieces:
            if not self._put(piece):
                return
        self._put("", flush=True)

    def _open_again(self) -> None:
        """The old file is better than none: whoever opened it first may have had more privileges than we have now."""
        try:
            stream = self._open(self.path, self._mode)
        except UsageError as error:
            complain(f"{error}; the output goes on into the file that it had before")
            return
        self._stream.close()
        self._stream = stream

    def _put(self, text: str, *, flush: bool = False) -> bool:
        """False when nobody reads any more."""
        try:
            self._stream.write(text)
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

    def __enter__(self) -> Output:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.path is not None:
            try:
                self._stream.close()
            except OSError as error:
                raise UsageError(f"cannot write {self.path}: {error.strerror or error}") from error
