"""PD611: a receiver that did not read."""

from collections.abc import Iterator

from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import Side
from pcapdiag.tcp.connection import Odd


@rule("PD611", "Receive window shut", None)
def closed_windows(see: Observation) -> Iterator[Claim]:
    """One side told the other to stop sending.

    What it sees:
        Segments with a window of zero (no SYN, FIN or RST).

    What it means:
        That host's program did not read what had arrived: disk, content filter or load. If it opens again, the mail only
        got slower.

    What else looks like this:
        A device that answers for the host (a proxy) and is itself full.

    What to do:
        Look at the load of that host and of its content filter.

    Sources:
        RFC 9293 section 3.8.6.1.
    """
    for side in Side:
        half = see.half(side)
        if half.zero_windows:
            shown = tuple(seg.at for seg in see.connection.segments if seg.side is side and seg.odd & Odd.ZERO_WINDOW)
            yield Claim(
                (
                    f"The {side.value} shut its receive window {half.zero_windows} time{'s' if half.zero_windows > 1 else ''}: its program did not read",
                ),
                (Evidence(("window 0",), shown[:50], half.zero_windows),),
            )
