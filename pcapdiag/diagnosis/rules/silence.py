"""PD502: one side kept sending, and nothing came back."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import Address, Duration, How, Party, Side, Strength


@rule("PD502", "Packets into silence", Party.PATH, ends=(Kind.SILENCE,))
def silence(see: Observation) -> Iterator[Claim]:
    """One side repeated its segments and no packet at all came back, not even an acknowledgement.

    What it sees:
        All of the following: after some segment of one side (data, SYN, FIN, keep-alive or window probe) nothing of
        the other side was seen any more; the first side repeated itself at least twice over at least 0.9 s; no ICMP
        error and no hole that the receiver had reported by SACK explains it. A FIN or RST by which the repeating side
        then gives up is consequence; the same for a QUIT that counts, but met silence. Likely when the silent address
        sent packets in other connections of this capture meanwhile, otherwise possible.

    What it means:
        Silence is the host's while its TCP still acknowledges, and the path's when nothing does: a dead route, a
        firewall that forgot the connection and drops, a tunnel that went down.

    What else looks like this:
        A host that lost its power: one capture at the living end cannot tell, so the silent side stays a possibility,
        unless the same host goes on answering others in this capture. A capture that the user says is the server's own
        (PD309). A hole that stays open while acknowledgements come: PD503. Large packets only: PD504.

    What to do:
        Capture on the silent side at the same time: either the packets do not arrive there, or its answers do not
        arrive here. That halves the path; go on with the devices in between. If PD603 accompanies the verdict, compare
        the pause with the idle timers of firewalls, NAT gateways and load balancers; a shorter pause helps: Postfix
        smtp_connection_cache_time_limit, Exim connection_max_messages, or keep-alives on the host
        (net.ipv4.tcp_keepalive_time below the timer; Windows KeepAliveTime). Otherwise: routing changes, VPN
        renegotiation and failover in the logs of that minute.

    Sources:
        RFC 9293 section 3.8.1 (retransmission timeout), section 3.8.3 (connection failures) and section 3.8.4
        (keep-alives); RFC 6298 section 5 (the timer doubles with each try).
    """
    ending = see.ending
    quiet = ending.silence
    if quiet is None or ending.side is None:
        return
    silent = see.session.server if ending.side is Side.SERVER else see.session.client
    alive = see.around.hosts.alive_since(silent.address, quiet.unanswered, ending.at)
    what = "keep-alives or probes" if quiet.probes else "its packets"
    party = Party(ending.side.value)
    gave_up = (
        (Evidence((f"then the {quiet.sender.value} gave up",), words.frames(ending.later)),) if ending.later else ()
    )
    yield Claim(
        (
            f"Packets stopped arriving {see.step}: the {quiet.sender.value} repeated {what} for ",
            Duration(quiet.span_ns),
            ", and nothing came back from ",
            *words.the(see.session, ending.side),
        ),
        (
            Evidence(("the first segment without an answer",), words.frames(quiet.unanswered)),
            Evidence((f"repeated {len(quiet.repeats)} times",), quiet.repeats[:50], len(quiet.repeats)),
            *(
                (Evidence((f"the last sign of life of the {ending.side.value}",), words.frames(quiet.last_sign)),)
                if quiet.last_sign
                else ()
            ),
            *((Evidence(("meanwhile ", Address(silent.address), " answered others")),) if alive else ()),
            *gave_up,
        ),
        () if alive else (Evidence((f"a {ending.side.value} that died would look the same from here",)),),
        how=How.TIMEOUT,
        strength=Strength.LIKELY if alive else Strength.POSSIBLE,
        could_also_be=() if alive else (party,),
        end=ending.at,
        next_steps=(
            (f"On the {ending.side.value} (or next to it): capture at the same time, to see which direction is lost.",),
        ),
    )
