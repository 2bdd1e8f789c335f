"""Conversations as text, fed to the observer whole, octet by octet, or at any cuts.

A script is a list of (side, octets); `script` makes one from lines such as ``C: QUIT`` and ``S: 221 bye``. Consecutive lines
of one side arrive together.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from pcapdiag.model import Moment, Side
from pcapdiag.smtp.dialogue import Dialogue
from pcapdiag.smtp.observer import SmtpObserver
from pcapdiag.tcp.connection import GapReason

C, S = Side.CLIENT, Side.SERVER


class Gap(NamedTuple):
    """A hole in a script."""

    side: Side
    length: int
    reason: GapReason = GapReason.CAPTURE


Step = tuple[Side, bytes] | Gap
Script = list[Step]


def script(text: str) -> Script:
    """Lines ``C: ...`` and ``S: ...``, each with CRLF behind it; ``---`` parts what arrives in two segments."""
    steps: Script = []
    together = False
    for raw in text.strip().splitlines():
        line = raw.strip()
        if not line or line == "---":
            together = together and not line
            continue
        side = {"C": C, "S": S}[line[0]]
        octets = line[3:].encode("latin-1") + b"\r\n"
        last = steps[-1] if steps else None
        if together and isinstance(last, tuple) and not isinstance(last, Gap) and last[0] is side:
            steps[-1] = (side, last[1] + octets)
        else:
            steps.append((side, octets))
        together = True
    return steps


class Feeder:
    """Feeds an observer and keeps the offsets and the frame numbers."""

    def __init__(self, implicit_tls: bool = False) -> None:
        self.observer = SmtpObserver(implicit_tls)
        self.offsets = {C: 0, S: 0}
        self.frame = 0

    def data(self, side: Side, octets: bytes) -> None:
        self.frame += 1
        offset = self.offsets[side]
        self.observer.data(side, offset, octets, Moment(self.frame * 1000, 0, self.frame))
        self.offsets[side] += len(octets)

    def gap(self, gap: Gap) -> None:
        self.frame += 1
        at = Moment(self.frame * 1000, 0, self.frame)
        self.observer.gap(gap.side, self.offsets[gap.side], gap.length, gap.reason, at)
        self.offsets[gap.side] += gap.length


def talk(steps: Iterable[Step], sizes: Iterable[int] = (), implicit_tls: bool = False) -> Dialogue:
    """The dialogue of a script. With `sizes`, its octets arrive in pieces of these sizes, again and again."""
    feeder = Feeder(implicit_tls)
    pattern = list(sizes)
    turn = 0
    for step in steps:
        if isinstance(step, Gap):
            feeder.gap(step)
            continue
        side, octets = step
        at = 0
        while at < len(octets):
            size = pattern[turn % len(pattern)] if pattern else len(octets)
            turn += 1
            feeder.data(side, octets[at : at + size])
            at += size
    return feeder.observer.finish()


_NEVER = Moment(0, 0, 0)


def _timeless(value: Any) -> Any:
    if isinstance(value, Moment):
        return _NEVER
    if isinstance(value, tuple):
        items = [_timeless(item) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    return value


def timeless(dialogue: Dialogue) -> Dialogue:
    """The dialogue without its moments: what must not depend on how the octets were cut into segments."""
    found: Dialogue = _timeless(dialogue)
    return found


def stages(dialogue: Dialogue) -> str:
    """The history of positions as text: ``greeting/server greeting/client ...``."""
    return " ".join(f"{p.stage.value}/{p.owing.value if p.owing else '-'}" for p in dialogue.positions)


def standing(dialogue: Dialogue) -> str:
    """The last position as text."""
    return stages(dialogue).rpartition(" ")[2]
