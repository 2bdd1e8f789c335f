"""What a watch says. Everything is frozen; whoever shows, saves or counts sessions lives on these three."""

from __future__ import annotations

from dataclasses import dataclass

from pcapdiag.analysis import Judged
from pcapdiag.model import Endpoint


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection began (or the watch met it on its way)."""

    id: int
    """The same as `Judged.id` of its end."""
    client: Endpoint
    """By what was seen so far; the judged session knows better."""
    server: Endpoint
    time_ns: int


@dataclass(frozen=True, slots=True)
class Ended:
    """A session ended, or looks so."""

    judged: Judged
    final: bool
    """False: within a second of the end. True: nothing more came for as long as packets about it can come, and the verdict
    is that of an offline analysis of the packets so far."""
    again: bool = False
    """It was final before, and then packets came nevertheless: this verdict takes its place."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """Once a second: the watch is alive."""

    time_ns: int
    """The clock of the capture."""
    packets: int
    """All that were captured so far."""
    dropped: int | None
    """Packets that the kernel had to drop so far; None while nobody knows."""
    waiting: int
    """Octets that were captured and not yet looked at."""
    open: int
    """Connections that are open or linger."""
    down: tuple[str, ...]
    """Interfaces that are down or gone for now."""


Event = Opened | Ended | Pulse
