"""PD604: resets that nobody obeyed."""

from collections.abc import Iterator

from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.tcp.connection import Effect


@rule("PD604", "Resets that ended nothing", None)
def refused_resets(see: Observation) -> Iterator[Claim]:
    """A reset stood out of place and its receiver did not obey it.

    What it sees:
        A RST that its receiver refused: outside the receiver's window, or inside it but not at the very next sequence
        number, so that the session went on.

    What it means:
        Somebody tried to end the connection blindly, or a late packet of an older connection passed by. It did no
        harm.

    What else looks like this:
        A reset that is obeyed although the "reset" side goes on: PD402. A reset after the end of the connection:
        PD605.

    What to do:
        Once: nothing. If it happens often, find the device that sends them: its TTL, compared with the named host's
        packets, tells how far away it stands; the firewall logs of that second tell the rest. nstat -az
        TcpExtTCPChallengeACK on the receiving Linux host counts them.

    Sources:
        RFC 5961 section 3.2: a RST inside the window that does not match the next expected sequence number exactly is
        answered by a challenge ACK.
    """
    refused = tuple(reset.at for reset in see.connection.closing.resets if reset.effect is Effect.REFUSED)
    if refused:
        yield Claim(
            (f"{len(refused)} reset{'s' if len(refused) > 1 else ''} out of place, obeyed by nobody",),
            (Evidence(("the refused resets",), refused),),
        )
