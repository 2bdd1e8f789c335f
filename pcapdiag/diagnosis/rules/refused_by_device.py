"""PD404: the SYN was answered by a reset that is not the server's."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.resets import Ttl
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import How, Party, Side, Strength


@rule("PD404", "Connection refused by another device", Party.MIDDLEBOX, supersedes=("PD306",), ends=(Kind.CONNECT,))
def refused_by_device(see: Observation) -> Iterator[Claim]:
    """The SYN was answered by a reset whose TTL is not the server's.

    What it sees:
        All of the following: no SYN+ACK was seen; the SYN was answered by a RST from the server's address; either the
        other packets of that address in the capture have one TTL and the reset has another, or a capture at two points
        saw the reset at one of them only.

    What it means:
        A firewall on the path rejects the connection in the server's name.

    What else looks like this:
        A server behind a load balancer whose hosts have different initial TTLs: then the other packets of the address
        already have more than one TTL, and PD306 says possible.

    What to do:
        Try another port of the same address that is open (443, 587) and compare the TTL of its packets with that of
        the reset: the difference is the number of hops between the two. On the firewalls between the client and the
        server, nearest to the client first, look at that second for a rule that rejects port 25 with a TCP reset
        (iptables: REJECT with tcp-reset; "reset" or "deny and reset" actions of appliances). Many providers and clouds
        block outgoing port 25: ask them, or use port 587.

    Sources:
        RFC 9293 section 3.5.2; rule R4 of docs/explanation/resets.md; weberblog.net, "Who sends TCP RSTs?" (the TTL
        tells the firewall's reset from the server's).
    """
    connection = see.connection
    if connection.handshake.synacks:
        return
    resets = [reset for reset in connection.closing.resets if reset.claimed is Side.SERVER]
    if not resets:
        return
    origin = see.origin(resets[0])
    if origin.ttl is not Ttl.FOREIGN and not origin.one_leg:
        return
    yield Claim(
        ("A device in between refused the connection in the name of ", *words.the(see.session, Side.SERVER)),
        (
            Evidence(("SYN",), connection.handshake.syns[:1]),
            Evidence(
                (
                    f"answered by a reset with TTL {resets[0].ttl}; other packets of that address have"
                    f" {origin.usual_ttl}",
                ),
                words.frames(resets[0].at),
            ),
        ),
        how=How.REFUSED,
        strength=Strength.LIKELY,
        end=resets[0].at,
        forged=(resets[0].at,),
        next_steps=(("On the firewalls in front of the server: look for a rule that rejects this port.",),),
    )
