"""PD610: many segments had to be sent again."""

from collections.abc import Iterator

from pcapdiag.diagnosis.matters import Matter
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.tcp.connection import Odd

LEAST = 5
SHARE = 0.03


@rule("PD610", "Lossy path", None, about=(Matter.RETRANSMISSIONS,))
def lossy(see: Observation) -> Iterator[Claim]:
    """More than 3% of a side's segments were sent again.

    What it sees:
        At least five retransmissions of one side, and more than 3% of its packets. Copies of the same packet in the
        capture are no retransmissions.

    What it means:
        The path loses packets, or delays them past the sender's timer. Mail gets slow, and timers run out.

    What else looks like this:
        A side that repeats itself into silence (PD502) or against a hole (PD503). A server that takes its time to
        answer does not make TCP repeat anything (PD608).

    What to do:
        Capture on both hosts at the same time: packets that leave one and do not reach the other are lost in between;
        packets that reach it and are sent again nevertheless were acknowledged too late, or the acknowledgement was
        lost. Look at the links on the way: mtr -T -P 25 SERVER over some minutes, interface errors (ethtool -S, ip -s
        link), duplex mismatch, and the traffic shaper of the line. nstat TcpRetransSegs on the sender tells whether
        other connections suffer as well.

    Sources:
        RFC 6298 (retransmission timer), RFC 5681 (fast retransmit).
    """
    for half in see.connection.halves:
        if half.retransmissions >= LEAST and half.retransmissions > SHARE * half.packets:
            side = half.side
            shown = tuple(
                seg.at for seg in see.connection.segments if seg.side is side and seg.odd & Odd.RETRANSMISSION
            )
            yield Claim(
                (f"The {side.value} had to send {half.retransmissions} of its {half.packets} packets again",),
                (Evidence(("retransmissions",), shown[:50], half.retransmissions),),
            )
