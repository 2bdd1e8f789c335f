"""What a reader may ask of a report, whatever its format; each format takes what concerns it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

from pcapdiag.analysis import KeepDialogue


@dataclass(frozen=True, slots=True)
class Options:
    """How to write the report."""

    dialogue: KeepDialogue = KeepDialogue.ATTENTION
    """Whose dialogue is told."""
    zone: tzinfo | None = None
    """Times are shown in this zone; None: the zone of this machine."""
    width: int = 80
    """Columns of the terminal."""
    colour: bool = False
    unicode: bool = True
    """False: the output's encoding has no arrows and lines; draw them with ASCII."""
    details: int | None = None
    """How many sessions are told in detail; None: all where the sessions are few, some where they are many."""
    only: frozenset[int] = frozenset()
    """Sessions the user asked for by id: told in full, orderly or not."""
    ports: tuple[int, ...] | None = None
    """Where sessions were looked for; None: on every port."""
