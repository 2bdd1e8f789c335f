"""The first close in words, and what a claim about it is worth where something else was under way with it."""

from __future__ import annotations

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim
from pcapdiag.diagnosis.silence import fin_in_vain
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import Party, Side, Strength


def first_fin(see: Observation, side: Side) -> Evidence:
    """The FIN with which `side` closed first, or what was captured of it."""
    if see.ending.missed:
        says = (
            f"the {side.other.value} acknowledges a FIN of the {side.value} that the capture missed, and what the"
            f" {side.value} sent later stands behind it"
        )
    elif see.ending.crossed:
        says = f"the {side.value}'s FIN was sent first, going by half of each side's round trip"
    else:
        says = f"the {side.value}'s FIN is the first close, and no QUIT that counts came before it"
    return Evidence((says,), words.frames(see.ending.at))


def weighed(see: Observation, side: Side, claim: Claim) -> Claim:
    """The claim that `side` closed first. It is possible at most where the other side's close or farewell was under way
    too, and where the FIN was repeated and nothing came back any more, though not for long enough to speak of silence."""
    ending, other = see.ending, side.other.value
    if ending.crossed:
        says = (
            f"the {other}'s close or farewell was under way too: neither side had seen the other's, and only the"
            " times tell which was sent first"
        )
        return _doubted(claim, Party(other), Evidence((says,), words.frames(ending.at)))
    vain = fin_in_vain(see.connection, ending.fin) if ending.fin is not None else ()
    if vain:
        says = "the FIN was repeated, and nothing came back: the path may have died before it was sent"
        return _doubted(claim, Party.PATH, Evidence((says,), vain[:50], len(vain)))
    return claim


def _doubted(claim: Claim, party: Party, doubt: Evidence) -> Claim:
    could = tuple(dict.fromkeys((*claim.could_also_be, party)))
    return claim._replace(against=(*claim.against, doubt), strength=Strength.POSSIBLE, could_also_be=could)
