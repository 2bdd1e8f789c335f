"""PD104: only the client's direction was captured, and it ends with QUIT."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import How, Moment, Party, Side, Stage, Strength
from pcapdiag.smtp.dialogue import DOT


@rule(
    "PD104",
    "Ended by agreement, seen from one direction only",
    Party.NOBODY,
    supersedes=("PD901",),
    ends=(Kind.ONE_DIRECTION,),
)
def one_direction_quit(see: Observation) -> Iterator[Claim]:
    """Only the client's packets were captured, but their acknowledgements tell that the server had answered.

    What it sees:
        All of the following: only the client's packets were captured; the last command is QUIT; where a message was
        sent, the client acknowledged more of the server's octets in the frame of the QUIT than in that of the final
        dot (or of the last BDAT command), so the server had said something in between. How the connection was closed
        is not looked at.

    What it means:
        Probably an orderly end. What the server said (yes or no) was not captured.

    What else looks like this:
        A client that quits upon a refusal: that is an orderly end as well, but the mail was not accepted. A QUIT in
        the frame of the final dot or without a new acknowledgement proves nothing: then PD901.

    What to do:
        Read the reply in the client's log at the second of the QUIT (Postfix: status=... (250 ...); Exim: "=>" or
        "**"; Exchange: the SmtpSend protocol log). Capture both directions next time: on a mirror port both, on a
        router both interfaces.

    Sources:
        RFC 9293 section 3.4: acknowledgement numbers count the other side's octets, captured or not.
    """
    if not see.half(Side.CLIENT).packets:
        return
    commands = [each.command for each in see.dialogue.exchanges]
    if not commands or commands[-1].verb != b"QUIT":
        return
    quit_ = commands[-1]
    dots = [command for command in commands[:-1] if command.verb in (DOT, b"BDAT")]
    told = [_told(see, command.at) for command in (*dots[-1:], quit_)]
    if len(told) == 2 and (None in told or (told[0] or 0) >= (told[1] or 0)):
        return
    yield Claim(
        (
            "Nobody dropped this connection, as far as one direction shows: the client sent QUIT after the server"
            " had answered",
        ),
        (Evidence(("QUIT",), words.frames(quit_.at)),),
        (Evidence(("what the server answered was not captured",)),),
        how=How.QUIT if see.connection.closing.fins or see.connection.closing.resets else How.OPEN,
        strength=Strength.POSSIBLE,
        could_also_be=(Party.SERVER,),
        end=see.ending.at,
        stage=Stage.QUIT,
    )


def _told(see: Observation, moment: Moment) -> int | None:
    """How many of the server's octets the client acknowledged in that frame."""
    return next((seg.ack for seg in see.connection.segments if seg.at == moment), None)
