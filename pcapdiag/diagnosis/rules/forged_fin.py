"""PD405: a FIN that the host it names did not send."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.denials import denials
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.resets import BASELINE
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import How, Moment, Party, Side, Strength
from pcapdiag.tcp.connection import Fin


@rule(
    "PD405",
    "FIN from another device",
    Party.MIDDLEBOX,
    supersedes=("PD201", "PD203", "PD204", "PD205", "PD301", "PD303", "PD304"),
    ends=(Kind.FIN,),
)
def forged_fin(see: Observation) -> Iterator[Claim]:
    """The FIN that ended the session did not come from the host it names.

    What it sees:
        The first close is a FIN, and at least one of these holds: that side sent octets of its stream, or another FIN,
        beyond its own FIN afterwards (proven); or it answered the other side's FIN, which acknowledges its own, with
        where it stood before it, and did not take that FIN in (proven by two such answers, each right behind a copy of
        the other's FIN, likely by one); or the FIN's TTL differs from at least three earlier packets of that side in
        this connection that all had one TTL, and no later packet of that side has the FIN's TTL, nor, where packets
        were captured twice, an earlier copy (likely). Resets are not compared.

    What it means:
        A device on the path closed the connection in that host's name.

    What else looks like this:
        A FIN that overtakes data on the way: the data then stands before the FIN in the stream. A route that changed:
        later packets keep the new TTL. Two capture points in one file: each has its own TTL, and clocks that differ
        decide which stands first. A FIN that its receiver refused (older timestamp) ended nothing and is not looked at.
        A keep-alive of a host that closed its half stands one octet back as well, and acknowledges no FIN that was
        lost; but nothing draws it.

    What to do:
        On every firewall, intrusion prevention system or proxy between the two hosts, read the log of the FIN's second
        for these two addresses and ports; the difference of the TTLs tells how many hops apart the device and the host
        stand. To prove it: capture at the same time on the host the FIN names; it must not leave there.

    Sources:
        RFC 9293 section 3.10.4 (after CLOSE a SEND fails: no octets can follow a FIN), section 3.10.7.4 ("If the ACK
        acks something not yet sent (SEG.ACK > SND.NXT), then send an ACK, drop the segment, and return.") and section
        3.6; rule R6 of docs/explanation/resets.md.
    """
    fin = see.ending.fin
    if fin is None:
        return
    beyond = _beyond(see, fin)
    denied = denials(see.connection, fin.side, fin.offset)
    foreign = _foreign(see, fin)
    if not beyond and not denied and foreign is None:
        return
    shown = [Evidence(("the FIN",), words.frames(fin.at))]
    if beyond:
        shown.append(
            Evidence((f"the {fin.side.value} went on sending new octets behind it",), beyond[:50], len(beyond))
        )
    if denied:
        shown.append(
            Evidence(
                (f"the {fin.side.value} answered the acknowledgement of it as if it had sent no FIN",),
                denied[:50],
                len(denied),
            )
        )
    if foreign is not None:
        shown.append(
            Evidence(
                (f"it has TTL {fin.ttl}, the {fin.side.value}'s other packets have {foreign}",), words.frames(fin.at)
            )
        )
    yield Claim(
        (f"A device in between closed the connection {see.step}, in the name of ", *words.the(see.session, fin.side)),
        tuple(shown),
        how=How.FIN,
        strength=Strength.PROVEN if beyond or len(denied) > 1 else Strength.LIKELY,
        end=fin.at,
        next_steps=(("On every firewall or proxy between the two hosts: look at the log of this very second.",),),
    )


def _beyond(see: Observation, fin: Fin) -> tuple[Moment, ...]:
    """Octets of that side behind its FIN, or another FIN further on, sent after it."""
    return tuple(
        seg.at
        for seg in see.connection.segments
        if seg.side is fin.side
        and seg.at > fin.at
        and (seg.length or seg.is_fin)
        and not seg.is_rst
        and seg.offset + seg.length + seg.is_fin > fin.offset + 1
    )


def _foreign(see: Observation, fin: Fin) -> int | None:
    """The usual TTL of that side, when the FIN has another one; in a capture at two points, one seen at neither."""
    own = [seg for seg in see.connection.segments if seg.side is fin.side and not seg.is_rst]
    usual = {seg.ttl for seg in own if seg.at < fin.at}
    count = sum(seg.at < fin.at for seg in own)
    if (
        len(usual) != 1
        or count < BASELINE
        or fin.ttl in usual
        or any(seg.ttl == fin.ttl for seg in own if seg.at > fin.at)
    ):
        return None
    end = see.connection.server if fin.side is Side.SERVER else see.connection.client
    if see.connection.duplicates and fin.ttl in see.around.hosts.ttls(end.address, fin.at):
        return None
    return usual.pop()
