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
        A connection beyond its handshake in which only one side's packets were captured, without a QUIT that counts,
        and without what PD104 needs.

    What it means:
        Half of the story is missing, and a reset or FIN of the unseen side may be in it. Nobody can be named.

    What else looks like this:
        A host that really never answered: then the seen side's SYN is repeated and nothing is acknowledged (PD501). A
        capture filter that names one address as source only ("src host").

    What to do:
        Capture again with both directions: on the mail host itself (tcpdump -ni any -s 0 'host OTHER and tcp port 25
        or icmp or icmp6'); on a mirror port choose "both" (rx and tx); with asymmetric routing capture on both routers
        and analyse the files together with --merge.

    Sources:
        RFC 9293 section 3.4: acknowledgement numbers count the other side's octets, captured or not; they do not tell
        what was said.
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
