"""PD506: the handshake got stuck half way."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.icmp_evidence import rejection
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import How, Party, Side, Strength

LEAST_SILENCE_NS = 3_000_000_000
"""A single SYN+ACK without an answer says something only when the capture goes on for so long."""


@rule("PD506", "Handshake got stuck half way", Party.PATH, ends=(Kind.CONNECT,))
def handshake_unfinished(see: Observation) -> Iterator[Claim]:
    """SYN and SYN+ACK were seen, the last step never.

    What it sees:
        All of the following: the handshake was never completed; the server's SYN+ACK was seen at least twice; no reset
        of either side.

    What it means:
        The SYN+ACK does not reach the client, or its answer does not come back. In a capture at the server the client
        may know nothing of this connection.

    What else looks like this:
        SYNs with a forged source address (a flood): many addresses, none of which ever answers. A client that vanished
        or was switched off: one address, for a while. A client that answers with a reset: PD207.

    What to do:
        On the client, while its mail software tries: tcpdump -ni any 'tcp port 25 and host SERVER'. The SYN+ACK
        arrives and the ACK leaves: the way to the server is broken. It does not arrive: the way back is (asymmetric
        routing, a stateful firewall that never saw the SYN). Many such addresses at once on the server: ss -nt state
        syn-recv | wc -l, and net.ipv4.tcp_syncookies.

    Sources:
        RFC 9293 section 3.5 (three-way handshake); RFC 4987 (SYN flooding and what helps against it).
    """
    connection = see.connection
    synacks = connection.handshake.synacks
    if not synacks or connection.closing.resets or rejection(see)[1] is not None:
        return
    if len(synacks) < 2 and connection.until_ns - synacks[0].time_ns < LEAST_SILENCE_NS:
        return
    yield Claim(
        (
            "The handshake got stuck: ",
            *words.the(see.session, Side.SERVER),
            f" sent SYN+ACK {words.times(len(synacks))} and the client never completed it",
        ),
        (Evidence(("SYN+ACK without an answer",), synacks, len(synacks)),),
        (Evidence(("a client that vanished, or never was there, would look the same",)),),
        how=How.TIMEOUT,
        strength=Strength.POSSIBLE,
        could_also_be=(Party.CLIENT,),
        end=connection.last,
        next_steps=(("On the client: capture whether the SYN+ACK arrives.",),),
    )
