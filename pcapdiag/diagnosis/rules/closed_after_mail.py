"""PD205: closed without QUIT, after all mail was answered."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.close_evidence import weighed
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.impact import refusal
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.reset_evidence import copying_device
from pcapdiag.diagnosis.resets import Shape
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import Party, Side, Strength


@rule(
    "PD205",
    "Client closed without QUIT after its mail was answered",
    Party.CLIENT,
    supersedes=("PD201", "PD202", "PD203"),
    ends=(Kind.FIN, Kind.RST),
)
def closed_after_mail(see: Observation) -> Iterator[Claim]:
    """The client closed without QUIT, but nothing was lost.

    What it sees:
        All of the following: the client closed first, by FIN or by its own RST; at least one message was sent to its
        end and answered; no reply is owed and no content is being sent; what came after the last answered message was
        given up by RSET or never got a recipient. A bare RST makes the claim possible only, and so does a close that
        crossed the server's, or a FIN that was repeated without any answer.

    What it means:
        Sloppy, not harmful: every message has its answer, and the report does not ask for attention.

    What else looks like this:
        A client that dies between two messages of its queue looks the same; the mail already answered is not touched
        by that either. A QUIT that the capture missed: PD903 says whether octets are missing.

    What to do:
        Nothing, unless further messages should have followed. Then compare the client's queue at that time (Postfix:
        postqueue -p; Exim: exim -bp; Exchange: Get-Queue) with what was delivered in this session.

    Sources:
        RFC 5321 section 4.1.1.10 (a client must send QUIT before it closes). Section 4.1.1.5 tells servers to treat
        such a close "as if a QUIT had been received".
    """
    ending = see.ending
    if not see.closed_by(Side.CLIENT) or not see.everything_answered:
        return
    origin = see.end_origin
    bare = origin is not None and origin.shape is not Shape.ACTIVE
    refused = refusal(see, Party.CLIENT, see.close_how, benign=True)
    claim = Claim(
        (
            *words.The(see.session, Side.CLIENT),
            " closed without QUIT, after every message had been answered",
            *((", with ", *refused) if refused else ()),
        ),
        (
            Evidence(("the client's close",), words.frames(ending.at)),
            see.last_said,
        ),
        (copying_device(origin.reset),) if origin is not None and bare else (),
        how=see.close_how,
        strength=Strength.POSSIBLE if bare else Strength.LIKELY,
        could_also_be=(Party.MIDDLEBOX,) if bare else (),
        end=ending.at,
        benign=True,
    )
    yield weighed(see, Side.CLIENT, claim)
