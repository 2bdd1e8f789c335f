"""PD605: resets after the end."""

from collections.abc import Iterator

from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.tcp.connection import Effect


@rule("PD605", "Resets that only echo the close", None)
def echoes(see: Observation) -> Iterator[Claim]:
    """Resets that came after the connection was over.

    What it sees:
        Resets that answer segments which met a socket that was closed before.

    What it means:
        They are not the cause. One close often yields two to four of them.

    What else looks like this:
        A first reset: that one ends the session and is judged by its own rule.

    What to do:
        Nothing: look at the first close.

    Sources:
        RFC 9293 section 3.10.7.1.
    """
    echo = tuple(reset.at for reset in see.connection.closing.resets if reset.effect is Effect.ECHO)
    if echo:
        yield Claim(
            (f"{len(echo)} reset{'s' if len(echo) > 1 else ''} after the end: echoes of the close, not its cause",),
            (Evidence(("the echoes",), echo),),
        )
