"""PD906: the capture holds packets twice."""

from collections.abc import Iterator

from pcapdiag.diagnosis.matters import Matter
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule


@rule("PD906", "Every packet captured twice", None, about=(Matter.COPIES,))
def seen_twice(see: Observation) -> Iterator[Claim]:
    """The same packets stand in the capture twice.

    What it sees:
        At least three packets of the connection, and at least three for every five different ones, stand in the
        capture a second time within a few milliseconds, with the same sequence numbers, length and IP ID, often with
        another TTL, interface or VLAN tag; with the same timestamps and another TTL however much later.

    What it means:
        A mirror port, the pseudo interface `any`, or two capture points in one file. The copies are left out of every
        count; they are neither retransmissions nor a second sender.

    What else looks like this:
        Real retransmissions come after at least a round trip and carry a new IP ID.

    What to do:
        Nothing. For a smaller capture choose one interface (tcpdump -i eth0 instead of any) or let the mirror copy one
        direction of each port only. Two points in one file are worth keeping: they show between which of them a reset
        began (PD406).

    Sources:
        Seen on mirrors with two VLAN tags and on Linux `any`.
    """
    if see.connection.duplicates:
        copies = sum(half.copies for half in see.connection.halves)
        yield Claim((f"The capture holds {copies} packets of this session a second time; copies are left out",), ())
