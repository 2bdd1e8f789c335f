"""PD307: the server goes on repeating SYN+ACK although the client has answered it."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import How, Party, Side, Stage, Strength, Vantage


@rule(
    "PD307",
    "Server does not take the connection",
    Party.SERVER,
    supersedes=("PD201", "PD202", "PD203", "PD204", "PD502", "PD506", "PD103"),
    ends=(Kind.OPEN, Kind.FIN, Kind.RST, Kind.SILENCE, Kind.HOLE),
)
def server_backlog(see: Observation) -> Iterator[Claim]:
    """The client completed the handshake and the server behaves as if it had not.

    What it sees:
        All of the following: the capture is known to be the server's own (by --captured-at, or inferred); the client
        completed the handshake; at least two SYN+ACKs came after that; the server never sent an octet.

    What it means:
        The server's queue of new connections is full (a hung or overloaded mail server), so its kernel ignores the ACK
        and repeats the SYN+ACK.

    What else looks like this:
        A path that loses the client's ACK and all that follows it: in a capture on the client's side the same, and
        PD507 is all that can be said there. A filter on the server itself may drop what the capture still sees.

    What to do:
        On the server, while it happens: ss -lnt 'sport = :25' (Recv-Q has reached Send-Q: full) and nstat -az
        TcpExtListenOverflows TcpExtListenDrops. Postfix: default_process_limit and maxproc of smtpd in master.cf,
        "warning: service "smtp" (25) has reached its process limit" in the log; Exim: smtp_accept_max,
        smtp_connect_backlog, smtp_accept_queue; Exchange on Windows has other tools: look at MaxInboundConnection and
        back pressure (event ids 15004 to 15007). The queue is not full: look for a packet filter on the host (iptables
        -L -nv, nft list ruleset).

    Sources:
        tcp(7), tcp_abort_on_overflow: by default Linux drops the last ACK of a handshake when the accept queue is
        full; RFC 9293 section 3.8.1 (the SYN+ACK is then sent again).
    """
    repeated, complete = see.unheeded, see.connection.handshake.complete
    if not repeated or see.vantage is not Vantage.SERVER:
        return
    yield Claim(
        (
            *words.The(see.session, Side.SERVER),
            f" repeated its SYN+ACK {len(repeated)} times although the client had answered it: it does not take the"
            " connection",
        ),
        (
            Evidence(("the client's ACK",), words.frames(complete)),
            Evidence(("SYN+ACK repeated",), repeated, len(repeated)),
        ),
        (Evidence(("a packet filter on the server itself would look the same",)),),
        how=How.TIMEOUT,
        strength=Strength.POSSIBLE,
        could_also_be=(Party.PATH,),
        end=see.ending.at,
        stage=Stage.CONNECT,
        owing=Side.SERVER,
        next_steps=(
            ("On the server: look at the listen queue of the mail software (ss -lnt) and its process limit.",),
        ),
    )
