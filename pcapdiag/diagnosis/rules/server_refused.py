"""PD303: the server refused and closed."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.close_evidence import weighed
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.resets import Shape
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import Party, Side, Strength, Wire

SOON_NS = 5_000_000_000
FLIGHT_NS = 50_000_000
"""A close within this time, or a round trip, of the refusal belongs to it, whatever the client had asked since."""


@rule("PD303", "Server refused and closed", Party.SERVER, supersedes=("PD301", "PD302"), ends=(Kind.FIN, Kind.RST))
def server_refused(see: Observation) -> Iterator[Claim]:
    """The server answered 4xx or 5xx and then closed by itself.

    What it sees:
        All of the following: the server closed first, by FIN or by a RST that is not bare (octets of the client were
        unread; a bare one counts behind a 421: its FIN was not captured); its last complete reply before the close is
        4xx or 5xx; either the close came within five seconds of that reply, or the reply is a 421, by which the server
        announced its close; no QUIT that counts came before it. Where the client closed as well, it had acknowledged
        the reply; where its close crossed the reply on the way, the claim is possible only, and made only where half of
        each side's round trip says that the reply was sent first.

    What it means:
        The server said why, and its text is the best evidence there is. The client's log may not show it: a reset
        destroys what the client's program had not read yet.

    What else looks like this:
        A server that refuses and lets the client go on: then the client closes (PD201), and the server is not the one
        who dropped the connection. At a timer's 421 the client had been silent: PD304.

    What to do:
        Act on the text of the reply: reputation (ask the named list for delisting), limits (fewer parallel
        connections: Postfix smtp_destination_concurrency_limit, Exim remote_max_parallel, Exchange
        MaxPerDomainOutboundConnections), authentication, size, content. The server's postmaster finds the very line in
        the log of that second: Postfix "NOQUEUE: reject", "too many errors after" or "Connection rate limit exceeded";
        Exim rejectlog; Exchange: the SmtpReceive protocol log. Where the client's log shows only "lost connection",
        tell its administrator the text quoted here.

    Sources:
        RFC 5321 section 3.8 and section 4.2.2 ("421 <domain> Service not available, closing transmission channel");
        RFC 9293 section 3.6.1 (a close with unread octets resets).
    """
    ending = see.ending
    reply = ending.goodbye or see.last_reply
    if not see.closed_by(Side.SERVER):
        return
    if reply is None or reply.code < 400 or not reply.complete:
        return
    late_ns = ending.at.time_ns - reply.at.time_ns
    if ending.goodbye is None and late_ns > SOON_NS:
        return
    flight_ns = max(FLIGHT_NS, see.connection.handshake.rtt_ns or 0)
    if ending.goodbye is None and see.owing is Side.SERVER and late_ns > flight_ns:
        return  # something newer was asked, and got no answer
    origin = see.end_origin
    if origin is not None and origin.shape is Shape.REPLY and ending.goodbye is None:
        return
    claim = Claim(
        (*words.The(see.session, Side.SERVER), f" refused with {reply.code} and closed: ", Wire(reply.text)),
        (
            Evidence((f"the server's reply {reply.code} ", Wire(reply.text)), words.frames(reply.at)),
            Evidence(
                ("the server's close" if ending.at != reply.at else "the close that it announced",),
                words.frames(ending.at),
            ),
        ),
        how=see.close_how,
        strength=Strength.LIKELY,
        end=ending.at,
        next_steps=(("Act on the text of the reply; the server's log has the same line at this time.",),),
    )
    yield weighed(see, Side.SERVER, claim)
