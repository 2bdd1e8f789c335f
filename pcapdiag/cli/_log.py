"""Where what never ends goes: standard output, or a file that grows and may be renamed meanwhile."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import TextIO

from pcapdiag.cli import complain
from pcapdiag.cli._output import Output
from pcapdiag.errors import UsageError


class Log(Output):
    """Standard output, or a file that is added to."""

    _reopen = False

    def ask_to_reopen(self) -> None:
        """Go on in a new file of the same name: somebody has renamed the old one (logrotate). For signal handlers: it
        happens before the next piece is written."""
        self._reopen = True

    def _open(self, path: str | None) -> TextIO:
        if path is None:
            return super()._open(path)
        try:
            return open(path, "a", encoding="utf-8", newline="\n")
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror or error}") from error

    def pieces(self, pieces: Iterable[str] | Iterable[bytes]) -> None:
        if self._reopen and self.path is not None:
            self._reopen = False
            self._open_again()
        super().pieces(pieces)

    def _open_again(self) -> None:
        """The old file is better than none: whoever opened it first may have had more privileges than we have now."""
        try:
            stream = self._open(self.path)
        except UsageError as error:
            complain(f"{error}; the output goes on into the file that it had before")
            return
        self._stream.close()
        self._stream = stream

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.path is not None:
            try:
                self._stream.close()
            except OSError as error:
                raise UsageError(f"cannot write {self.path}: {error.strerror or error}") from error
