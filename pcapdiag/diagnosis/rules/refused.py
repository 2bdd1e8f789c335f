"""PD306: the SYN was answered by a reset."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.resets import Ttl
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import How, Party, Side, Strength, Vantage


@rule("PD306", "Connection refused", Party.SERVER, ends=(Kind.CONNECT,))
def refused(see: Observation) -> Iterator[Claim]:
    """The server's address answered the SYN with a reset.

    What it sees:
        A SYN without SYN+ACK, answered by a RST from the server's address whose TTL is not foreign to it.

    What it means:
        Nothing listens on that port: the mail server is down, bound to another address, or the port is wrong.

    What else looks like this:
        A firewall that rejects with a forged reset. Its TTL differs from the server's other packets (PD404); where the
        capture holds no other packet of that address, nothing can be compared and this stays possible.

    What to do:
        On the server, check that the mail software runs and on which address and port it listens.

    Sources:
        RFC 9293 section 3.5.2: a reset is sent if the connection does not exist.
    """
    connection = see.connection
    if connection.handshake.synacks:
        return
    resets = [reset for reset in connection.closing.resets if reset.claimed is Side.SERVER]
    if not resets:
        return
    origin = see.origin(resets[0])
    if origin.ttl is Ttl.FOREIGN or origin.one_leg:
        return
    own = see.around.captured_at is Vantage.SERVER
    known = origin.ttl is Ttl.USUAL or own
    against = (
        ()
        if known
        else (
            Evidence(
                (
                    "no other packet of this address was captured, so a firewall that answers in its name cannot be ruled out",
                )
            ),
        )
    )
    yield Claim(
        (
            *words.The(see.session, Side.SERVER),
            f" refused the connection: nothing accepts connections on port {see.session.server.port}",
        ),
        (
            Evidence(("SYN",), connection.handshake.syns[:1]),
            Evidence(("answered by a reset",), words.frames(resets[0].at)),
        ),
        against,
        how=How.REFUSED,
        strength=Strength.LIKELY if known else Strength.POSSIBLE,
        could_also_be=() if known else (Party.MIDDLEBOX,),
        end=resets[0].at,
        next_steps=(("On the server: check that the mail software runs and listens on this address and port.",),),
    )
