"""PD611: a receiver that did not read."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.matters import Matter
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.tcp.connection import Odd


@rule("PD611", "Receive window shut", None, about=(Matter.CLOSED_WINDOWS,))
def closed_windows(see: Observation) -> Iterator[Claim]:
    """One side told the other to stop sending.

    What it sees:
        At least one segment of a side with a window of zero (no SYN, FIN or RST).

    What it means:
        That host's program did not read what had arrived: disk, content filter or load. If the window opens again, the
        mail only got slower.

    What else looks like this:
        A device that answers for the host (a proxy) and is itself full: then the host's own log knows nothing of a
        stall. A window that merely shrinks is no sign. A window that stays shut until somebody gives up is PD203.

    What to do:
        On the host that shut its window, look at the seconds of the named frames: load and disk (vmstat 1, iostat -x
        1, df -h), the queue of the content filter, and how full the socket is: ss -tnm 'sport = :25' shows Recv-Q.
        Postfix: cleanup and milter lines of that minute. Exim: the DATA ACL and its scanners. Exchange: back pressure,
        event ids 15004 to 15007 of MSExchangeTransport.

    Sources:
        RFC 9293 section 3.8.6.1: "When the receiving TCP peer has a zero window and a segment arrives, it must still
        send an acknowledgment showing its next expected sequence number and current window (zero)."
    """
    for half in see.connection.halves:
        if half.zero_windows:
            side = half.side
            shown = tuple(seg.at for seg in see.connection.segments if seg.side is side and seg.odd & Odd.ZERO_WINDOW)
            often = words.times(half.zero_windows)
            yield Claim(
                (f"The {side.value} shut its receive window {often}: its program did not read",),
                (Evidence(("window 0",), shown[:50], half.zero_windows),),
            )
