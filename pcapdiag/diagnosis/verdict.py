"""`Finding` and `Verdict`: what a rule claims, and what the session's verdict makes of all claims."""

from __future__ import annotations

from typing import NamedTuple

from pcapdiag.model import How, Impact, Moment, Party, Says, Side, Stage, Strength, Vantage


class Evidence(NamedTuple):
    """One sentence and the frames that show it."""

    says: Says
    frames: tuple[Moment, ...] = ()
    """At most 50, in time order."""
    frames_total: int | None = None
    """How many there are in all; None: as many as `frames` holds."""


class Finding(NamedTuple):
    """One claim of one rule about one party, or (rules 6xx and 9xx) a fact that accompanies a verdict."""

    rule: str
    """Its id, such as ``PD301``."""
    title: str
    summary: Says
    evidence: tuple[Evidence, ...]
    against: tuple[Evidence, ...] = ()
    party: Party | None = None
    """None: context only, never a verdict."""
    how: How | None = None
    strength: Strength | None = None
    could_also_be: tuple[Party, ...] = ()
    stalled_by: Party | None = None
    end: Moment | None = None
    """The event that ended the session, as this rule sees it."""
    stage: Stage | None = None
    """Where it differs from what the dialogue shows just before `end`."""
    owing: Side | None = None
    """Goes with `stage`."""
    benign: bool = False
    """A probe, or a close without QUIT after all mail was answered: no attention."""
    forged: tuple[Moment, ...] = ()
    """Resets that this finding holds for forged."""
    next_steps: tuple[Says, ...] = ()
    """In order; each an action on a named machine."""


class Verdict(NamedTuple):
    """Who ended the session, how, at which stage, and what that did to the mail (docs/reference/verdict.md)."""

    dropped_by: Party
    could_also_be: tuple[Party, ...]
    how: How
    stage: Stage
    owing: Side | None
    waited_ns: int | None
    stalled_by: Party | None
    strength: Strength | None
    impact: Impact
    attention: bool
    end: Moment
    rule: str
    summary: Says
    evidence: tuple[Evidence, ...]
    against: tuple[Evidence, ...]
    next_steps: tuple[Says, ...]
    """What to do, and for a verdict that is not proven the exact next capture to take."""
    next_capture: str | None
    """A tcpdump command line, None for a proven verdict."""
    forged: frozenset[Moment]
    findings: tuple[Finding, ...]
    """Findings that accompany the verdict (6xx and 9xx)."""
    others: tuple[Finding, ...]
    """Findings about a party that were not chosen."""
    superseded: tuple[Finding, ...]
    why: Says
    """Why the chosen finding was preferred."""
    vantage: Vantage | None
    vantage_evidence: tuple[Evidence, ...]
