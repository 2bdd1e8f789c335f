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
        All of the following: at least three SYNs of the client, or the capture goes on for at least three seconds
        after the first; no packet of the server was captured, no SYN+ACK and no reset in its name; no ICMP error of
        policy or routing quotes them. Likely when the server's address sent packets in other connections of this
        capture meanwhile, otherwise possible.

    What it means:
        Something drops the packets without a word: a firewall or provider that blocks port 25, a dead host, a dead
        route. When the same server answers other connections meanwhile, the host is alive.

    What else looks like this:
        A server that is switched off: from here the same, so the server stays a possibility. A server that gets the
        SYN and drops it: a capture at the server tells (PD309), as it does of a SYN+ACK that is lost on the way back
        (PD506). A capture that ended less than three seconds after the first SYN says nothing.

    What to do:
        From the client, try another destination on port 25 and this one on another port (587, 443): nc -vz -w 10 HOST
        PORT (Windows: Test-NetConnection HOST -Port 25). All destinations fail on 25 only: your own provider, cloud or
        egress firewall blocks it; ask for it to be opened or use a smarthost on 587. This destination only: traceroute
        -T -p 25 HOST shows how far the SYN gets. On the server, tcpdump -ni any 'tcp port 25 and host CLIENT' shows
        whether the SYN arrives; if it does, look at its packet filter (iptables -L -nv: counters of DROP rules;
        fail2ban-client status).

    Sources:
        RFC 9293 section 3.8.1 (a SYN is retransmitted like data); RFC 6298 sections 2.1 and 5.7 (one second, then
        doubled; three seconds once the handshake needed a second SYN). Postfix gives up after smtp_connect_timeout, 30
        s.
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
