"""The claim about who closed first where one direction was captured, worded once for the rules about client and server."""

from __future__ import annotations

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.one_sided import FirstClose, first_close, may_hide_quit
from pcapdiag.diagnosis.rule import Claim
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import How, Party, Side, Stage, Strength


def closed_first(see: Observation, side: Side) -> Claim | None:
    """`side` closed first, and no QUIT can be behind it; None when that cannot be told."""
    close = first_close(see.connection)
    if close is None or close.side is not side or _unreadable(see, close) or _may_be_orderly(see, close):
        return None
    seen, alleged = close.fin.side, close.fin.side.other
    own = side is seen
    if own:
        shown = Evidence(
            (f"the {alleged.value}'s FIN was acknowledged after the {seen.value} had sent its own",),
            words.frames(close.fin.at, close.acknowledged),
        )
    else:
        shown = Evidence(
            (f"the {seen.value} acknowledged a FIN of the {alleged.value} before it closed, or in its own FIN",),
            words.frames(close.acknowledged, close.fin.at),
        )
    return Claim(
        (*words.The(see.session, side), f" closed the connection {see.step}, as far as one direction shows"),
        (shown, see.last_said),
        ()
        if own
        else (Evidence((f"the {alleged.value}'s FIN was not captured: a device may have sent it in its name",)),),
        how=How.FIN,
        strength=Strength.LIKELY if own else Strength.POSSIBLE,
        could_also_be=() if own else (Party.MIDDLEBOX,),
        end=close.fin.at,
        next_steps=(
            (f"On the {side.value}: read its mail log at this time for the reason why it closed.",),
            ("Capture both directions next time: on the host itself, or with both directions mirrored.",),
        ),
    )


def _unreadable(see: Observation, close: FirstClose) -> bool:
    """Something of the seen side is missing, or was hidden by TLS, or an octet of content may be taken for a FIN."""
    half = see.half(close.fin.side)
    content = close.fin.side is Side.SERVER and see.stage is Stage.BODY
    return bool(half.missing or half.cut or content or see.dialogue.tls or see.stage in (Stage.TLS, Stage.ENCRYPTED))


def _may_be_orderly(see: Observation, close: FirstClose) -> bool:
    """QUIT was the client's last command, or may have been."""
    commands = [each.command.verb for each in see.dialogue.exchanges]
    if close.fin.side is Side.CLIENT:
        return bool(commands) and commands[-1] == b"QUIT"
    return may_hide_quit(see.connection)
