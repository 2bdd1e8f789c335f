"""PD208: only one direction was captured, and it shows that the client closed first."""

from collections.abc import Iterator

from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.one_sided_evidence import closed_first
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.model import Party, Side


@rule(
    "PD208",
    "Client closed first, seen from one direction only",
    Party.CLIENT,
    supersedes=("PD901",),
    ends=(Kind.ONE_DIRECTION,),
)
def one_direction_client(see: Observation) -> Iterator[Claim]:
    """Only one side's packets were captured, and acknowledgement numbers tell that the client's FIN came first.

    What it sees:
        All of the following: one side's packets only; a FIN of it and no reset; its acknowledgements move on for the
        last time by exactly one octet, which is the other's FIN: where the client was captured after its own FIN, where
        the server was captured in its own FIN or before; no QUIT: the client's last command is another, and the last
        octets that the captured server acknowledged are not six, the length of QUIT; of the captured side nothing is
        missing or cut, there is no TLS, and no message was on its way to a captured server; and what came after the
        captured side's own FIN came no sooner than the other side ever answered (else the FINs crossed).

    What it means:
        The client closed, and the server closed upon that. Likely where the client was captured; where the server was,
        a device may have sent that FIN in the client's name.

    What else looks like this:
        A FIN that came in one segment with octets moves the acknowledgement on by more than one: then PD901. A client
        that says QUIT: PD104.

    What to do:
        On the client, read the mail log of that second: why did it close? Capture both directions next time, to see
        what was said and whose FIN it was.

    Sources:
        RFC 9293 section 3.4: SYN and FIN take a sequence number each, so that they can be acknowledged.
    """
    claim = closed_first(see, Side.CLIENT)
    if claim is not None:
        yield claim
