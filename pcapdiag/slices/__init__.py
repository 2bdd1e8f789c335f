"""Sessions of an analysis -> a pcapng file of their packets alone, safe to hand on.

finding      the captures again -> which frames are the sessions', and what of their octets is protocol
observer     ... by the word of the reader of SMTP: lines, tls and proxy say what is seen of each piece of it
mask         any stretch of a stream -> what may be seen of it
copying      the captures for the last time -> the packets, in order, fragments put together
rewriting    one packet -> the same with masked payload, other addresses and the checksums that belong to them
options      headers -> the addresses in their options
pcapng       packets -> the file
check        the file -> does it still say what its capture said?

`write` is all that the rest of the program calls.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from pcapdiag.analysis import Analysis, Judged, itself
from pcapdiag.capture.checksum import sha256_of
from pcapdiag.errors import SliceRefused, UsageError
from pcapdiag.model import CaptureInfo, Vantage
from pcapdiag.pseudonym import Pseudonyms
from pcapdiag.redact import redact
from pcapdiag.slices import comment
from pcapdiag.slices.check import differences
from pcapdiag.slices.copying import copied
from pcapdiag.slices.finding import Found, find
from pcapdiag.slices.payload import Payload
from pcapdiag.slices.pcapng import Writer
from pcapdiag.slices.rewriting import Rewriter
from pcapdiag.target import draft_of, is_same

MOST_SESSIONS = 20
"""In one slice."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How the captures were read: the same options as of `pcapdiag.analyze`, so that they are read so again."""

    ports: frozenset[int] | None
    merge: bool = False
    captured_at: Vantage | None = None


@dataclass(frozen=True, slots=True)
class SliceInfo:
    """A slice that was written."""

    path: str
    sessions: tuple[int, ...]
    packets: int
    octets: int
    """Of the file."""
    sha256: str | None
    differences: tuple[tuple[int, str], ...]
    """(id, what reads otherwise) of sessions of which the slice alone says something else than the capture."""


def write(analysis: Analysis, ids: Sequence[int], names: Pseudonyms, path: str, reading: Reading) -> SliceInfo:
    """Write the sessions with these ids to a pcapng file, then analyse it to see whether it says the same.

    Args:
        analysis: As it was made, not redacted: it tells where the sessions lie in which captures.
        ids: At most `MOST_SESSIONS`.
        names: The pseudonyms, and how much is hidden; level ``none`` copies the octets as they are.
        path: The file. It comes into being whole or not at all, in the place of one of that name.
        reading: How the captures were read for the analysis.

    Raises:
        SliceRefused: a capture cannot be read twice (a pipe), or is not any more what it was.
        UsageError: no such session, too many of them, or `path` is one of the captures or cannot be written.
        CaptureError: a capture cannot be read any more.
    """
    chosen = _chosen(analysis, ids)
    _refuse_inputs(analysis.captures, path)
    connections = [judged.session.connection for judged in chosen]
    found = find(connections, analysis.captures, names, ports=reading.ports, merge=reading.merge)
    try:
        with draft_of(path) as draft:
            with open(draft.name, "wb") as file:
                packets = _write(file, analysis, chosen, found, names)
            told = differences(chosen, draft.name, names, ports=reading.ports, captured_at=reading.captured_at)
            info = SliceInfo(
                path,
                tuple(judged.id for judged in chosen),
                packets,
                os.path.getsize(draft.name),
                sha256_of(draft.name),
                tuple(told),
            )
            draft.put_in_place()
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error
    return info


def _chosen(analysis: Analysis, ids: Sequence[int]) -> list[Judged]:
    wanted = sorted(set(ids))
    if not 0 < len(wanted) <= MOST_SESSIONS:
        raise UsageError(f"a slice holds 1 to {MOST_SESSIONS} sessions; {len(wanted)} were named")
    chosen = {judged.id: judged for judged in analysis.sessions.each(itself, wanted)}
    missing = [str(number) for number in wanted if number not in chosen]
    if missing:
        raise UsageError(f"there is no session {', '.join(missing)}; the captures hold {analysis.total}")
    return [chosen[number] for number in wanted]


def _refuse_inputs(captures: Sequence[CaptureInfo], path: str) -> None:
    for info in captures:
        try:
            regular = stat.S_ISREG(os.stat(info.path).st_mode)
        except OSError:
            regular = False
        if not regular:
            raise SliceRefused(
                f"{'standard input' if info.path == '-' else info.path} cannot be read twice, as a slice asks for: "
                "save the capture to a file, and cut the slice of that"
            )
        if is_same(info.path, path):
            raise UsageError(f"{path} is a capture that is read here: write the slice to another file")


def _write(
    file: BinaryIO, analysis: Analysis, chosen: Sequence[Judged], found: Sequence[Found], names: Pseudonyms
) -> int:
    """Write all; how many packets it were."""
    wanted: dict[int, set[int]] = {}
    for each in found:
        for capture, numbers in each.frames.items():
            wanted.setdefault(capture, set()).update(numbers)
    redacted = redact(analysis, names)
    captures = [
        info._replace(sha256=sha256_of(analysis.captures[number].path) if number in wanted else None)
        for number, info in enumerate(redacted.captures)
    ]
    told = list(redacted.sessions.each(itself, [judged.id for judged in chosen]))
    writer = Writer(file, [comment.section(told, found, captures, names.level)], comment.program())
    payload = Payload(found)
    paths = [info.path for info in analysis.captures]
    for capture, frame, octets in copied(paths, wanted, Rewriter(names, payload), payload):
        writer.packet(capture, frame, octets, comment.packet(captures, capture, frame.number))
    for capture in sorted(wanted):
        # Silence counts: how long the capture went on tells whether an answer can still have come.
        end_ns = max(each.connection.until_ns for each in found if capture in each.frames)
        writer.ended(capture, end_ns, captures[capture].dropped_by_capture)
    return writer.packets


__all__ = ["MOST_SESSIONS", "Reading", "SliceInfo", "write"]
