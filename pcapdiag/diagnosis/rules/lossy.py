"""PD610: many segments had to be sent again."""

from collections.abc import Iterator

from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import Side
from pcapdiag.tcp.connection import Odd

LEAST = 5
SHARE = 0.03


@rule("PD610", "Lossy path", None)
def lossy(see: Observation) -> Iterator[Claim]:
    """More than 3% of a side's segments were sent again.

    What it sees:
        At least five retransmissions of one side, and more than 3% of its packets. Copies of the same packet in the
        capture are no retransmissions.

    What it means:
        The path loses packets, or delays them past the sender's timer. Mail gets slow, and timers run out.

    What else looks like this:
        A side that repeats itself into silence (PD502) or against a hole (PD503).

    What to do:
        Compare captures of both ends to find where packets are lost.

    Sources:
        RFC 6298, RFC 5681.
    """
    for side in Side:
        half = see.half(side)
        if half.retransmissions >= LEAST and half.retransmissions > SHARE * half.packets:
            shown = tuple(
                seg.at for seg in see.connection.segments if seg.side is side and seg.odd & Odd.RETRANSMISSION
            )
            yield Claim(
                (f"The {side.value} had to send {half.retransmissions} of its {half.packets} packets again",),
                (Evidence(("retransmissions",), shown[:50], half.retransmissions),),
            )
