"""A progress bar on standard error: only at a terminal, and only once the work has proved long."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

PATIENCE_S = 1.0
"""Shorter work needs no bar."""


class Progress:
    """Called with octets done and octets in all (None: not known, as of a pipe); draws when there is somebody to watch."""

    def __init__(self, *, wanted: bool) -> None:
        self._wanted = wanted and sys.stderr.isatty()
        self._began = time.monotonic()
        self._bar: Any = None
        self._done = 0

    def __call__(self, done: int, total: int | None) -> None:
        if not self._wanted or not total or time.monotonic() - self._began < PATIENCE_S:
            return
        if self._bar is None:
            import click

            self._bar = click.progressbar(length=total, label="reading", file=sys.stderr, width=30)
            self._bar.__enter__()
        self._bar.update(max(0, min(done, total) - self._done))
        self._done = max(self._done, min(done, total))

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
