"""PD902: too little of the session was captured."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import How, Party


@rule("PD902", "Too little was captured", Party.UNDETERMINED, ends=(Kind.FRAGMENT,))
def fragment(see: Observation) -> Iterator[Claim]:
    """The capture holds only scraps of this session.

    What it sees:
        No SYN of the client, both directions captured, and either nothing new was said before the first close, or no
        SMTP or TLS step was recognised and the capture holds no octets at all or fewer than four packets.

    What it means:
        What went before is unknown: the first close may have happened before the capture began.

    What else looks like this:
        A capture that began midway but shows some of the dialogue is judged as usual, with PD905 beside the verdict.
        One direction only: PD901.

    What to do:
        Start the capture before the session begins and let it run until the session has ended. With a ring (tcpdump -C
        100 -W 20, or -G 600) hand over the file before this one too: files whose times follow one another are read as
        one trace.

    Sources:
        RFC 9293 section 3.10.7.1: late segments of a closed connection draw resets, so scraps alone name nobody.
    """
    packets = sum(half.packets for half in see.connection.halves)
    closing = see.connection.closing
    yield Claim(
        (
            f"Nobody can be named: only {packets} packet{'s' if packets != 1 else ''} of this session, without its"
            " beginning, were captured",
        ),
        (Evidence(("all that was captured",), words.frames(see.connection.first, see.connection.last)),),
        how=How.RST if closing.resets else How.FIN if closing.fins else How.OPEN,
        end=see.ending.at,
        next_steps=(("Start the capture before the session begins, and let it run until the session has ended.",),),
    )
