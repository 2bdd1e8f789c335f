"""PD302: the server's own TCP aborted the connection."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.reset_evidence import own_reset
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.model import Party, Side


@rule("PD302", "Server reset the connection", Party.SERVER, ends=(Kind.RST,))
def server_reset(see: Observation) -> Iterator[Claim]:
    """The server's own TCP reset the connection.

    What it sees:
        As PD202, for the server: the first close that counts is a RST from the server's address, and neither its TTL,
        nor its timestamp, nor what the server sent afterwards, nor a second capture point contradicts that. Likely for
        a RST+ACK with a live window or a timestamp (or without timestamps where the server used none) that has the TTL
        of other packets of the server; possible for a bare RST, because a host whose socket is gone (reboot, failover)
        and a device that copies the TTL look the same, and for one whose TTL cannot be compared or differs from few.

    What it means:
        The server's program aborted the connection, closed it with octets of the client unread (a refusal in the
        middle of the message does that, and the refusal itself may get lost), or was killed.

    What else looks like this:
        A forged reset: PD401 (foreign TTL), PD402 (the server went on), PD406 (seen at one point only), PD407 (both
        ends reset), PD408 (stale timestamp). A device that resets only the server: the client's next command then
        draws a genuine bare RST from the server's kernel, and only a capture on the server's side shows the killer.

    What to do:
        On the server, read the mail log of that second and the minute before it. Postfix: smtpd and milter lines of
        this client, "fatal" or "panic"; Exim: mainlog, rejectlog and paniclog; Exchange: the SmtpReceive protocol log
        and the application event log. A refusal that was sent just before (PD601) is the reason. Then restarts,
        failover of a cluster or load balancer (its log), the OOM killer (dmesg -T), the content filter's own log. The
        server knows nothing of it: capture on the server too. The reset leaves there, or arrives there from the
        client's address: in the second case a device on the way killed both.

    Sources:
        RFC 9293 section 3.6.1 (closed with data unread), section 3.10.5 (abort), section 3.10.7.1 (no such
        connection); Microsoft KB Q228725: "499 No routing hosts are reachable" means "that the TCP connection has been
        dropped"; shapes measured on Linux, docs/explanation/resets.md.
    """
    if not see.closed_by(Side.SERVER):
        return
    claim = own_reset(see, Side.SERVER)
    if claim is not None:
        yield claim._replace(
            summary=(*words.The(see.session, Side.SERVER), f" reset the connection {see.step}", *see.waiting()),
            next_steps=(
                (
                    "On the server: read the mail log, and that of its content filter, at this time; look for a"
                    " crash or restart.",
                ),
            ),
        )
