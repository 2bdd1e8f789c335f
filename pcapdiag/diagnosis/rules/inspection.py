"""PD606: a device rewrites the dialogue."""

from collections.abc import Iterator

from pcapdiag.diagnosis.matters import Matter
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import Wire
from pcapdiag.smtp.dialogue import MASKS


@rule("PD606", "A firewall rewrites the dialogue", None, about=(Matter.ODDITIES,))
def inspection(see: Observation) -> Iterator[Claim]:
    """The greeting consists of asterisks, or a verb or keyword of X: ESMTP inspection.

    What it sees:
        A greeting of only asterisks, 2, 0 and spaces; or a command verb that is unknown and of only the letter X; or
        an EHLO keyword of at least four letters, all X.

    What it means:
        A Cisco PIX or ASA (fixup smtp, inspect esmtp) or a device like it masks what it does not know. STARTTLS
        disappears, so that clients which insist on TLS leave; long lines and many recipients may get the connection
        reset.

    What else looks like this:
        No mail software greets so by itself. A server that really lacks STARTTLS shows an EHLO reply without XXXX
        lines.

    What to do:
        On the firewall: show service-policy inspect esmtp (ASA) shows whether the inspection is on and what it
        counted. Turn it off for port 25 (no inspect esmtp in the class, or allow-tls in the esmtp inspection map), or
        do so for this pair of hosts. To see what it hides, say EHLO from both sides of the firewall and compare: swaks
        -s SERVER -q EHLO. Postfix as client works around it by itself (smtp_pix_workarounds).

    Sources:
        Postfix, parameters smtp_pix_workarounds and smtp_pix_workaround_threshold_time (postconf(5)); Cisco ASA, ESMTP
        inspection.
    """
    masked = [odd for odd in see.dialogue.oddities if odd.kind in MASKS]
    if masked:
        yield Claim(
            ("A firewall with SMTP inspection rewrites this dialogue",),
            tuple(
                Evidence((odd.kind.value.replace("-", " ") + ": ", Wire(odd.octets)), (odd.at,)) for odd in masked[:5]
            ),
            next_steps=(("On the firewall: turn off SMTP inspection (inspect esmtp, fixup smtp) for this traffic.",),),
        )
