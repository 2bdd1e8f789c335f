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
        All of the following: the session ended at connect without any SYN+ACK, or nothing of the quoted segment's
        destination followed the error; an ICMP "network unreachable" or "host unreachable" (type 3 code 0, 1, 5 to 8,
        11, 12; ICMPv6 type 1 code 0, 2, 3) or "time exceeded" quotes a segment of this connection. Proven when the
        quotation holds the sequence number.

    What it means:
        The route to that host is gone, runs in a circle (time exceeded), or the last router does not find the host.

    What else looks like this:
        A router that says "host unreachable" by policy: its own log or rules show it. A passing trouble: then packets
        of the host follow, and the rule is silent. "Administratively prohibited": PD403.

    What to do:
        On the router with the address that sent the error: is there a route to the host (ip route get ADDRESS, show ip
        route), and does the host answer ARP or neighbour discovery (ip neigh)? The last hop says "host unreachable"
        when a host is switched off. From the client: traceroute -T -p 25 SERVER shows how far packets get; "time
        exceeded" from two routers in turn is a loop between them. Postfix logs "No route to host" or "Network is
        unreachable" for the same second.

    Sources:
        RFC 792; RFC 1812 section 5.2.7.1 (code 1: the host "does not respond to ARP"); RFC 4443 sections 3.1 and 3.3;
        RFC 9293 section 3.9.2.2: these are soft errors, upon which a TCP "MUST NOT abort the connection".
    """
    at, error = rejection(see)
    if error is None or at is None or not error.unreachable:
        return
    circle = "the packets run in a circle (time exceeded)"
    what = circle if error.time_exceeded else "there is no way to the host"
    yield Claim(
        ("The router ", Address(error.sender), f" says that {what}, {see.step}"),
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
