"""PD409: a side that closes upon a FIN which the other host never sent."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.denials import denials
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import How, Party, Strength


@rule(
    "PD409",
    "Closed upon a FIN that nobody sent here",
    Party.MIDDLEBOX,
    supersedes=("PD201", "PD203", "PD204", "PD205", "PD301", "PD303", "PD304"),
    ends=(Kind.FIN,),
)
def forged_fin_elsewhere(see: Observation) -> Iterator[Claim]:
    """One host closed because it believed that the other had: a FIN in the other's name reached it beyond this point.

    What it sees:
        All of the following: the first close is a FIN; it acknowledges more than the other side had sent, and be it
        one octet, which is a FIN's; no FIN of the other side was captured; and the other side answered as if it had
        sent no more: it stands where it stood, and did not take that FIN in.

    What it means:
        A device between this capture point and the host that closed had told it goodbye in the other's name.

    What else looks like this:
        A FIN that the capture missed: its sender would stand behind it, and would acknowledge the other's FIN. A host
        whose TCP is broken and acknowledges what it was never sent: that host stays a possibility.

    What to do:
        Capture at the host that closed, at the same time: the FIN must arrive there and not leave the other host. On
        the firewalls, intrusion prevention systems and proxies between the two, read the log of this second for these
        two addresses and ports.

    Sources:
        RFC 9293 section 3.10.7.4: "If the ACK acks something not yet sent (SEG.ACK > SND.NXT), then send an ACK, drop
        the segment, and return."; seen on Linux in the fault lab.
    """
    fin = see.ending.fin
    if fin is None or any(each.side is fin.side.other for each in see.connection.closing.fins):
        return
    alleged, end = fin.side.other, see.half(fin.side.other).octets
    denied = denials(see.connection, alleged, end)
    if not denied:
        return
    yield Claim(
        (
            f"A device in between had ended the connection {see.step} toward ",
            *words.the(see.session, fin.side),
            f", in the name of the {alleged.value}",
        ),
        (
            Evidence(
                (f"the {fin.side.value} acknowledges a FIN of the {alleged.value}, or more, that never passed here",),
                words.frames(fin.at),
            ),
            Evidence(
                (f"the {alleged.value} answered as if it had sent none",),
                denied[:50],
                len(denied),
            ),
        ),
        (Evidence((f"a {fin.side.value} that acknowledges what it was never sent would look the same",)),),
        how=How.FIN,
        strength=Strength.POSSIBLE,
        could_also_be=(Party(fin.side.value),),
        end=fin.at,
        next_steps=(
            (f"On the {fin.side.value}: capture at the same time; the {alleged.value}'s FIN must show up there.",),
        ),
    )
