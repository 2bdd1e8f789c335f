"""A file that somebody asked for: it comes into being whole or not at all.

It is written under a name that nobody can guess, beside the place where it is to be, and then put there: whoever reads it
meanwhile reads the old one, a full disk or an interruption leaves nothing, and a link that somebody laid is not
followed. What is no regular file (a device, a named pipe), and a file in a directory that takes no new ones, is written
itself, once all is known that goes into it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Draft:
    """The file while it is written: by whoever opens `name`."""

    def __init__(self, path: str) -> None:
        self._path = path
        mode = _mode(path)
        self._itself = mode is not None and not stat.S_ISREG(mode)
        self._mode = mode if mode is not None else 0o666 & ~_umask()
        self.name = self._made(existing=mode is not None)

    def _made(self, *, existing: bool) -> str:
        from tempfile import mkstemp  # noqa: PLC0415 - late: few runs write a file

        try:
            folder = None if self._itself else os.path.dirname(self._path) or "."
            handle, name = mkstemp(prefix=".pcapdiag-", dir=folder)
        except PermissionError:
            if not existing or not os.access(self._path, os.W_OK):
                raise
            self._itself = True
            handle, name = mkstemp(prefix=".pcapdiag-")
        os.close(handle)
        return name

    def put_in_place(self) -> None:
        """It is whole."""
        if self._itself:
            from shutil import copyfileobj  # noqa: PLC0415 - late, as above

            with open(self.name, "rb") as draft, open(self._path, "wb") as file:
                copyfileobj(draft, file)
        else:
            os.chmod(self.name, stat.S_IMODE(self._mode))
            os.replace(self.name, self._path)


@contextmanager
def draft_of(path: str | os.PathLike[str]) -> Iterator[Draft]:
    """The draft of a file, which is gone at the end unless it was put in its place.

    Raises OSError where it cannot be written.
    """
    draft = Draft(os.fspath(path))
    try:
        yield draft
    finally:
        with suppress(OSError):
            os.unlink(draft.name)


def is_same(one: str, other: str) -> bool:
    """Do these paths lead to one existing file?"""
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def _mode(path: str) -> int | None:
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
