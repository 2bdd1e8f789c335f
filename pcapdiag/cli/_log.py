"""Where what never ends goes: standard output, or a file that grows and may be renamed meanwhile."""

from __future__ import annotations

from collections.abc import Iterable
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

    def _file(self, path: str) -> TextIO:
        return open(path, "a", encoding="utf-8", newline="\n")

    def _write(self, pieces: Iterable[str | bytes]) -> None:
        if self._reopen and self.path is not None:
            self._reopen = False
            self._open_again()
        super()._write(pieces)

    def _open_again(self) -> None:
        """The old file is better than none: whoever opened it first may have had more privileges than we have now."""
        try:
            stream = self._open(self.path)
        except UsageError as error:
            complain(f"{error}; the output goes on into the file that it had before")
            return
        self._stream.close()
        self._stream = stream
