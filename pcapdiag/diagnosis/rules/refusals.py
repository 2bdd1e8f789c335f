"""PD601: what the server refused, in its own words."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.matters import Matter
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import Wire

SHOWN = 5


@rule("PD601", "The server refused something", None, about=(Matter.REFUSALS,))
def refusals(see: Observation) -> Iterator[Claim]:
    """Replies 4xx and 5xx of the session, quoted.

    What it sees:
        At least one reply with a code of 400 or more before the end of the session (or that the server's FIN overtook
        on the way). The last five are quoted.

    What it means:
        A refusal is an answer, not a drop; but it often tells why a side closed soon afterwards, and the client's log
        may not show it when a reset destroyed it unread.

    What else looks like this:
        A 502 to EHLO before HELO, a 530 before STARTTLS or AUTH, a 450 of greylisting that the next try overcomes:
        ordinary steps.

    What to do:
        Act on the text. 4xx is temporary: the client tries again by itself. 5xx is final: the sender gets a bounce.
        The enhanced code says about what (5.1.1 the recipient's address, 5.2.2 a full mailbox, 5.7.x policy). The
        server's postmaster finds the very line in the log of that second: Postfix "NOQUEUE: reject" or
        "milter-reject"; Exim rejectlog; Exchange: the SmtpReceive protocol log and Get-AgentLog.

    Sources:
        RFC 5321 section 4.2.1: 4yz "The command was not accepted, and the requested action did not occur. However, the
        error condition is temporary"; section 4.2.2; RFC 3463 (enhanced codes).
    """
    refused = see.refusals
    if not refused:
        return
    quoted = tuple(Evidence((f"{reply.code} ", Wire(reply.text)), (reply.at,)) for reply in refused[-SHOWN:])
    yield Claim((f"The server answered {words.times(len(refused))} with a refusal",), quoted)
