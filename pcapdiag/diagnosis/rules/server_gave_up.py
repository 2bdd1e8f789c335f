"""PD304: the server lost patience with a client that had the word."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import Duration, Party, Side, Strength


@rule(
    "PD304",
    "Server gave up waiting for the client",
    Party.SERVER,
    supersedes=("PD301", "PD302", "PD303"),
    ends=(Kind.FIN, Kind.RST),
)
def server_gave_up(see: Observation) -> Iterator[Claim]:
    """The server closed after waiting for the client.

    What it sees:
        All of the following: the server closed first, by FIN or its own RST; it was the client's turn; nobody had said
        anything new for at least three seconds (the server's own farewell not counted); what the server had sent was
        acknowledged by the client's TCP.

    What it means:
        The server's timer ran out. The question is why the client was silent: its program hung, or what it sent did not
        arrive (then a capture on the client's side shows retransmissions).

    What else looks like this:
        A path that lost the client's octets: the server's capture then shows a hole (PD503) or nothing at all, so a
        capture at the server alone cannot rule it out.

    What to do:
        On the client, look for what its mail software waited for at that time.

    Sources:
        RFC 5321 section 4.5.3.2.7 (a server should wait at least five minutes); Postfix smtpd_timeout, Exim
        smtp_receive_timeout.
    """
    ending = see.ending
    if not see.closed_by(Side.SERVER):
        return
    farewell = see.last_reply if see.last_reply is not None and see.last_reply.unasked else None
    end = farewell.at if farewell is not None else ending.at
    before = [seg for seg in see.connection.segments if seg.at < end and seg.new]
    if not before:
        return
    waited = end.time_ns - before[-1].at.time_ns
    _, owing = see.position_at(before[-1].at)
    if owing is not Side.CLIENT or waited < 3_000_000_000:
        return
    evidence = [Evidence(("the last that was said before it",), words.frames(before[-1].at))]
    if farewell is not None:
        evidence.append(Evidence((f"the server's unasked farewell {farewell.code}",), words.frames(farewell.at)))
    evidence.append(Evidence(("the server's close",), words.frames(ending.at)))
    yield Claim(
        (
            *words.The(see.session, Side.SERVER),
            f" gave up {see.step}, after waiting ",
            Duration(waited),
            " for the client",
        ),
        tuple(evidence),
        (Evidence(("octets of the client that were lost on the way would look the same here",)),)
        if see.vantage is None
        else (),
        how=see.close_how,
        strength=Strength.LIKELY,
        stalled_by=Party.CLIENT,
        end=ending.at,
        next_steps=(("On the client: find out why its mail software was silent at this time.",),),
    )
