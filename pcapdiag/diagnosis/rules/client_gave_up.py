"""PD203: the client lost patience with a server that owed a reply."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.close_evidence import weighed
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.reset_evidence import copying_device
from pcapdiag.diagnosis.resets import Shape
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.silence import closed_window
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import Duration, Party, Side, Strength, Vantage


@rule("PD203", "Client gave up waiting", Party.CLIENT, supersedes=("PD201", "PD202"), ends=(Kind.FIN, Kind.RST))
def client_gave_up(see: Observation) -> Iterator[Claim]:
    """The client closed after waiting for the server.

    What it sees:
        All of the following: the first close that counts is the client's FIN or its own RST; either the server owed a
        reply for at least a second and ten round trips, and had acknowledged every octet that the client sent, or the
        server's last segments before the close kept its receive window at zero (then however long). A bare RST without
        any FIN before it makes the claim possible only, and so does a FIN that crossed the server's close, or that was
        repeated without any answer.

    What it means:
        The client acted first, but the server is the one to ask: its host was alive and its program did not answer, or
        did not read.

    What else looks like this:
        A path that lost the client's octets or its FIN: they stay unacknowledged (PD502, PD503, PD504). A reply that
        was sent and lost on the way back cannot be told from one that was never sent by a capture at the client: a
        capture at the server shows it, sent again and again.

    What to do:
        On the server, look at the minutes before the close for what was slow: content filter (amavis, rspamd, clamd),
        policy daemon, DNS look-ups, disk (iostat, df -h), number of processes. Postfix: smtpd and cleanup lines of
        that client in mail.log, postconf smtpd_milters content_filter smtpd_proxy_filter. Exim: mainlog with
        log_selector +smtp_connection, and the DATA ACL. Exchange: the SmtpReceive protocol log of the front end and of
        the hub; Get-MessageTrackingLog for the same minutes. After a final dot without its reply, search the server's
        log for the message: if it is there, the client will deliver it a second time. PD609 names the timer that ran
        out where the wait has a known length.

    Sources:
        RFC 5321 section 4.5.3.2 (how long a client should wait); section 4.5.3.2.6: a timeout before the reply to the
        final dot "would typically result in delivery of multiple copies of the message"; RFC 1047 (duplicate
        messages); RFC 9293 section 3.8.6.1 (zero windows).
    """
    ending = see.ending
    if not see.closed_by(Side.CLIENT):
        return
    shut = closed_window(see.connection, Side.SERVER, ending.at)
    waited = see.owing is Side.SERVER and see.owed_ns >= see.patience_ns(Side.CLIENT)
    if closed_window(see.connection, Side.CLIENT, ending.at):
        return  # it was the client that did not read
    if not (waited or shut) or not (shut or see.acknowledged(Side.CLIENT)):
        return
    origin = see.end_origin
    bare = origin is not None and origin.shape is not Shape.ACTIVE and not see.connection.closing.fins
    against = [copying_device(origin.reset)] if origin is not None and bare else []
    if see.owing is Side.SERVER and see.vantage is not Vantage.SERVER:
        against.append(Evidence(("a reply that was sent and lost on the way back would look the same here",)))
    if shut:
        reason = Evidence(("the server kept its receive window shut",), shut[:50], len(shut))
    else:
        reason = Evidence(("the server's TCP had acknowledged everything the client sent: its host was alive",))
    claim = Claim(
        (
            *words.The(see.session, Side.CLIENT),
            f" gave up {see.step}, after waiting ",
            Duration(max(see.owed_ns, see.waited_ns or 0)),
            " for the server",
        ),
        (
            Evidence(
                ("the client's close" if ending.kind is Kind.FIN else "the client's reset",), words.frames(ending.at)
            ),
            see.last_said,
            reason,
        ),
        tuple(against),
        how=see.close_how,
        strength=Strength.POSSIBLE if bare else Strength.LIKELY,
        could_also_be=(Party.MIDDLEBOX,) if bare else (),
        stalled_by=Party.SERVER,
        end=ending.at,
        next_steps=(("On the server: find out what kept its mail software from answering at this time.",),),
    )
    yield weighed(see, Side.CLIENT, claim)
