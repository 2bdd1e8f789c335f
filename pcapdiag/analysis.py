"""`Analysis`: everything one run found out, ready for any report.

Sessions are iterated, as often as wanted, in the order of their first frames; finished ones lie in a spool, so that
memory does not grow with what has passed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from pcapdiag.diagnosis.verdict import Verdict
from pcapdiag.model import CaptureInfo, How, Moment, Party, Says, Stage
from pcapdiag.session import Session


@dataclass(frozen=True, slots=True)
class Judged:
    """A session with its verdict."""

    id: int
    """Order of first frames, from 1; given before any filter."""
    session: Session
    verdict: Verdict
    with_dialogue: bool = True
    """False: the dialogue's entries were not kept (an orderly session that nobody asked for)."""


class Sessions(Protocol):
    """Judged sessions that can be iterated again."""

    def __iter__(self) -> Iterator[Judged]: ...
    def __len__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Group:
    """Sessions that ended alike on one server."""

    server: str
    dropped_by: Party
    how: How
    stage: Stage
    rule: str
    sessions: int
    first_ns: int
    last_ns: int
    example: int
    """Id of one of them."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """What only several sessions together show."""

    kind: str
    """``retry-storm``, ``attempts``."""
    summary: Says
    sessions: tuple[int, ...]
    """Ids, at most 50."""
    sessions_total: int


@dataclass(frozen=True, slots=True)
class InputError:
    """An input that could not be read."""

    path: str
    says: str


@dataclass(frozen=True, slots=True)
class Analysis:
    """The result of one run."""

    captures: tuple[CaptureInfo, ...]
    errors: tuple[InputError, ...]
    sessions: Sessions
    groups: tuple[Group, ...]
    patterns: tuple[Pattern, ...]
    total: int
    """All sessions, before any filter."""
    attention: int
    dropped: int
    """Sessions ended by somebody: neither `nobody` nor `undetermined`."""
    dropped_by: dict[Party, int]
    redaction: str = "none"


__all__ = ["Analysis", "Group", "InputError", "Judged", "Moment", "Pattern", "Sessions"]
