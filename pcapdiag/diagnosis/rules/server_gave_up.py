"""PD304: the server lost patience with a client that had the word."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.close_evidence import weighed
from pcapdiag.diagnosis.closes import AT_ONCE_NS
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.silence import closed_window
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import Duration, Party, Side, Strength, Wire
from pcapdiag.tcp.connection import Segment


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
        All of the following: the server closed first, by FIN or its own RST; between the last new octet of anybody and
        the close (or the server's unasked farewell before it) lay at least three seconds; at their beginning it was
        the client's turn. A close that crossed the client's makes the claim possible only, and so does a FIN that was
        repeated without any answer.

    What it means:
        The server's timer ran out. The question is why the client was silent: its program hung, or what it sent did
        not arrive (then a capture on the client's side shows retransmissions).

    What else looks like this:
        A path that lost the client's octets: a capture at the server shows a hole (PD503) or nothing at all, so it
        alone cannot rule that out; a capture at the client shows the octets again and again. A server that closes at
        once after a refusal: PD303.

    What to do:
        On the client, look at the minutes of silence: what did its mail software wait for? Postfix: smtp lines of that
        queue id (postcat -q ID tells whether it still has it), slow DNS or a full disk; Exim: exigrep ID mainlog;
        Exchange: the SmtpSend protocol log; a script or device: its own log. On the server, the log names its timer:
        Postfix "timeout after DATA (N bytes) from" (smtpd_timeout, 300 s, 10 s under stress); Exim "SMTP command
        timeout" or "SMTP data timeout" (smtp_receive_timeout, 5 minutes); Exchange "421 4.4.1 Connection timed out"
        (ConnectionInactivityTimeout, 5 minutes, on Edge 1). Compare N with the octets in this report.

    Sources:
        RFC 5321 section 4.5.3.2.7: "An SMTP server SHOULD have a timeout of at least 5 minutes while it is awaiting
        the next command from the sender"; docs/explanation/timers.md.
    """
    ending = see.ending
    if not see.closed_by(Side.SERVER):
        return
    farewell, asked = _farewell(see)
    if asked is None or closed_window(see.connection, Side.SERVER, ending.at):
        return
    end = farewell.at if farewell is not None else ending.at
    waited = end.time_ns - asked.at.time_ns
    _, owing = see.position_at(asked.at)
    said = farewell.offset if farewell is not None else see.half(Side.SERVER).octets
    if owing is not Side.CLIENT or waited < see.patience_ns(Side.SERVER) or see.half(Side.SERVER).acked < said:
        return
    evidence = [Evidence(("the last new octets before the wait",), words.frames(asked.at))]
    if farewell is not None:
        reply = see.last_reply
        quoted = (": ", f"{reply.code} ", Wire(reply.text)) if reply is not None and reply.at >= farewell.at else ()
        evidence.append(Evidence(("what the server then said unasked", *quoted), words.frames(farewell.at)))
    evidence.append(Evidence(("the server's close",), words.frames(ending.at)))
    claim = Claim(
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
    yield weighed(see, Side.SERVER, claim)


def _farewell(see: Observation) -> tuple[Segment | None, Segment | None]:
    """What the server said by itself right before it closed (its first segment), and the last new octets before."""
    end = see.ending.at
    news = [seg for seg in see.connection.segments if seg.new and seg.at <= end]
    farewell = None
    while news and news[-1].side is Side.SERVER and end.time_ns - news[-1].at.time_ns < AT_ONCE_NS:
        farewell = news.pop()
    return farewell, news[-1] if news else None
