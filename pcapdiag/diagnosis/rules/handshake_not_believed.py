"""PD507: the server goes on repeating SYN+ACK, and only the client believes in the connection."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import How, Party, Side, Stage, Strength, Vantage


@rule(
    "PD507",
    "Handshake that only one side believes in",
    Party.PATH,
    supersedes=("PD201", "PD202", "PD203", "PD204", "PD502", "PD506", "PD103"),
    ends=(Kind.OPEN, Kind.FIN, Kind.RST, Kind.SILENCE, Kind.HOLE),
)
def handshake_not_believed(see: Observation) -> Iterator[Claim]:
    """The client completed the handshake, and SYN+ACKs go on coming.

    What it sees:
        All of the following: the client completed the handshake; at least two SYN+ACKs came after that; the server
        never sent an octet; the capture is not known to be the server's own (by --captured-at, or inferred).

    What it means:
        The client's acknowledgement does not reach the server, or the server cannot take the connection. The client
        believes that it is connected and waits for a greeting; the server does not.

    What else looks like this:
        A server whose queue of new connections is full looks the same from here; only a capture on the server tells
        the two apart (there PD307 names the server). A server that is merely slow to greet does not repeat its
        SYN+ACK.

    What to do:
        On the server, while it happens: tcpdump -ni any 'tcp port 25 and host CLIENT' shows whether the client's ACK
        arrives; ss -lnt shows the queue of the listening socket (Recv-Q has reached Send-Q when it is full), nstat -az
        TcpExtListenOverflows how often it overflowed. If the ACK arrives: raise the number of processes (Postfix:
        default_process_limit, or the maxproc of smtpd in master.cf; Exim: smtp_accept_max and smtp_connect_backlog) or
        find what keeps them busy. If it does not: look at the firewall that sees only one direction of this connection
        (asymmetric routing).

    Sources:
        RFC 9293 section 3.5 (three-way handshake); tcp(7), tcp_abort_on_overflow: by default Linux drops the last ACK
        of a handshake when the accept queue is full, and goes on repeating the SYN+ACK.
    """
    repeated, complete = see.unheeded, see.connection.handshake.complete
    if not repeated or see.vantage is Vantage.SERVER:
        return
    yield Claim(
        (
            *words.The(see.session, Side.SERVER),
            f" repeated its SYN+ACK {len(repeated)} times although the client had answered it: the answer does not"
            " reach it, or it does not take the connection",
        ),
        (
            Evidence(("the client's ACK",), words.frames(complete)),
            Evidence(("SYN+ACK repeated",), repeated, len(repeated)),
        ),
        (Evidence(("a server whose queue of new connections is full would look the same",)),),
        how=How.TIMEOUT,
        strength=Strength.POSSIBLE,
        could_also_be=(Party.SERVER,),
        end=see.ending.at,
        stage=Stage.CONNECT,
        owing=Side.SERVER,
        next_steps=(
            ("On the server: look at the listen queue of the mail software (ss -lnt) and its process limit.",),
        ),
    )
