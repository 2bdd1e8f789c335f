"""PD613: the two sides do not speak the same protocol."""

from collections.abc import Iterator

from pcapdiag.diagnosis.matters import Matter
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import Wire
from pcapdiag.smtp.dialogue import OddKind

SMTPS = 465

TEXT, BINARY = 60, 12
"""Octets that the sentence quotes: a reply without its code tells much, binary only that it is binary."""


@rule("PD613", "Another protocol", None, about=(Matter.ODDITIES, Matter.MUTE_CLIENT))
def other_protocol(see: Observation) -> Iterator[Claim]:
    """What was said is not SMTP, or clear text met a port that begins with TLS.

    What it sees:
        HTTP, a TLS hello on a clear-text port, or octets that are neither commands nor replies; or a completed
        connection to port 465 on which the client sent nothing and no greeting came.

    What it means:
        A scanner, a wrong port, or a client that is set to "SSL" where the port speaks clear text first (or the other
        way round).

    What else looks like this:
        A capture that began in the middle of an encrypted session: no SYN (PD905). An implicit-TLS service on a port
        of its own: name it with --port, and look at the first octets quoted here.

    What to do:
        A known client: check port and encryption in its settings: 465 begins with TLS ("SSL/TLS"), 587 and 25 with a
        greeting in clear ("STARTTLS"). openssl s_client -connect SERVER:465 and openssl s_client -starttls smtp
        -connect SERVER:587 show which of the two a port speaks. Servers: Postfix smtpd_tls_wrappermode in master.cf,
        Exim tls_on_connect_ports, Exchange's connectors speak STARTTLS only. An unknown address: a scanner; nothing to
        do.

    Sources:
        RFC 8314 section 3.3: on port 465 "a TLS handshake begins immediately"; RFC 3207 section 4 (STARTTLS).
    """
    odd = [each for each in see.dialogue.oddities if each.kind is OddKind.NOT_SMTP]
    if odd:
        first = odd[0]
        shown = first.octets[:TEXT] if first.octets[:TEXT].isascii() else first.octets[:BINARY]
        yield Claim(
            (f"What the {first.side.value} said is not SMTP; it begins with ", Wire(shown)),
            (Evidence((f"{len(odd)} such line{'s' if len(odd) > 1 else ''}",), tuple(each.at for each in odd)),),
        )
    waits = see.session.server.port == SMTPS and see.dialogue.tls is None and not see.said_anything
    if waits and see.connection.handshake.complete is not None and not see.dialogue.greeting:
        yield Claim(
            ("The client waited for a greeting on a port that begins with TLS: each waits for the other",),
            (Evidence(("handshake complete, and no TLS record followed",), (see.connection.handshake.complete,)),),
        )
