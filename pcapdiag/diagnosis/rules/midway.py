"""PD905: the capture began in the middle of the session."""

from collections.abc import Iterator

from pcapdiag.diagnosis.matters import Matter
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence


@rule("PD905", "Captured from midway", None, about=(Matter.NO_SYN,))
def midway(see: Observation) -> Iterator[Claim]:
    """The session had begun before the capture.

    What it sees:
        The capture holds no SYN of the client.

    What it means:
        Who is client and who is server is assumed by port and by who greets; what was said before is unknown.

    What else looks like this:
        A capture that lost its first packets: PD903 or drop counts speak for that.

    What to do:
        Start the capture before the session. With a ring of files hand over the one before this one too: files whose
        times follow one another are read as one trace.

    Sources:
        RFC 9293 section 3.5: every connection begins with a SYN.
    """
    if not see.connection.handshake.syns:
        yield Claim(
            ("The capture began in the middle of this session",),
            (Evidence(("the first frame",), (see.connection.first,)),),
        )
