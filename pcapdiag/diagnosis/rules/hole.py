"""PD503: octets that never arrived although the other side's TCP went on answering."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.silence import LEAST_SPAN_NS, Hole
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import How, Party, Strength


@rule("PD503", "Octets that never arrived", Party.PATH, ends=(Kind.HOLE,))
def hole(see: Observation) -> Iterator[Claim]:
    """Some octets of one side never reached the other, whose TCP was alive.

    What it sees:
        The session ended with octets of one side that its receiver never acknowledged although the receiver's TCP went
        on answering and its window was open. Either they were sent again at least twice over at least 0.9 s, and
        afterwards the receiver answered without acknowledging them, be it by its reset, or had reported octets beyond
        them by SACK (the latter makes it likely, unless their sender had closed before it sent them again, when less
        than 0.9 s are enough); or they never passed this capture point, and the receiver reported the hole by duplicate
        acknowledgements or SACK for at least 0.9 s, or when the FIN came of the side that sent them (possible where the
        capture ends before 0.9 s are over). Who closed afterwards does not matter.

    What it means:
        The path lost the same octets again and again: not bad luck, but something about these packets. If all of them
        are full-sized, see PD504; otherwise think of content inspection or a broken link.

    What else looks like this:
        Ordinary loss is repaired within a few round trips (PD610 counts it). A closed window is the receiver's (PD203,
        PD611). A host that died does not acknowledge anything (PD502).

    What to do:
        Capture on both hosts at the same time and follow one sequence number: the place where it is seen for the last
        time is next to the device that drops it. Compare the dropped packets' lengths with ping -M do -s SIZE (Linux)
        or ping -f -l SIZE (Windows) along the same path. On firewalls with content inspection, read the log of the
        first repetition's second, and let this pair of hosts pass uninspected once: if the mail goes through, it was
        the inspection. Checksum errors on the last link: ethtool -S.

    Sources:
        RFC 9293 section 3.8.1 (retransmission timeout); RFC 2018 section 3 (what SACK reports).
    """
    ending = see.ending
    gap = ending.hole
    if gap is None:
        return
    if gap.seen:
        shown = Evidence(
            (f"octets from {gap.offset} of the {gap.sender.value}'s stream were sent again {len(gap.repeats)} times",),
            gap.repeats[:50],
            len(gap.repeats),
        )
    else:
        shown = Evidence(
            (f"octets from {gap.offset} of the {gap.sender.value}'s stream never came past this capture point",)
        )
    fins = see.connection.closing.fins
    hasty = bool(gap.repeats) and any(fin.side is gap.sender and fin.at <= gap.repeats[0] for fin in fins)
    sure = gap.received_beyond and gap.span_ns >= LEAST_SPAN_NS and not hasty
    other = gap.sender if gap.received_beyond else gap.sender.other
    gave_up = (Evidence(("then somebody gave up",), words.frames(ending.later)),) if ending.later else ()
    lost = f"Packets of the {gap.sender.value} got lost again and again" if gap.repeats else "Octets never arrived"
    yield Claim(
        (f"{lost} {see.step}, although the {gap.sender.other.value} went on answering",),
        (
            shown,
            Evidence(
                (f"the {gap.sender.other.value} answered without acknowledging them",),
                gap.answers[:50],
                len(gap.answers),
            ),
            *gave_up,
        ),
        _against(gap, hasty=hasty),
        how=How.TIMEOUT,
        strength=Strength.LIKELY if sure else Strength.POSSIBLE,
        could_also_be=() if sure else (Party(other.value),),
        end=ending.at,
        next_steps=(("On both hosts: capture at the same time and compare which packets arrive.",),),
    )


def _against(gap: Hole, *, hasty: bool) -> tuple[Evidence, ...]:
    """What else it could be."""
    if hasty and gap.received_beyond:
        return (
            Evidence(
                (f"the {gap.sender.value} had closed before it could know of the loss: it may have done so anyway",)
            ),
        )
    if not gap.received_beyond:
        return (
            Evidence((f"a {gap.sender.other.value} that refuses these octets without a word would look the same",)),
        )
    if gap.span_ns < LEAST_SPAN_NS:
        return (
            Evidence(
                (
                    "the capture ends before they could be sent again: the"
                    f" {gap.sender.value} may have closed before it had any answer to lose",
                )
            ),
        )
    return ()
