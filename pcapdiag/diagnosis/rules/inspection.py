"""PD606: a device rewrites the dialogue."""

from collections.abc import Iterator

from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import Wire
from pcapdiag.smtp.dialogue import MASKS


@rule("PD606", "A firewall rewrites the dialogue", None)
def inspection(see: Observation) -> Iterator[Claim]:
    """The greeting consists of asterisks, or a verb or keyword of X: ESMTP inspection.

    What it sees:
        A greeting of only asterisks, 2, 0 and spaces; or a command verb or EHLO keyword of only the letter X.

    What it means:
        A Cisco PIX or ASA (fixup smtp, inspect esmtp) masks what it does not know. STARTTLS disappears, long lines and
        many recipients get the connection reset.

    What else looks like this:
        No mail software greets so by itself.

    What to do:
        Turn off the inspection for port 25 on the firewall.

    Sources:
        Cisco, ESMTP inspection; Postfix smtp_pix_workarounds tests for the same banner.
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
