"""`open_captures`: the inputs, and for each the engine that reads it: our own, or tshark's dissectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pcapdiag.capture import slow
from pcapdiag.capture.columns import Wanted
from pcapdiag.capture.files import Advance, CaptureFile, Member
from pcapdiag.capture.link import LINKS
from pcapdiag.capture.source import STDIN, files_in
from pcapdiag.capture.table import PacketTable
from pcapdiag.capture.traces import CaptureSet, Progress
from pcapdiag.errors import CaptureError, NotACapture, TsharkMissing, UnsupportedLinkType
from pcapdiag.model import CaptureInfo, Note

if TYPE_CHECKING:
    from pcapdiag.capture.tshark import TsharkSource

UNASKED = 20_000
"""Packets that `auto` gives to tshark without being asked: not a minute's work."""
TSHARK_RATE = 400
"""Packets a second through pyshark."""


def open_captures(
    paths: Sequence[str],
    *,
    ports: frozenset[int] | None,
    merge: bool = False,
    engine: str = "auto",
    progress: Progress | None = None,
) -> CaptureSet:
    """Look at every input. What cannot be read stands in `errors` of the result.

    `ports`: TCP ports wanted at either end, None for all. `engine`: "own", "tshark" or "auto". `progress` hears the octets
    read and how many there are (None: a pipe). Raises `TsharkMissing` with the tshark engine only.
    """
    opener = _Opener(ports, engine)
    for path in paths:
        opener.add(str(path))
    return CaptureSet(opener.files, opener.errors, Wanted(ports), merge, progress)


class _Opener:
    """Collects the inputs; a capture's index is its place among those that could be opened."""

    def __init__(self, ports: frozenset[int] | None, engine: str) -> None:
        self._ports = ports
        self._engine = engine
        self.files: list[Member] = []
        self.errors: list[tuple[str, str]] = []

    def add(self, path: str) -> None:
        if path == STDIN or not Path(path).is_dir():
            self._add_file(path, within=False)
            return
        before = len(self.files), len(self.errors)
        try:
            names = files_in(path)
        except OSError as error:
            self.errors.append((path, f"cannot be listed: {error.strerror or error}"))
            return
        for name in names:
            self._add_file(name, within=True)
        if (len(self.files), len(self.errors)) == before:
            self.errors.append((path, f"is a directory without captures ({len(names)} files were looked at)"))

    def _add_file(self, path: str, within: bool) -> None:
        """A file that somebody named must be a capture; one found in a directory (`within`) need not be."""
        try:
            self.files.append(self._open(path))
        except NotACapture as error:
            if not within:
                self.errors.append((error.path, error.says))
        except CaptureError as error:
            self.errors.append((error.path, error.says))

    def _open(self, path: str) -> Member:
        index = len(self.files)
        if self._engine == "tshark":
            return TsharkFile(path, index, self._ports, None)
        try:
            file = CaptureFile(path, index)
        except UnsupportedLinkType as error:
            if self._engine == "own" or path == STDIN:
                raise
            return self._through_tshark(path, index, error.says.partition(",")[0])
        strange = [name for link, name in zip(file.links, file.kind, strict=True) if not _known(link)]
        if self._engine == "own" or file.first_ns is None or len(strange) < len(file.links) or path == STDIN:
            return file
        return self._through_tshark(path, index, f"has link type {', '.join(strange)}")

    def _through_tshark(self, path: str, index: int, why: str) -> Member:
        """What our own reader does not know, when it is little enough."""
        try:
            file = TsharkFile(path, index, self._ports, why)
        except TsharkMissing as error:
            raise UnsupportedLinkType(path, f"{why}, which only tshark could read; but {error}") from error
        if file.packets is not None and file.packets > UNASKED:
            minutes = -(-file.packets // (TSHARK_RATE * 60))
            says = f"{why}, which only tshark can read; its {file.packets} packets take up to {minutes} min"
            raise UnsupportedLinkType(path, f"{says}: --engine tshark does it")
        return file


def _known(link: int) -> bool:
    return link in LINKS or slow.knows(link)


class TsharkFile:
    """A capture file that tshark reads (see `files.Member`)."""

    def __init__(self, path: str, index: int, ports: frozenset[int] | None, why: str | None) -> None:
        """`why`: what our own reader did not know; None when the user asked for tshark."""
        from pcapdiag.capture.tshark import TsharkSource  # noqa: PLC0415  (pyshark: only where it is needed)

        limit = None if why is None else UNASKED
        self._source: TsharkSource = TsharkSource(path, capture=index, ports=ports, max_packets=limit)
        self._why = why
        self.path = path
        info = self._source.info()
        self.first_ns, self.last_ns = info.first_time_ns, info.last_time_ns
        self.kind = info.link_types
        self.total: int | None = Path(path).stat().st_size
        self.dropped: int | None = None  # tshark does not tell

    @property
    def packets(self) -> int | None:
        return self._source.packets

    def batches(self, wanted: Wanted, advance: Advance, block: int) -> Iterator[PacketTable]:
        del wanted, block  # tshark filters by itself
        yield from self._source.batches()
        self.last_ns = self._source.info().last_time_ns
        advance(self.total or 0)

    def info(self) -> CaptureInfo:
        info = self._source.info()
        if self._why is None:
            return info
        return info._replace(notes=(*info.notes, Note("tshark", f"was read through tshark, because it {self._why}")))

    def nothing_understood(self) -> str | None:
        return None
