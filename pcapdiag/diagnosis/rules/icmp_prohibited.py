"""PD403: a device says by ICMP that it forbids the connection."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.icmp_evidence import rejection
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import Address, How, Party, Strength


@rule(
    "PD403",
    "Rejected by a device, which says so by ICMP",
    Party.MIDDLEBOX,
    supersedes=("PD501", "PD502", "PD506"),
    ends=(Kind.CONNECT, Kind.ICMP),
)
def icmp_prohibited(see: Observation) -> Iterator[Claim]:
    """An ICMP error says that policy forbids the connection, and names the device that sent it.

    What it sees:
        All of the following: the session ended at connect without any SYN+ACK, or nothing of the quoted segment's
        destination followed the error; an ICMP "administratively prohibited" (ICMP 3 code 9, 10, 13; ICMPv6 1 code 1,
        5, 6) or a protocol or port unreachable (3 code 2, 3; ICMPv6 1 code 4), which a TCP host does not send for a
        closed port, quotes a segment of this connection; its sender is not the address that segment was sent to.
        Proven when the quotation holds the sequence number.

    What it means:
        The device with that address has a rule against this traffic.

    What else looks like this:
        The destination's own firewall: then the error comes from its own address, and PD308 names the server. Network
        or host unreachable is routing, not policy (PD505). "Fragmentation needed" is path MTU discovery at work
        (PD602).

    What to do:
        Find out who runs the address that sent the error (whois, traceroute, your own address plan). On that device,
        look at the rule that matches client address, server address and port at that second: Linux iptables -L -nv or
        nft list ruleset (a counter at a reject rule), Cisco show access-list, cloud security groups and network
        policies. If it is your provider's: ask to have port 25 opened, or send through a smarthost on port 587.

    Sources:
        RFC 1812 section 5.2.7.1 (code 13: "generated if a router cannot forward a packet due to administrative
        filtering"), RFC 4443 section 3.1, RFC 1122 section 3.2.2.1 (codes 9 and 10), RFC 9293 section 3.9.2.2 (codes 2
        to 4 are hard errors).
    """
    at, error = rejection(see)
    if error is None or at is None or not error.prohibited or error.sender == error.dst:
        return
    yield Claim(
        (
            "The device ",
            Address(error.sender),
            f" rejected the connection {see.step}, by ICMPv{error.version} type {error.type} code {error.code},"
            " prohibited by policy",
        ),
        (
            Evidence(
                ("the ICMP error of ", Address(error.sender), " quotes a segment of this connection"), words.frames(at)
            ),
        ),
        how=How.UNREACHABLE,
        strength=Strength.PROVEN if error.seq is not None else Strength.LIKELY,
        end=at,
        next_steps=(
            ("On the device ", Address(error.sender), ": find the rule that rejects this pair of hosts and port."),
        ),
    )
