"""PD607: the client spoke before the greeting."""

from collections.abc import Iterator

from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.smtp.dialogue import OddKind


@rule("PD607", "The client spoke before the greeting", None)
def early_talker(see: Observation) -> Iterator[Claim]:
    """The client sent octets before the server's greeting was complete.

    What it sees:
        Client payload (no PROXY header, no TLS hello) before the end of the greeting.

    What it means:
        Many servers take that for a spammer's program and refuse or hang up: postscreen (PREGREET), sendmail
        (greet_pause), Exim (synchronization error).

    What else looks like this:
        A capture that missed the greeting.

    What to do:
        Mend the client: it has to wait for 220.

    Sources:
        RFC 5321 section 4.3.1: the sender should wait for the greeting.
    """
    early = [odd for odd in see.dialogue.oddities if odd.kind is OddKind.EARLY_TALK]
    if early:
        yield Claim(("The client spoke before it was greeted",), (Evidence(("its first octets",), (early[0].at,)),))
