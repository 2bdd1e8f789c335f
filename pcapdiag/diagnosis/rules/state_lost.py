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
        The session ended in silence or by a reset without an ACK flag, and before the segment that met the silence or
        drew the reset no segment of either side had been seen for at least 20 s.

    What it means:
        A firewall, address translation or load balancer may have forgotten the idle connection. Typical limits: 4
        minutes (Azure Load Balancer), 350 s (AWS Network Load Balancer and NAT gateway), one hour (many firewalls).

    What else looks like this:
        A host that restarted during the pause answers with the same bare reset: its uptime tells. A pause of another
        length each time speaks against a timer.

    What to do:
        Compare the length of the pause with the idle timers of the devices on the path (docs/explanation/timers.md):
        the timer is shorter than the pause. Azure: az network lb rule show (idleTimeoutInMinutes, enableTcpReset);
        Linux firewall: sysctl net.netfilter.nf_conntrack_tcp_timeout_established; Cisco ASA: show run timeout. Then
        shorten the client's idle time (Postfix smtp_connection_cache_time_limit and smtp_connection_reuse_time_limit),
        or let it send keep-alives more often than the timer runs out.

    Sources:
        RFC 5382 section 5, REQ-5: the "established connection idle-timeout" of a NAT "MUST NOT be less than 2 hours 4
        minutes"; the cloud providers' documentation, docs/explanation/timers.md.
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
