"""`Analysis` -> the same `Analysis` in pseudonyms, before any renderer sees it.

Filters and counts come before: ids, groups and patterns stay what they are. Sessions are redacted one by one when
somebody asks for them, in the process in which they lie.

session     a judged session -> the same in pseudonyms
said        what was said    -> the same in pseudonyms
sentences   our sentences    -> the same, part by part
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from pcapdiag.analysis import OTHER_SERVERS, Analysis, Group, InputError, Judged, Sessions, itself
from pcapdiag.model import CaptureInfo, Note
from pcapdiag.pseudonym import Level, Pseudonyms
from pcapdiag.redact.sentences import Sentences
from pcapdiag.redact.session import redacted

T = TypeVar("T")


def redact(analysis: Analysis, names: Pseudonyms) -> Analysis:
    """The analysis as somebody else may read it."""
    if names.level is Level.NONE:
        return analysis._replace(redaction=Level.NONE.value)
    names = replace(names, fitted=False)
    sentences = Sentences(names.knowing(()))
    return analysis._replace(
        captures=tuple([_capture(info) for info in analysis.captures]),
        errors=tuple([_error(error) for error in analysis.errors]),
        sessions=Redacted(analysis.sessions, names),
        groups=tuple([_group(group, names) for group in analysis.groups]),
        patterns=tuple([each._replace(summary=sentences.says(each.summary)) for each in analysis.patterns]),
        redaction=names.level.value,
    )


@dataclass(frozen=True, slots=True)
class Redacted:
    """The sessions of a whole in pseudonyms (`pcapdiag.analysis.Sessions`)."""

    whole: Sessions
    names: Pseudonyms

    def __len__(self) -> int:
        return len(self.whole)

    def __iter__(self) -> Iterator[Judged]:
        return self.each(itself)

    def each(self, tell: Callable[[Judged], T], numbers: Iterable[int] | None = None) -> Iterator[T]:
        """See `Sessions`."""
        return self.whole.each(partial(_told, tell=tell, names=self.names), numbers)


def _told(judged: Judged, tell: Callable[[Judged], T], names: Pseudonyms) -> T:
    return tell(redacted(judged, names))


def _capture(info: CaptureInfo) -> CaptureInfo:
    """Of a path its last component is left: the others are the business of whoever keeps the file."""
    return info._replace(path=_last(info.path), notes=tuple([_note(note, info.path) for note in info.notes]))


def _note(note: Note, path: str) -> Note:
    if note.code == "comment":
        # Somebody wrote it into the file, about anything.
        return note._replace(
            says=f"comment in the capture, of {len(note.says.partition(': ')[2])} characters: not told"
        )
    return note._replace(says=note.says.replace(path, _last(path)))


def _error(error: InputError) -> InputError:
    return InputError(_last(error.path), error.says.replace(error.path, _last(error.path)))


def _last(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1] or path


def _group(group: Group, names: Pseudonyms) -> Group:
    return group if group.server == OTHER_SERVERS else group._replace(server=names.address(group.server))


__all__ = ["Redacted", "redact"]
