"""PD602: path MTU discovery at work."""

from collections.abc import Iterator

from pcapdiag.diagnosis.matters import Matter
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence


@rule("PD602", "Path MTU discovery at work", None, about=(Matter.ICMP,))
def path_mtu_discovery(see: Observation) -> Iterator[Claim]:
    """A router told a sender to use smaller packets. That is no fault.

    What it sees:
        At least one ICMP "fragmentation needed" (type 3 code 4) or ICMPv6 "packet too big" (type 2) that quotes a
        segment of this connection.

    What it means:
        The path carries smaller packets than the sender first used; it is told so and goes on with smaller ones.

    What else looks like this:
        Messages that never reach the sender although this capture shows them: then full-sized segments go on being
        repeated (PD503).

    What to do:
        Nothing, as long as the transfer goes on. If it does not: on the sending host, look whether the message arrives
        there (tcpdump -ni any 'icmp[0] = 3 or icmp6') and whether its host firewall lets it in; ip route get SERVER
        shows the MTU that Linux has learnt.

    Sources:
        RFC 1191 section 4 (IPv4), RFC 8201 section 4 (IPv6), RFC 4443 section 3.2.
    """
    told = [(at, error) for at, error in see.connection.icmp if error.path_mtu]
    if told:
        mtu = told[-1][1].mtu
        size = f" to at most {mtu} octets" if mtu else ""
        yield Claim(
            (f"A router asked for smaller packets{size}: path MTU discovery, no fault",),
            (Evidence(("the ICMP message",), tuple(at for at, _ in told)),),
        )
