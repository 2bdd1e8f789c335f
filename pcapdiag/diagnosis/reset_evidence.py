"""The evidence around a reset that ended a session, worded once for the rules about client, server and devices."""

from __future__ import annotations

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.resets import Origin, Shape, Ttl
from pcapdiag.diagnosis.rule import Claim
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import How, Party, Side, Strength
from pcapdiag.tcp.connection import Reset

SHAPES = {
    Shape.ACTIVE: "it has the shape of an abort by the host itself: RST+ACK with a live window or running timestamps",
    Shape.REPLY: "it is bare (no ACK flag, no timestamps): so answers a host that no longer knows the connection, and so does a device that forges it",
    Shape.PLAIN: "it is RST+ACK without the timestamps that the connection uses: some hosts abort so, and some devices forge so",
}


def copying_device(reset: Reset) -> Evidence:
    """What speaks against a bare reset of a side that had not closed before."""
    return Evidence(
        ("this side had not closed before: a device in between that copies the TTL would look the same",),
        words.frames(reset.at),
    )


def unless_refused(claim: Claim, reset: Reset) -> Claim:
    """The claim, at most possible where the reset missed the next octet and nothing tells what its receiver made of it.

    RFC 5961 3.2: "If the RST bit is set and the sequence number does not exactly match the next expected sequence value,
    yet is within the current receive window, TCP MUST send an acknowledgment (challenge ACK)".
    """
    if reset.exact:
        return claim
    return claim._replace(
        against=(
            *claim.against,
            Evidence(
                ("it does not stand at the next octet: its receiver should not obey it, and was not seen to",),
                words.frames(reset.at),
            ),
        ),
        strength=Strength.POSSIBLE,
        could_also_be=(*claim.could_also_be, Party.NOBODY),
    )


def own_reset(see: Observation, side: Side) -> Claim | None:
    """The claim that `side` itself sent the reset; None when something in the capture contradicts it."""
    origin = see.end_origin
    reset = see.ending.reset
    if origin is None or reset is None or origin.foreign:
        return None
    sure = origin.shape is Shape.ACTIVE and origin.ttl is Ttl.USUAL and not origin.once
    claim = Claim(
        ("The connection was reset",),
        (
            Evidence((f"the reset from the {side.value}'s address is the first close",), words.frames(reset.at)),
            *shape_evidence(origin),
            see.last_said,
        ),
        _against(origin, sure),
        how=How.RST,
        strength=Strength.LIKELY if sure else Strength.POSSIBLE,
        could_also_be=() if sure else (Party.MIDDLEBOX,),
        end=reset.at,
    )
    return unless_refused(claim, reset)


def shape_evidence(origin: Origin) -> tuple[Evidence, ...]:
    """What the reset looks like beside the other packets of its address."""
    shape = Evidence((SHAPES[origin.shape],), words.frames(origin.reset.at))
    if origin.ttl is Ttl.USUAL:
        return shape, Evidence(
            (f"its TTL {origin.reset.ttl} is that of the other packets of this address",), words.frames(origin.reset.at)
        )
    return (shape,)


def _against(origin: Origin, sure: bool) -> tuple[Evidence, ...]:
    found = []
    if origin.ttl is Ttl.UNKNOWN:
        found.append(
            Evidence(
                (f"there is no steady TTL of this address to compare its {origin.reset.ttl} with",),
                words.frames(origin.reset.at),
            )
        )
    if origin.ttl in (Ttl.FOREIGN_FEW, Ttl.WITH_WORDS):
        found.append(
            Evidence(
                (f"its TTL {origin.reset.ttl} differs from the {origin.usual_ttl} of other packets of this address",),
                words.frames(origin.reset.at),
            )
        )
    if origin.once:
        found.append(
            Evidence(
                ("other packets were captured twice, this reset once: its copy is missing, or it began in between",),
                words.frames(origin.reset.at),
            )
        )
    if not sure and origin.shape is not Shape.ACTIVE:
        found.append(copying_device(origin.reset))
    return tuple(found)
