"""PD401: a reset whose TTL is not that of the host it names."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.reset_evidence import SHAPES, unless_refused
from pcapdiag.diagnosis.resets import Ttl
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import How, Party, Strength

WEAK = {
    Ttl.FOREIGN_FEW: "few packets of that address were captured to compare with",
    Ttl.WITH_WORDS: "the refusal right before it has this TTL too: it was forged as well, or the route changed",
}


@rule(
    "PD401",
    "Reset from another device, by its TTL",
    Party.MIDDLEBOX,
    supersedes=("PD202", "PD302", "PD303"),
    ends=(Kind.RST,),
)
def reset_foreign_ttl(see: Observation) -> Iterator[Claim]:
    """The reset that ended the session did not come from the host it names: its TTL differs.

    What it sees:
        All of the following: the reset ended the session; the earlier packets of that side in this connection, resets
        left out, had one and the same TTL; the reset's TTL is another one, which no packet of that address in the whole
        capture had had before. Likely with at least three such packets (two, when the address had been seen before this
        connection; where that side sent none, when it had one single TTL elsewhere in the capture), possible with one
        or two. Also possible when the server's reset shares its TTL with a refusal (4xx or 5xx) right before it and
        nothing else, and at least three others had one other TTL. Copies of a packet (mirrors, `any`) are not compared.

    What it means:
        A device on the path (firewall, intrusion prevention, rate limiter, load balancer) sent the reset in that
        host's name, and perhaps a reply before it (a 554 or 421 of its own). What the deceived hosts do to each other
        afterwards is consequence.

    What else looks like this:
        A route that changed in the middle of the session: then later packets of that host have the new TTL too. A
        cluster or a proxy that answers for the host: its TTL varies before the reset, and this rule is silent; PD202 or
        PD302 then says possible. A device whose packets arrive with the host's TTL: nothing can be seen here.

    What to do:
        On every firewall between the two hosts, read the log of that second for these two addresses and ports. The
        difference of the TTLs tells how many hops apart the device and the host stand; a TTL of exactly 64, 128 or 255
        at this capture point is the device next to it. A capture on the other side at the same time shows whether the
        named host sent anything: it did not.

    Sources:
        RFC 9293 section 3.5.2 (who may send a reset); rules R1 and R6 of docs/explanation/resets.md; weberblog.net,
        "Who sends TCP RSTs?".
    """
    origin = see.end_origin
    if origin is None or origin.ttl not in (Ttl.FOREIGN, Ttl.FOREIGN_FEW, Ttl.WITH_WORDS):
        return
    reset = origin.reset
    sure = origin.ttl is Ttl.FOREIGN
    if not sure and origin.usual_ttl is None:
        return
    claimed = Party(reset.claimed.value)
    claim = Claim(
        (
            f"A device in between reset the connection {see.step}, in the name of ",
            *words.the(see.session, reset.claimed),
        ),
        (
            Evidence(
                (
                    f"the reset has TTL {reset.ttl}; {origin.usual_count} other packets of that address have"
                    f" {origin.usual_ttl}",
                ),
                words.frames(reset.at),
            ),
            Evidence((SHAPES[origin.shape],), words.frames(reset.at)),
            see.last_said,
        ),
        () if sure else (Evidence((WEAK[origin.ttl],), words.frames(reset.at)),),
        how=How.RST,
        strength=Strength.LIKELY if sure else Strength.POSSIBLE,
        could_also_be=() if sure else (claimed,),
        end=reset.at,
        forged=(reset.at,),
        next_steps=(
            ("On every firewall between the two hosts: look at the log of this very second for this connection.",),
        ),
    )
    yield unless_refused(claim, reset)
