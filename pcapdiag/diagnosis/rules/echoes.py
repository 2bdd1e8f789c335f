"""PD605: resets after the end."""

from collections.abc import Iterator

from pcapdiag.diagnosis.matters import Matter
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.tcp.connection import Effect


@rule("PD605", "Resets that only echo the close", None, about=(Matter.RESETS,))
def echoes(see: Observation) -> Iterator[Claim]:
    """Resets that came after the connection was over.

    What it sees:
        At least one reset with the effect "echo": the connection was over before it came, by the FIN or RST of its own
        side or of the other.

    What it means:
        They are not the cause. One close often yields two to four of them.

    What else looks like this:
        The first reset of a connection that nobody had closed: that one ends the session and is judged by its own
        rule. A reset that its receiver refused: PD604.

    What to do:
        Nothing: look at the first close, which the verdict names.

    Sources:
        RFC 9293 section 3.10.7.1: a segment that meets no connection "causes a RST to be sent in response".
    """
    echo = tuple(
        reset.at for reset in see.connection.closing.resets if reset.effect is Effect.ECHO and reset.at != see.ending.at
    )
    if echo:
        yield Claim(
            (f"{len(echo)} reset{'s' if len(echo) > 1 else ''} after the end: echoes of the close, not its cause",),
            (Evidence(("the echoes",), echo),),
        )
