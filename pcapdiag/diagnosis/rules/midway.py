"""PD905: the capture began in the middle of the session."""

from collections.abc import Iterator

from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence


@rule("PD905", "Captured from midway", None)
def midway(see: Observation) -> Iterator[Claim]:
    """The session had begun before the capture.

    What it sees:
        No SYN of the client.

    What it means:
        Who is client and who is server is assumed by port and by who greets; what was said before is unknown.

    What else looks like this:
        A capture that lost its first packets.

    What to do:
        Start the capture before the session.

    Sources:
        RFC 9293 section 3.5.
    """
    if not see.connection.handshake.syns:
        yield Claim(
            ("The capture began in the middle of this session",),
            (Evidence(("the first frame",), (see.connection.first,)),),
        )
