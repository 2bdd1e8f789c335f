"""PD204: a connection that never wanted to hand over mail."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.resets import Ttl
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import Party, Side, Strength

AT_ONCE_NS = 1_000_000_000


@rule(
    "PD204",
    "Probe: connected and left without a word",
    Party.CLIENT,
    supersedes=("PD201", "PD202", "PD203"),
    ends=(Kind.FIN, Kind.RST),
)
def probe(see: Observation) -> Iterator[Claim]:
    """The client connected, said nothing, and closed.

    What it sees:
        All of the following: the handshake was captured and completed; the client sent no octet; it closed first, by
        FIN or by a RST that nothing shows to be another's, that is not bare and has the TTL of the client's other
        packets (there are two at least, SYN and ACK); it did so after the greeting, or within a second of the
        handshake.

    What it means:
        A health check of a load balancer, a monitoring system or a port scanner. Postfix logs it as "lost connection
        after CONNECT". No mail was in it.

    What else looks like this:
        A client that gave up on a greeting that did not come: it waits longer, and PD203 names who made it wait. A
        client that insists on TLS from the first octet speaks first and is no probe (PD613). A bare reset: a program
        that closes sends FIN, or aborts with RST+ACK; a bare one says that the client's kernel no longer knew the
        connection when the greeting came, because it started anew or a device had reset it there (PD202). A reset whose
        TTL is not that of the SYN: a device forged it (PD401).

    What to do:
        Nothing, if the address is known: a load balancer, a monitoring host. Let the check say QUIT, or have it check
        with EHLO, so that the server's log stays clean; Postfix: let the check connect to a port of its own in
        master.cf; HAProxy: option smtpchk. An unknown address that comes in a regular rhythm: ask whoever runs it
        (whois); many ports or hosts at once: a scanner.

    Sources:
        Postfix, smtpd: "lost connection after CONNECT from"; seen with health checks of load balancers.
    """
    ending = see.ending
    if (
        not see.closed_by(Side.CLIENT)
        or see.said_anything
        or see.connection.midway
        or (ending.reset is not None and not _own(see))
    ):
        return
    complete = see.connection.handshake.complete
    greeted = see.dialogue.greeting is not None and see.dialogue.greeting.complete
    if complete is None or not (greeted or ending.at.time_ns - complete.time_ns < AT_ONCE_NS):
        return
    yield Claim(
        (*words.The(see.session, Side.CLIENT), " connected, said nothing and left: a probe, no mail was in it"),
        (Evidence(("the client closed without having sent one octet",), words.frames(complete, ending.at)),),
        how=see.close_how,
        strength=Strength.LIKELY,
        end=ending.at,
        benign=True,
    )


def _own(see: Observation) -> bool:
    """The reset is the client's own abort, by its shape and by its TTL."""
    origin = see.end_origin
    return origin is not None and not origin.reset.bare and not origin.foreign and origin.ttl is Ttl.USUAL
