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
        All of the following: no SYN+ACK was seen; the SYN was answered by a RST from the server's address; its TTL
        does not differ from the only TTL of that address in this capture, and a capture at two points did not see it
        at one of them only. Likely when another packet of that address has the same TTL, or the capture is said to be
        the server's own (--captured-at server); otherwise possible.

    What it means:
        Nothing listens on that port: the mail server is down, bound to another address, or the port is wrong.

    What else looks like this:
        A firewall that rejects with a forged reset. Its TTL differs from the server's other packets (PD404); where the
        capture holds no other packet of that address, nothing can be compared and this stays possible.

    What to do:
        On the server: ss -lntp | grep :25 (Windows: netstat -ano | findstr :25) shows whether the port is open, on
        which address and by which program. Postfix: systemctl status postfix, postconf inet_interfaces, master.cf;
        Exim: systemctl status exim4, local_interfaces, daemon_smtp_ports; Exchange: the services
        MSExchangeFrontEndTransport and MSExchangeTransport, Get-ReceiveConnector | fl Name,Bindings. It listens:
        repeat the try from the server itself and from the client. Refused from the client only: a firewall on the
        server or in front of it answers.

    Sources:
        RFC 9293 section 3.5.2, group 1: "A SYN segment that does not match an existing connection is rejected by this
        means."
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
    if origin.ttl is Ttl.FOREIGN_FEW:
        doubt = f"its TTL {resets[0].ttl} is none of the several that other packets of this address have"
    else:
        doubt = (
            "no other packet of this address was captured, so a firewall that answers in its name cannot be ruled out"
        )
    against = () if known else (Evidence((doubt,), words.frames(resets[0].at)),)
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
