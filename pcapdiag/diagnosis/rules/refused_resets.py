"""PD604: resets that nobody obeyed."""

from collections.abc import Iterator

from pcapdiag.diagnosis.matters import Matter
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.tcp.connection import Effect


@rule("PD604", "Resets that ended nothing", None, about=(Matter.RESETS,))
def refused_resets(see: Observation) -> Iterator[Claim]:
    """A reset stood out of place and its receiver did not obey it.

    What it sees:
        A RST that its receiver refused. One outside the receiver's window always was (unless octets before it were not
        captured); one inside it but not at the very next sequence number, when the session went on, or when a RST+ACK
        with a live window or a timestamp followed: a socket that the first had ended sends none.

    What it means:
        Somebody tried to end the connection blindly, or a late packet of an older connection passed by. It did no
        harm.

    What else looks like this:
        One at the end of the capture, inside the window and not at the next sequence number: nobody saw what became of
        it, and a claim that it ended the session is possible at most. A reset that is obeyed although the "reset" side
        goes on: PD402. A reset after the end of the connection: PD605.

    What to do:
        Once: nothing. If it happens often, find the device that sends them: its TTL, compared with the named host's
        packets, tells how far away it stands; the firewall logs of that second tell the rest. nstat -az
        TcpExtTCPChallengeACK on the receiving Linux host counts them.

    Sources:
        RFC 5961 section 3.2: "If the RST bit is set and the sequence number is outside the current receive window,
        silently drop the segment"; one inside it that does not match the next expected sequence number exactly is
        answered by a challenge ACK. RFC 9293 section 3.10.7.4 says the same.
    """
    refused = tuple(reset.at for reset in see.connection.closing.resets if reset.effect is Effect.REFUSED)
    if refused:
        yield Claim(
            (f"{len(refused)} reset{'s' if len(refused) > 1 else ''} out of place, obeyed by nobody",),
            (Evidence(("the refused resets",), refused),),
        )
