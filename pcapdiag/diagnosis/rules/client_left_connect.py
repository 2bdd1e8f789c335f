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
        SYN and SYN+ACK were seen, the handshake was never completed, and a RST from the client's address follows the
        SYN+ACK, with no foreign TTL.

    What it means:
        The client no longer wanted the connection (it gave up before a late SYN+ACK came), never asked for it (its SYN
        was forged, or a scanner sent it), or a translation between the two had forgotten it.

    What else looks like this:
        A SYN scan: it resets at once, and no mail software stands behind it. A reset by a device in between: its TTL
        differs from that of the SYN (PD401).

    What to do:
        On the client, check whether its mail software tried at that time, and how long it waits for a connection.

    Sources:
        RFC 9293 section 3.10.7.3; a SYN+ACK that arrives after the client gave up meets no socket.
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
