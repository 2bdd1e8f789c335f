"""PD402: the host that "reset" the connection went on as if nothing had happened."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.reset_evidence import unless_refused
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import How, Party, Strength


@rule(
    "PD402",
    "Reset contradicted by the host it names",
    Party.MIDDLEBOX,
    supersedes=("PD202", "PD302", "PD303", "PD401", "PD408"),
    ends=(Kind.RST,),
)
def reset_contradicted(see: Observation) -> Iterator[Claim]:
    """After "its" reset the host went on sending packets of this connection.

    What it sees:
        A reset ended the session for its receiver, and later in the capture stands a segment of the host it names,
        neither a reset nor a SYN, that this host cannot have sent before. Proven by one that acknowledges octets which
        the other side sent after the reset; or whose TSval lies beyond the reset's own (where that is on the host's
        clock), else more than a tenth of a second, and more than the path's delay varied, beyond where the host's clock
        stood at the reset; or, in a connection without timestamps, that has octets or a FIN beyond the sequence number
        of a RST+ACK. Likely by one that acknowledges all octets that a bare reset could have answered, when every
        segment whose acknowledgement number is its sequence number brought octets, once.

    What it means:
        A host whose socket is gone answers with resets and nothing else. This one did not send the reset: a device
        did.

    What else looks like this:
        A packet that was held back or repeated on the way and arrives behind the reset that its host sent later: its
        timestamp is older, and it acknowledges nothing newer; it is not counted, however late it is. The same ports
        used again by a new connection (that has a new SYN and is another session). A segment that this capture missed
        could have drawn a bare reset. A reset that its receiver refused ended nothing (PD604).

    What to do:
        On every firewall, intrusion prevention system or rate limiter between the two hosts, read the log of that
        second for these two addresses and ports: a signature, a content rule, a limit of connections. To find which:
        capture on the far side of each device in turn; the reset is seen behind the device that sent it, and not
        before it. On the mail hosts themselves nothing is wrong.

    Sources:
        RFC 9293 section 3.10.7.1 (a closed connection answers every segment but a reset with a reset) and section
        3.10.5 (abort: "enter CLOSED state"); RFC 7323 section 5.4 (the timestamp clock); rule R5 of
        docs/explanation/resets.md.
    """
    origin = see.end_origin
    if origin is None or not (origin.went_on or origin.took_in):
        return
    reset = origin.reset
    went_on = origin.went_on or origin.took_in
    claim = Claim(
        (
            f"A device in between reset the connection {see.step}: ",
            *words.the(see.session, reset.claimed),
            ", in whose name it did so, went on sending",
        ),
        (
            Evidence(("the reset",), words.frames(reset.at)),
            Evidence((f"the {reset.claimed.value} went on in the same connection",), went_on[:50], len(went_on)),
            see.last_said,
        ),
        how=How.RST,
        strength=Strength.PROVEN if origin.went_on else Strength.LIKELY,
        end=reset.at,
        forged=(reset.at,),
        next_steps=(
            ("On every firewall between the two hosts: look at the log of this very second for this connection.",),
        ),
    )
    yield unless_refused(claim, reset)
