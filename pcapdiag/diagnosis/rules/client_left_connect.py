"""PD207: the client reset the connection while it was being opened."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import How, Party, Side, Strength


@rule("PD207", "Client reset the connection while opening it", Party.CLIENT, ends=(Kind.CONNECT,))
def client_left_connect(see: Observation) -> Iterator[Claim]:
    """The client answered the server's SYN+ACK with a reset.

    What it sees:
        All of the following: the handshake was never completed; a SYN+ACK was seen; the capture holds a RST from the
        client's address, and nothing shows it to be another's (foreign TTL, stale timestamp, seen on one leg only, the
        client going on).

    What it means:
        The client no longer wanted the connection (it gave up before a late SYN+ACK came), never asked for it (its SYN
        was forged, or a scanner sent it), or a translation between the two had forgotten it.

    What else looks like this:
        A SYN scan resets at once, touches many addresses, and no mail software stands behind it. A client that gave up
        resets after as many seconds as its connect timer has (Postfix: 30). A reset by a device in between has another
        TTL than the SYN. An address translation that forgot the connection cannot be told apart here: possible at
        most.

    What to do:
        On the client, search the mail log for a try to this server at the first SYN's time. Postfix: "connect to
        HOST[ADDRESS]:25: Connection timed out" after smtp_connect_timeout (30 s). Exim: "Connection timed out" after
        the transport's connect_timeout (5 minutes). Exchange: the SmtpSend protocol log and the Connectivity log. No
        try in the log: the client's address was forged or translated; look at the NAT table of the gateway in front of
        it. A try in the log: find out why the SYN+ACK came so late (RTT, SYN cookies, a busy server).

    Sources:
        RFC 9293 section 3.5.2, group 1: a SYN+ACK that meets no socket draws a reset that takes "its sequence number
        from the ACK field of the segment". Timers: docs/explanation/timers.md.
    """
    connection = see.connection
    if not connection.handshake.synacks:
        return
    resets = [reset for reset in connection.closing.resets if reset.claimed is Side.CLIENT]
    if not resets:
        return
    origin = see.origin(resets[0])
    if origin.foreign:
        return
    late = resets[0].at.time_ns - connection.handshake.syns[0].time_ns
    yield Claim(
        (
            *words.The(see.session, Side.CLIENT),
            " answered the server's SYN+ACK with a reset: it no longer wanted the connection, or never asked for it",
        ),
        (
            Evidence(("SYN and SYN+ACK",), words.frames(connection.handshake.syns[0], connection.handshake.synacks[0])),
            Evidence((f"the client's reset, {late / 1e9:.1f} s after its first SYN",), words.frames(resets[0].at)),
        ),
        (Evidence(("an address translation that forgot the connection would look the same",)),),
        how=How.RST,
        strength=Strength.POSSIBLE,
        could_also_be=(Party.MIDDLEBOX,),
        end=resets[0].at,
    )
