"""PD903: the capture missed octets."""

from collections.abc import Iterator

from pcapdiag.diagnosis.matters import Matter
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.smtp.dialogue import Missing


@rule("PD903", "The capture missed packets", None, about=(Matter.LOSSES,))
def capture_gaps(see: Observation) -> Iterator[Claim]:
    """Octets were acknowledged that the capture does not hold, or the capture says that it lost packets.

    What it sees:
        Either of the following: one side's TCP acknowledged octets that the capture does not hold (a claim for each
        side that lacks some); or the capture file itself counts packets that were dropped while capturing.

    What it means:
        The capture lost them, not the path: the receiver had them. What they held is unknown, so a proven verdict
        becomes likely. A likely one about somebody becomes possible where the capture counted drops, or where the side
        whose octets are missing said nothing after them: a QUIT, a 221 or a reply may be what is missing. Where it went
        on, the hole is history, and the verdict stays likely.

    What else looks like this:
        Asymmetric routing: then one whole direction is missing (PD901). A capture that began midway lacks the
        beginning only (PD905). Loss on the path: lost octets are sent again, and PD610 counts them.

    What to do:
        Repeat the capture on the same machine with a larger buffer and a narrow filter: tcpdump -B 65536 -s 0 -w FILE
        'host ADDRESS and tcp port 25 or icmp or icmp6', and read "packets dropped by kernel" when it ends: it should
        be 0. On a mirror port compare the port's speed with the sum of both directions of what it mirrors; capture on
        the mail host itself where the mirror is too small.

    Sources:
        Wireshark's tcp.analysis.ack_lost_segment ("ACKed unseen segment") is the same observation. pcapng: isb_ifdrop
        and isb_osdrop of the interface statistics block; tcpdump(1), option -B.
    """
    for half in see.connection.halves:
        if half.missing:
            shown = tuple(
                each.at
                for each in see.dialogue.entries
                if isinstance(each, Missing) and each.side is half.side and each.reason == "capture"
            )
            yield Claim(
                (f"The capture missed {half.missing} octets of the {half.side.value} that were acknowledged",),
                (Evidence(("settled there",), shown[:50]),),
            )
    if see.around.capture_drops:
        yield Claim((f"The capture says that it lost {see.around.capture_drops} packets",), ())
