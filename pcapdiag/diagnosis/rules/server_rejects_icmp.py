"""PD308: the server's own address rejects the connection by ICMP."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.icmp_evidence import rejection
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import How, Party, Side, Strength


@rule(
    "PD308",
    "Rejected by ICMP from the server's own address",
    Party.SERVER,
    supersedes=("PD501", "PD502", "PD506"),
    ends=(Kind.CONNECT, Kind.ICMP),
)
def server_rejects_icmp(see: Observation) -> Iterator[Claim]:
    """An ICMP error from the server's own address rejects the connection.

    What it sees:
        All of the following: the session ended at connect without any SYN+ACK, or nothing of the server followed the
        error; an ICMP "prohibited", protocol or port unreachable (the codes of PD403) quotes a segment of this
        connection that was sent to the server; its sender is the server's own address.

    What it means:
        A packet filter on the server itself rejects the connection, such as an iptables REJECT.

    What else looks like this:
        A device that holds the server's public address and translates it answers with the same address: so this is
        possible at most. Another address as sender: PD403.

    What to do:
        On the server: iptables -L -nv, nft list ruleset or ufw status show a reject rule and its counter; Windows:
        Get-NetFirewallRule and the security log. Look also for rules that come and go: fail2ban-client status. It has
        none: look at the device that translates its address, for a rule with this port.

    Sources:
        RFC 1122 section 3.2.2.1 (a host sends protocol and port unreachable; a TCP must accept the latter instead of a
        reset); RFC 1812 section 5.2.7.1.
    """
    at, error = rejection(see)
    if (
        error is None
        or at is None
        or not error.prohibited
        or error.sender != see.session.server.address
        or error.dst != error.sender
    ):
        return
    yield Claim(
        (
            *words.The(see.session, Side.SERVER),
            f" rejected the connection {see.step}, by ICMPv{error.version} type {error.type} code {error.code}",
        ),
        (Evidence(("the ICMP error comes from the server's own address",), words.frames(at)),),
        (Evidence(("a device that translates the server's address would answer with it too",)),),
        how=How.UNREACHABLE,
        strength=Strength.POSSIBLE,
        could_also_be=(Party.MIDDLEBOX,),
        end=at,
        next_steps=(("On the server: look at its packet filter.",),),
    )
