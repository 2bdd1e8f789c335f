"""PD407: resets to both ends at the same time."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.resets import Shape, Ttl, forged_pair
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import How, Party, Strength
from pcapdiag.tcp.connection import Effect, Reset


@rule("PD407", "Both ends were reset", Party.MIDDLEBOX, supersedes=("PD202", "PD302"), ends=(Kind.RST,))
def reset_both_ends(see: Observation) -> Iterator[Claim]:
    """Two resets in opposite directions, of which neither answers the other side.

    What it sees:
        All of the following: two resets in opposite directions within a second, one of which ended the session; the
        second has no ACK flag; the second does not answer any segment that came with or after the first; in the last
        two round trips before the second (two seconds where the round trip is unknown) the side that the first reset
        names sent nothing it could answer. Or: a reset with a foreign TTL that missed (its receiver refused it, because
        octets were under way), and within a second bare resets of the host it names end the session.

    What it means:
        A reset is never answered by a reset. Two that come without cause in both directions are how devices cut a
        connection. Where the one at this end missed, the other end's kernel answers for the socket that the device had
        ended there.

    What else looks like this:
        A segment in flight that meets the socket which the first reset has just ended draws a genuine one: the rule
        looks for such a segment and is silent then. A segment that the capture missed could have drawn it: so this is
        never more than possible.

    What to do:
        On every firewall, intrusion prevention system or load balancer between the two hosts, read the log of that
        second for these two addresses. Azure Load Balancer with "TCP reset" enabled resets both ends when its idle
        timer (4 minutes by default) runs out: compare with the silence before it (PD603, PD609). To prove it: capture
        on both hosts; neither reset leaves the host it names.

    Sources:
        RFC 9293 section 3.10.7.1: "An incoming segment containing a RST is discarded"; rule R7 of
        docs/explanation/resets.md; Azure Load Balancer, TCP reset and idle timeout.
    """
    pair = forged_pair(see.connection) or _missed_and_hit(see)
    if pair is None:
        return
    first, second = pair
    missed = first.effect is Effect.REFUSED
    shown = (
        "a reset that missed, with a foreign TTL, and right after it the end"
        if missed
        else "resets in both directions, neither of which answers anything"
    )
    yield Claim(
        (f"A device in between reset both ends of the connection {see.step}",),
        (Evidence((shown,), words.frames(first.at, second.at)), see.last_said),
        (Evidence(("a packet that this capture missed could have drawn the second one",)),),
        how=How.RST,
        strength=Strength.POSSIBLE,
        could_also_be=(Party(first.claimed.value),),
        end=first.at if not missed else second.at,
        forged=(first.at,) if missed else (first.at, second.at),
        next_steps=(("On every firewall between the two hosts: look at the log of this very second.",),),
    )


def _missed_and_hit(see: Observation) -> tuple[Reset, Reset] | None:
    """A reset with a foreign TTL that its receiver refused (octets were under way), and soon after it bare ones of the
    same claimed sender: the device had hit the other end, whose kernel then no longer knew the connection."""
    ended, origin = see.ending.reset, see.end_origin
    if ended is None or origin is None or origin.shape is not Shape.REPLY:
        return None
    for reset in see.connection.closing.resets:
        near = 0 <= ended.at.time_ns - reset.at.time_ns < 1_000_000_000
        if (
            reset.effect is Effect.REFUSED
            and reset.claimed is ended.claimed
            and near
            and see.origin(reset).ttl is Ttl.FOREIGN
        ):
            return reset, ended
    return None
