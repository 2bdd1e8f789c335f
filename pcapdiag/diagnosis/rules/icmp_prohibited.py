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
        All of the following: an ICMP "administratively prohibited" (or protocol or port unreachable, which no TCP host
        sends) quotes a segment of this connection; nothing of the quoted segment's destination followed it; its sender is
        not that destination itself.

    What it means:
        The device with that address has a rule against this traffic.

    What else looks like this:
        The destination's own firewall: then the error comes from its own address, and PD308 names the server. Network or
        host unreachable is routing, not policy (PD505). "Fragmentation needed" is path MTU discovery at work (PD602).

    What to do:
        Ask whoever runs the device with that address to open the port for this pair of hosts.

    Sources:
        RFC 1812 section 5.2.7.1, RFC 4443 section 3.1, RFC 1122 section 4.2.3.9.
    """
    at, error = rejection(see)
    if error is None or at is None or not error.prohibited or error.sender == error.dst:
        return
    yield Claim(
        (
            "The device ",
            Address(error.sender),
            f" rejected the connection {see.step}: ICMPv{error.version} type {error.type} code {error.code}, prohibited by policy",
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
