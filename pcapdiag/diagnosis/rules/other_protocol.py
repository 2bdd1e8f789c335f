"""PD613: the two sides do not speak the same protocol."""

from collections.abc import Iterator

from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import Wire
from pcapdiag.smtp.dialogue import OddKind

SMTPS = 465


@rule("PD613", "Another protocol", None)
def other_protocol(see: Observation) -> Iterator[Claim]:
    """What was said is not SMTP, or clear text met a port that begins with TLS.

    What it sees:
        HTTP, a TLS hello on a clear-text port, or binary octets; or a connection to port 465 on which the client sent
        nothing, so waited for a greeting.

    What it means:
        A scanner, a wrong port, or a client that is set to "SSL" where the port speaks clear text first (or the other
        way round).

    What else looks like this:
        A capture that began in the middle of an encrypted session.

    What to do:
        Check port and encryption setting of the client: 465 begins with TLS, 25 and 587 with a greeting in clear.

    Sources:
        RFC 8314 section 3.3, RFC 3207.
    """
    odd = [each for each in see.dialogue.oddities if each.kind is OddKind.NOT_SMTP]
    if odd:
        yield Claim(
            ("What was said is not SMTP",), (Evidence(("it begins with ", Wire(odd[0].octets[:40])), (odd[0].at,)),)
        )
    waits = see.session.server.port == SMTPS and see.dialogue.tls is None and not see.said_anything
    if waits and see.connection.handshake.complete is not None and not see.dialogue.greeting:
        yield Claim(
            ("The client waited for a greeting on a port that begins with TLS: each waits for the other",),
            (Evidence(("handshake complete, and no TLS record followed",), (see.connection.handshake.complete,)),),
        )
