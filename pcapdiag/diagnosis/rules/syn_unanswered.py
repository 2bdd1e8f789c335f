"""PD501: SYNs and nothing else."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.icmp_evidence import rejection
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import How, Moment, Party, Side, Strength, Vantage


@rule("PD501", "Connection attempt without any answer", Party.PATH, ends=(Kind.CONNECT,))
def syn_unanswered(see: Observation) -> Iterator[Claim]:
    """The client's SYNs met silence.

    What it sees:
        All of the following: at least two SYNs of the client with the same sequence number (or one, and the capture goes
        on for three seconds); no SYN+ACK, no reset, no ICMP error about them.

    What it means:
        Something drops the packets without a word: a firewall or provider that blocks port 25, a dead host, a dead
        route. When the same server answers other connections meanwhile, the host is alive.

    What else looks like this:
        A server that is switched off: from here the same, so the server stays a possibility. A SYN+ACK that is lost on
        the way back. A capture that ended too soon (PD103).

    What to do:
        From the client, try another destination and another port (587): if all destinations fail on 25 only, it is the
        own provider or egress firewall. On the server, capture whether the SYN arrives.

    Sources:
        RFC 9293 section 3.8.1 and RFC 6298 (retransmission of SYN).
    """
    connection = see.connection
    syns = connection.handshake.syns
    if connection.handshake.synacks or rejection(see)[1] is not None:
        return
    if any(reset.claimed is Side.SERVER for reset in connection.closing.resets) or see.half(Side.SERVER).packets:
        return
    silent_ns = connection.until_ns - syns[0].time_ns
    if silent_ns < 3_000_000_000 and len(syns) < 3:
        return
    alive = see.around.hosts.alive_since(see.session.server.address, syns[0], Moment(connection.until_ns + 1, 0, 0))
    at_server = see.around.captured_at is Vantage.SERVER
    yield Claim(
        ("Nothing answered the client's connection attempts to ", *words.the(see.session, Side.SERVER)),
        (
            Evidence((f"{len(syns)} SYN" + ("s" if len(syns) > 1 else "") + " without any answer",), syns, len(syns)),
            *((Evidence(("the same server answered other connections meanwhile",)),) if alive else ()),
        ),
        () if alive else (Evidence(("a server that is switched off would look the same from here",)),),
        how=How.TIMEOUT,
        strength=Strength.LIKELY if alive and not at_server else Strength.POSSIBLE,
        could_also_be=() if alive and not at_server else (Party.SERVER,),
        end=syns[-1],
        next_steps=(
            ("From the client: try another server on port 25, and this one on another port, to see what is blocked.",),
        ),
    )
