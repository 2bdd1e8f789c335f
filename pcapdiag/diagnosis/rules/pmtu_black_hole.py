"""PD504: full-sized packets vanish, small ones pass."""

from collections.abc import Iterator

from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import How, Party, Side, Strength

NEARLY_FULL = 0.9


@rule(
    "PD504",
    "Large packets vanish (path MTU black hole)",
    Party.PATH,
    supersedes=("PD502", "PD503"),
    ends=(Kind.SILENCE, Kind.HOLE),
)
def pmtu_black_hole(see: Observation) -> Iterator[Claim]:
    """Segments of full size are lost again and again while smaller ones get through.

    What it sees:
        All of the following: the session ended in silence (possible) or with a hole (likely); the repeated segments
        have at least nine tenths of the receiver's segment size less 40 octets, and must not be fragmented; no segment
        of that size was ever acknowledged in this direction, SACK included, though something was; no ICMP
        "fragmentation needed" or "packet too big" quotes this connection.

    What it means:
        A link on the path carries smaller packets only, and the ICMP message that says so is filtered. Small mails
        pass, larger ones hang after DATA.

    What else looks like this:
        A path that died altogether in that moment: then small segments get lost too (PD502). A device that drops by
        content: then other full-sized segments had passed before (PD503). A capture filter without icmp and icmp6
        hides the message itself.

    What to do:
        From the sending host: ping -M do -s 1472 SERVER (Linux; Windows: ping -f -l 1472), then smaller until it
        passes: the largest that does, plus 28, is the MTU of the path. tracepath -n SERVER names the hop. Allow ICMP
        type 3 code 4 (IPv6: type 2) on the firewalls towards the sender, or clamp the MSS on the tunnel or DSL router
        (iptables: target TCPMSS). On the Linux sender net.ipv4.tcp_mtu_probing=1 finds the size without ICMP.

    Sources:
        RFC 2923 section 2.1 (black hole: "Bulk transfers fail with the first large packet and the connection
        eventually times out"), RFC 1191, RFC 8201, RFC 4821 (finding the size without ICMP).
    """
    ending = see.ending
    sender = ending.hole.sender if ending.hole else ending.silence.sender if ending.silence else None
    if sender is None or any(error.path_mtu for _, error in see.connection.icmp):
        return
    half = see.half(sender)
    repeats = set(ending.hole.repeats if ending.hole else ending.silence.repeats if ending.silence else ())
    lost = [seg for seg in see.connection.segments if seg.at in repeats and seg.side is sender and seg.length]
    mss = see.half(sender.other).mss
    through = _largest_through(see, sender)
    if not lost or mss is None:
        return
    full = min(seg.length for seg in lost)
    if full < NEARLY_FULL * (mss - 40) or not all(seg.dont_fragment for seg in lost) or through >= full:
        return
    if half.acked == 0:
        return
    sure = ending.hole is not None
    yield Claim(
        (
            f"Large packets of the {sender.value} vanish on the way and small ones pass, {see.step}:"
            " a path MTU black hole",
        ),
        (
            Evidence(
                (f"segments of {full} octets were sent again and again and never acknowledged",),
                tuple(seg.at for seg in lost)[:50],
                len(lost),
            ),
            Evidence((f"the largest segment that got through has {through} octets",)),
            Evidence(("no ICMP message about the packet size was captured",)),
        ),
        () if sure else (Evidence(("a path that died in this moment would look the same",)),),
        how=How.TIMEOUT,
        strength=Strength.LIKELY if sure else Strength.POSSIBLE,
        could_also_be=() if sure else (Party(sender.other.value),),
        end=ending.at,
        next_steps=(
            (
                "On the firewalls between the two hosts: allow ICMP type 3 code 4 (IPv6: type 2), or clamp the MSS"
                " on the tunnel.",
            ),
        ),
    )


def _largest_through(see: Observation, sender: Side) -> int:
    """Payload of the largest segment that its receiver acknowledged, SACK included."""
    sacked = [block for seg in see.connection.segments if seg.side is not sender for block in seg.sack]
    reported = [
        seg.length
        for seg in see.connection.segments
        if seg.side is sender and any(left <= seg.offset and seg.offset + seg.length <= right for left, right in sacked)
    ]
    return max([see.half(sender).largest_acked, *reported])
