"""PD406: a capture at two points that saw the reset at one of them only."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.reset_evidence import unless_refused
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import How, Party, Strength


@rule(
    "PD406",
    "Reset that began between two capture points",
    Party.MIDDLEBOX,
    supersedes=("PD202", "PD302", "PD303", "PD401", "PD407"),
    ends=(Kind.RST,),
)
def reset_on_one_leg(see: Observation) -> Iterator[Claim]:
    """The capture holds nearly every packet twice, but the reset once.

    What it sees:
        All of the following: most packets of the connection were captured twice; of the side the reset names at least
        three packets were captured, and copies of at least four fifths of them; the reset that ended the session was
        captured once, and no other of that side with its sequence number, flags and timestamp, however late; and either
        packets that came after it were captured twice, or a reset of the other side was captured once as well. Likely
        with copies of 95% and more, else possible.

    What it means:
        A packet that a host sends passes both points. This one began between them: the device there sent it.

    What else looks like this:
        A capture that ended between the two copies, or earlier at one point than at the other: then nothing after the
        reset was seen twice, and the rule is silent. A capture that lost one of the two copies: the share of packets
        with both copies is the measure, and it is never a proof. A mirror that copies one direction only of some ports.

    What to do:
        The device between the two capture points (the firewall whose inside and outside interface were captured, the
        host whose `any` interface shows a bridge or a container): read its log of that second, its rules with a reset
        action, its limits and its session table.

    Sources:
        Rule R7 of docs/explanation/resets.md: the same packet at two points.
    """
    origin = see.end_origin
    if origin is None or not origin.one_leg:
        return
    reset = origin.reset
    half = see.half(reset.claimed)
    sure = half.copies >= 0.95 * sum(count for _, count in half.ttls)
    claim = Claim(
        (
            f"A device between the two capture points reset the connection {see.step}, in the name of ",
            *words.the(see.session, reset.claimed),
        ),
        (
            Evidence(
                (
                    f"the reset was seen at one point only; of {half.packets} packets of that side {half.copies} copies"
                    " were seen at another",
                ),
                words.frames(reset.at),
            ),
            see.last_said,
        ),
        () if sure else (Evidence(("the capture lost copies of other packets too",)),),
        how=How.RST,
        strength=Strength.LIKELY if sure else Strength.POSSIBLE,
        could_also_be=() if sure else (Party(reset.claimed.value),),
        end=reset.at,
        forged=(reset.at,),
        next_steps=(("On the device between the two capture points: look at its log of this very second.",),),
    )
    yield unless_refused(claim, reset)
