"""PD201: the client closed before it was done."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import How, Party, Side, Stage, Strength
from pcapdiag.smtp.dialogue import MASKS


@rule("PD201", "Client closed the connection", Party.CLIENT, ends=(Kind.FIN,))
def client_closed(see: Observation) -> Iterator[Claim]:
    """The client closed without a QUIT that counts.

    What it sees:
        All of the following: the first close that counts is the client's FIN; no silence, no hole and no fatal TLS
        alert of the server came before it; its TTL and sequence number fit the client's other packets; the server had
        not announced its own close by 421.

    What it means:
        The client's program closed its socket, or was ended (a process that is killed when it has read all its input
        sends FIN too). A FIN tells nothing about the reason: the position in the dialogue and the client's log do.

    What else looks like this:
        A client that lost patience with a silent server: rule PD203 says so. A client that has nothing more to send
        after all its mail was answered: PD205. A FIN forged by a device: PD405 looks at its TTL and at what the client
        sent afterwards. Exim sends FIN together with the final dot and QUIT and goes on waiting: no close.

    What to do:
        Look at the client's mail log at the time of the FIN; its queue entry names the reason it saw.

    Sources:
        RFC 9293 section 3.6; RFC 5321 section 4.1.1.10: a client must not close before it has sent QUIT and received the
        reply.
    """
    ending = see.ending
    if not see.closed_by(Side.CLIENT):
        return
    masked = [odd for odd in see.dialogue.oddities if odd.kind in MASKS]
    yield Claim(
        (*words.The(see.session, Side.CLIENT), f" closed the connection {see.step}", *see.waiting()),
        (
            Evidence(
                ("the client's FIN is the first close, and no QUIT that counts came before it",),
                words.frames(ending.at),
            ),
            Evidence(("the last that was said before it",), see.evidence_position()),
        ),
        (
            Evidence(
                ("the server's FIN was under way too: both closed without having seen the other's close",),
                words.frames(ending.at),
            ),
        )
        if ending.crossed
        else (),
        how=How.FIN,
        strength=Strength.POSSIBLE if ending.crossed else Strength.LIKELY,
        could_also_be=(Party.SERVER,) if ending.crossed else (),
        stalled_by=Party.MIDDLEBOX if masked and see.stage in (Stage.GREETING, Stage.EHLO) else None,
        end=ending.at,
        next_steps=(("On the client: read its mail log at this time for the reason why it closed.",),),
    )
