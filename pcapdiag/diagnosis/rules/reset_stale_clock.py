"""PD408: a reset whose timestamp is not on its host's clock."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.reset_evidence import unless_refused
from pcapdiag.diagnosis.resets import CLOCK_SURE_MS
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import How, Party, Strength


@rule(
    "PD408",
    "Reset from another device, by its timestamp",
    Party.MIDDLEBOX,
    supersedes=("PD202", "PD302", "PD303"),
    ends=(Kind.RST,),
)
def reset_stale_clock(see: Observation) -> Iterator[Claim]:
    """The reset carries a TCP timestamp that its host's clock did not show at that time.

    What it sees:
        All of the following: the reset that ended the session carries the timestamps option; the earlier packets of
        that side in this connection give its clock (of the rates that it may have, the one that suits the reset best);
        the reset's value is behind it by more than a tenth of a second (possible), or behind or ahead by more than a
        quarter (likely).

    What it means:
        A host stamps its packets from one clock, and genuine resets were measured within a few milliseconds of it.
        This value was copied from an earlier packet by a device that forged the reset.

    What else looks like this:
        A host with one timestamp offset for each connection does not matter: the clock is taken from this connection.
        A packet that was under way for long arrives late too, but its neighbours would show that: up to a quarter of a
        second the named host stays a possibility. One that came quicker than its neighbours seems ahead of the clock.

    What to do:
        On every firewall or intrusion prevention system between the two hosts, read the log of that second for these
        two addresses and ports. In Wireshark compare tcp.options.timestamp.tsval of the reset with the packets before
        it: a copied value equals one of them. To prove it: capture on the host the reset names; it must not leave
        there.

    Sources:
        RFC 7323 section 5.4 (timestamp clock: its tick between 1 ms and 1 s); measured on real stacks,
        docs/explanation/resets.md.
    """
    origin = see.end_origin
    if origin is None or not origin.stale_clock:
        return
    reset = origin.reset
    sure = abs(reset.clock_error_ms or 0) > CLOCK_SURE_MS
    claim = Claim(
        (
            f"A device in between reset the connection {see.step}, in the name of ",
            *words.the(see.session, reset.claimed),
        ),
        (
            Evidence(
                (
                    f"the reset's timestamp is {abs(reset.clock_error_ms or 0):.0f} ms off the clock of the host it"
                    " names",
                ),
                words.frames(reset.at),
            ),
            see.last_said,
        ),
        () if sure else (Evidence(("a packet that waited in a queue comes late too",), words.frames(reset.at)),),
        how=How.RST,
        strength=Strength.LIKELY if sure else Strength.POSSIBLE,
        could_also_be=() if sure else (Party(reset.claimed.value),),
        end=reset.at,
        forged=(reset.at,),
        next_steps=(("On every firewall between the two hosts: look at the log of this very second.",),),
    )
    yield unless_refused(claim, reset)
