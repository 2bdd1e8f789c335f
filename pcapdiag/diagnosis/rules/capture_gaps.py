"""PD903: the capture missed octets."""

from collections.abc import Iterator

from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import Side
from pcapdiag.smtp.dialogue import Missing


@rule("PD903", "The capture missed packets", None)
def capture_gaps(see: Observation) -> Iterator[Claim]:
    """Octets were acknowledged that the capture does not hold, or the capture says that it lost packets.

    What it sees:
        Acknowledgements for octets that were never seen, or drop counts of the capturing kernel.

    What it means:
        The capture lost them, not the path. What they held is unknown; verdicts are held back accordingly.

    What else looks like this:
        Asymmetric routing (PD901), or a capture that began midway.

    What to do:
        Capture with a narrower filter, a larger buffer (tcpdump -B), or on another machine.

    Sources:
        Wireshark's tcp.analysis.ack_lost_segment; Zeek's capture-loss.
    """
    for side in Side:
        missing = see.half(side).missing
        if missing:
            shown = tuple(each.at for each in see.dialogue.entries if isinstance(each, Missing) and each.side is side)
            yield Claim(
                (f"The capture missed {missing} octets of the {side.value} that were acknowledged",),
                (Evidence(("settled there",), shown[:50]),),
            )
    if see.around.capture_drops:
        yield Claim((f"The capture says that it lost {see.around.capture_drops} packets",), ())
