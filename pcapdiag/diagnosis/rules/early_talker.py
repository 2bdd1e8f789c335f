"""PD607: the client spoke before the greeting."""

from collections.abc import Iterator

from pcapdiag.diagnosis.matters import Matter
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.smtp.dialogue import OddKind


@rule("PD607", "The client spoke before the greeting", None, about=(Matter.ODDITIES,))
def early_talker(see: Observation) -> Iterator[Claim]:
    """The client sent octets before the server's greeting was complete.

    What it sees:
        A command of the client that came before the server's greeting was complete. A PROXY protocol header and a TLS
        hello do not count, nor does a dialogue of which the capture lacks octets at the beginning.

    What it means:
        Many servers take that for a spammer's program and refuse or hang up: postscreen (PREGREET), sendmail
        (greet_pause), Exim (synchronization error).

    What else looks like this:
        A capture that began after the greeting: then there is no SYN (PD905). A load balancer that sends a PROXY
        header the server does not expect: the header is named by its own oddity.

    What to do:
        Mend the client: it has to wait for the line that begins with "220 " (not "220-"). On the server, its log of
        that second shows whether it minded: Postfix "PREGREET N after T from", Exim "synchronization error (input sent
        without waiting for greeting)", sendmail "rejecting commands from ... due to pre-greeting traffic". To let a
        known client in: postscreen_access_list (Postfix), smtp_enforce_sync for that host (Exim), GreetPause in the
        access map (sendmail).

    Sources:
        RFC 5321 section 3.1 (the server opens with its greeting) and section 4.3.1: "The sender should wait for this
        greeting message before sending any commands."
    """
    early = [odd for odd in see.dialogue.oddities if odd.kind is OddKind.EARLY_TALK]
    if early:
        yield Claim(("The client spoke before it was greeted",), (Evidence(("its first octets",), (early[0].at,)),))
