"""PD505: routing gave up, and says so by ICMP."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.icmp_evidence import rejection
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import Address, How, Party, Strength


@rule(
    "PD505",
    "Unreachable, says a router",
    Party.PATH,
    supersedes=("PD501", "PD502", "PD506"),
    ends=(Kind.CONNECT, Kind.ICMP),
)
def icmp_unreachable(see: Observation) -> Iterator[Claim]:
    """A router says that it cannot deliver the packets.

    What it sees:
        All of the following: an ICMP "network unreachable", "host unreachable" or "time exceeded" quotes a segment of
        this connection; nothing of that segment's destination followed it.

    What it means:
        The route to that host is gone, runs in a circle (time exceeded), or the last router does not find the host.

    What else looks like this:
        A router that says "host unreachable" by policy. A passing trouble: then packets of the host follow, and the rule
        is silent.

    What to do:
        On the router with that address, look at the route to the host and whether the host answers ARP.

    Sources:
        RFC 792, RFC 1812 section 5.2.7.1, RFC 4443 sections 3.1 and 3.3, RFC 1122 section 4.2.3.9 (soft errors).
    """
    at, error = rejection(see)
    if error is None or at is None or not error.unreachable:
        return
    what = (
        "the packets run in a circle (time exceeded)"
        if error.type in (11, 3) and (error.version, error.type) != (4, 3)
        else "there is no way to the host"
    )
    yield Claim(
        ("The router ", Address(error.sender), f" says that {what} {see.step}"),
        (
            Evidence(
                (
                    "the ICMP error of ",
                    Address(error.sender),
                    f", type {error.type} code {error.code}, quotes a segment of this connection",
                ),
                words.frames(at),
            ),
        ),
        how=How.UNREACHABLE,
        strength=Strength.PROVEN if error.seq is not None else Strength.LIKELY,
        end=at,
        next_steps=(("On the router ", Address(error.sender), ": look at the route to the host."),),
    )
