"""What was done: the deed that a story declares, held against the journal of those who did it, and completed from there."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .capture import Place
from .dialogue import Side, View, view
from .journal import Event
from .network import LabError

Facts = str | bool | tuple[str, ...] | None
HOSTS: tuple[Side, Side] = ("client", "server")
MEANS = {
    # by a host's program, or its kernel
    "quit": "an orderly end",
    "unheard quit": "QUIT inside TLS, and close() before its answer",
    "open": "nothing ended it while it was captured",
    "close": "close(), everything read",
    "abort": "close() with SO_LINGER 0",
    "unread": "close() with unread input",
    "killed": "SIGKILL",
    "gives up": "close() after waiting in vain, the other's TCP alive",
    "forgets": "the host lost its sockets, as after a restart",
    "alert": "a fatal TLS alert, then close()",
    "not listening": "no socket listens, or the host's own firewall answers as if none did",
    "own firewall": "the host's own firewall answers segments with resets, midway",
    "own firewall, silent": "the host's own firewall swallows what comes in",
    "backlog full": "the listening socket takes no more",
    "power failure": "the host is gone",
    # by a device
    "rejects syn": "a firewall answers the SYN with a reset",
    "rejects": "a firewall answers segments with resets, midway",
    "forged reset": "a reset in the other's name",
    "forged fin": "a FIN in the other's name",
    "state expired, reset": "a firewall forgot the connection, and resets what belongs to none",
    # by a device or a router that says so
    "icmp": "an ICMP error ends it",
    # by nobody who says so
    "silence": "packets vanish",
    "state expired, silent": "a firewall forgot the connection, and drops what belongs to none",
    "black hole": "certain packets vanish each time, others pass",
}


# What comes to a host that has gone deaf stands on its cable, and not in what its program wrote down.
DEAF = {"forgets", "own firewall", "own firewall, silent", "icmp", "power failure"}


IMPACT_OF = {
    "not sent": "delayed",
    "refused for now": "delayed",
    "refused": "rejected",
    "unanswered": "duplicate-risk",
    "delivered": "none",
    "none meant": "none",
    "encrypted": "unknown",
}


# What stands in the journal when a cable or a device begins to do harm.
FAULTS = {
    *(("near", "dies"), ("far", "dies"), ("router", "narrows")),
    *(("firewall", "rejects"), ("firewall", "drops"), ("firewall", "state expires")),
}


@dataclass(frozen=True, slots=True)
class Deed:
    """Who ended the connection, how, by what means, and where the dialogue stood (as in docs/reference/verdict.md)."""

    by: str
    how: str
    means: str
    stage: str
    owing: str | None = None
    stalled_by: str | None = None
    delivered: bool = False
    mail: str | None = None  # a word of IMPACT_OF: what became of it, where no scripted side wrote it down
    # whom a device's segment went to, and whether anything betrays it (a TTL or a clock that is not its alleged sender's)
    aimed_at: str | None = None
    betrayed: bool = False
    # hosts that said something behind the fault, and the direction in which packets vanished (both: None)
    spoke_after: tuple[str, ...] = ()
    lost_toward: str | None = None
    lost_on: str = "router"  # near, far: the cable where they did

    @classmethod
    def declared(cls, by: str, how: str, means: str, stage: str, **facts: Facts) -> "Deed":
        if means not in MEANS:
            raise LabError(f"no means {means!r}; there are {', '.join(MEANS)}")
        return cls(by, how, means, stage, **facts)  # type: ignore[arg-type]

    @classmethod
    def recalled(cls, told: dict[str, Any]) -> "Deed":
        """From a truth.json: JSON has no tuples."""
        return cls(**told | {"spoke_after": tuple(told["spoke_after"])})


@dataclass(slots=True)
class Session:
    """One connection of a scenario; behind NAT the client's address differs by place."""

    client: tuple[str, int]
    server: tuple[str, int]
    deed: Deed | None = None
    client_at: dict[Place, tuple[str, int]] = field(default_factory=dict)


def completed(deed: Deed, events: Sequence[Event], session: int) -> Deed:
    """The declared deed with what the journal tells besides; a contradiction between the two is an error."""
    views = views_of(events, session)
    stages = {seen.stage for seen in views.values()}
    if stages and deed.stage not in stages:
        raise LabError(f"declared stage {deed.stage}, and by the journal it is {' or '.join(sorted(stages))}")
    if not views and deed.mail not in IMPACT_OF:
        raise LabError(f"nobody wrote down what became of the mail: say mail= one of {', '.join(IMPACT_OF)}")
    after = fault_index(events, session)
    ways = [
        event["way"]
        for event in events
        if event.get("session") == session and event["actor"] == deed.by and "way" in event
    ]
    if deed.means in {"close", "abort", "unread", "killed", "gives up"} and ways and deed.how != ways[0]:
        raise LabError(f"declared {deed.how}, and by the journal the {deed.by} left by {ways[0]}")
    replies = [reply for seen in views.values() for reply in seen.replies]
    deaf = deed.by in HOSTS and deed.means in DEAF
    speaks: Side = "server" if (deed.by == "server") != deaf else "client"
    shown = views.get(speaks) or next(iter(views.values()), None)
    forged = _forged(deed, events)
    return dataclasses.replace(
        deed,
        owing=deed.owing or (shown.owing if shown else None),
        delivered=deed.delivered or any(verb == "." and code.startswith("2") for verb, code in replies),
        spoke_after=deed.spoke_after or _spoke(events[after:], session, forged.get("aimed_at")),
        **forged,
        **_lost(events[after:]),
    )


def views_of(events: Sequence[Event], session: int) -> dict[Side, View]:
    """Of the scripted sides; real software writes no journal."""
    acted = {event["actor"] for event in events if event.get("session") == session or event["action"] == "listens"}
    return {side: view(events, side, session) for side in HOSTS if side in acted}


def fault_index(events: Sequence[Event], session: int) -> int:
    """Where in the journal the deed stands: the first act of a device, or of a host that leaves."""
    for index, event in enumerate(events):
        act = event["actor"], event["action"]
        if act[0] == "forger" or act in FAULTS or act[1] in {"loses power", "forgets"}:
            return index
        if event.get("session") == session and event.get("way"):
            return index
    return len(events)


def _spoke(events: Sequence[Event], session: int, aimed_at: str | None) -> tuple[str, ...]:
    """Hosts that said something behind the fault. A reset learned of by a host that no device aimed at answers something, too:
    its kernel had repeated what was not acknowledged."""
    spoke = set()
    for event in events:
        asked = event["action"] == "learns" and event["end"] == "rst" and aimed_at not in {event["actor"], "both"}
        said = event["action"] in {"says", "sends", "closes", "half closes", "begins tls"} or event.get("outcome")
        if event.get("session") == session and (asked or said):
            spoke.add(event["actor"])
    return tuple(sorted(spoke))


def _forged(deed: Deed, events: Sequence[Event]) -> dict[str, Any]:
    forged = [event for event in events if event["actor"] == "forger"]
    if not forged or not deed.means.startswith("forged"):
        return {}
    aims = {event["toward"] for event in forged}
    betrayed = any(not event["copied_ttl"] or event["clock"] == "stale" for event in forged)
    return {"aimed_at": aims.pop() if len(aims) == 1 else "both", "betrayed": betrayed}


def _lost(events: Sequence[Event]) -> dict[str, Any]:
    if not events or events[0]["action"] not in {"dies", "drops"}:
        return {}
    toward, where = events[0]["toward"], events[0]["actor"]
    return {"lost_toward": None if toward == "both" else toward, "lost_on": "router" if where == "firewall" else where}
