"""`open_captures`: the inputs, each with the engine that reads it."""

from __future__ import annotations

from collections.abc import Sequence

from pcapdiag.capture.columns import Wanted
from pcapdiag.capture.files import CaptureFile
from pcapdiag.capture.frames import BLOCK
from pcapdiag.capture.source import expand
from pcapdiag.capture.traces import CaptureSet, Progress
from pcapdiag.errors import CaptureError


def open_captures(
    paths: Sequence[str],
    *,
    ports: frozenset[int] | None,
    merge: bool = False,
    engine: str = "auto",
    progress: Progress | None = None,
) -> CaptureSet:
    names, errors = expand([str(path) for path in paths])
    files: list[CaptureFile] = []
    for name in names:
        try:
            file = CaptureFile(name, block=BLOCK)
        except CaptureError as error:
            errors.append((error.path, error.says))
            continue
        file.index = len(files)
        files.append(file)
    return CaptureSet(files, errors, Wanted(ports), progress)
