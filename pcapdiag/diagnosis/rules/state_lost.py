"""PD603: the connection broke right after a pause."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.resets import Shape
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import Duration

IDLE_NS = 20_000_000_000


@rule("PD603", "It broke right after a pause", None, ends=(Kind.RST, Kind.SILENCE))
def state_lost(see: Observation) -> Iterator[Claim]:
    """A pause in which nobody sent anything came right before the packet that drew a bare reset or met silence.

    What it sees:
        All of the following: the session ended by a bare reset or in silence; before the segment that drew it nothing at
        all had been sent for at least 20 s.

    What it means:
        A firewall, address translation or load balancer may have forgotten the idle connection. Typical limits: 4
        minutes (Azure), 350 s, one hour.

    What else looks like this:
        A host that restarted during the pause answers with the same bare reset.

    What to do:
        Compare the length of the pause with the idle timers of the devices on the path; shorten the client's connection
        cache time or turn on keep-alives.

    Sources:
        RFC 5382 section 5 (two hours and four minutes are the least a NAT should keep); cloud load balancers keep less.
    """
    ending = see.ending
    origin = see.end_origin
    if ending.kind is Kind.RST and origin is not None and origin.shape is Shape.REPLY:
        trigger = ending.reset.provoked_by if ending.reset else None
    elif ending.kind is Kind.SILENCE and ending.silence is not None:
        trigger = ending.silence.unanswered
    else:
        return
    if trigger is None:
        return
    before = [seg for seg in see.connection.segments if seg.at < trigger]
    if not before:
        return
    pause = trigger.time_ns - before[-1].at.time_ns
    if pause < IDLE_NS:
        return
    yield Claim(
        (
            "It broke with the first packet after a pause of ",
            Duration(pause),
            ": a device that forgets idle connections would do that",
        ),
        (
            Evidence(
                ("the last packet before the pause, and the first after it",), words.frames(before[-1].at, trigger)
            ),
        ),
        next_steps=(("On the devices between the hosts: compare their idle timers with ", Duration(pause), "."),),
    )
