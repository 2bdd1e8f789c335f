"""PD901: only one direction was captured."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import How, Party, Side


@rule("PD901", "Only one direction was captured", Party.UNDETERMINED, ends=(Kind.ONE_DIRECTION,))
def one_direction(see: Observation) -> Iterator[Claim]:
    """The capture holds the packets of one side only.

    What it sees:
        A connection beyond its handshake in which only one side's packets were captured, and whose acknowledgement
        numbers do not prove an orderly end.

    What it means:
        Half of the story is missing, and a reset or FIN of the unseen side may be in it. Nobody can be named.

    What else looks like this:
        A host that really never answered: then the seen side repeats itself, and nothing is acknowledged.

    What to do:
        Capture again with both directions: mirror both directions of the port, or capture on the host itself; with
        asymmetric routing capture at both ends.

    Sources:
        Asymmetric routing and one-way mirrors are the usual reasons.
    """
    seen = Side.CLIENT if see.half(Side.CLIENT).packets else Side.SERVER
    packets = see.half(seen).packets
    yield Claim(
        (f"Nobody can be named: only the {seen.value}'s direction was captured",),
        (
            Evidence(
                (f"{packets} packet{'s' if packets > 1 else ''} of the {seen.value}, none of the {seen.other.value}",),
                words.frames(see.connection.first, see.connection.last),
            ),
        ),
        how=_how(see),
        end=see.ending.at,
        next_steps=(("Capture again with both directions: on the host itself, or with both directions mirrored.",),),
    )


def _how(see: Observation) -> How:
    if see.connection.closing.resets:
        return How.RST
    return How.FIN if see.connection.closing.fins else How.OPEN
