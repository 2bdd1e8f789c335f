"""PD202: the client's own TCP aborted the connection."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.close_evidence import weighed
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.reset_evidence import own_reset
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.model import Party, Side


@rule("PD202", "Client reset the connection", Party.CLIENT, ends=(Kind.RST,))
def client_reset(see: Observation) -> Iterator[Claim]:
    """The client's own TCP reset the connection.

    What it sees:
        All of the following: the first close that counts is a RST from the client's address; its TTL does not differ
        from three or more packets of the client that never varied; the client sent nothing afterwards that a host
        without this socket could not send; its timestamp is within a tenth of a second of the client's clock (where it
        has one); a capture at two points that went on did not see it at one of them only; neither side had sent a fatal
        TLS alert. Likely for a RST+ACK with a live window or a timestamp (or without timestamps where the client used
        none) that has the TTL of other packets of the client, stands at the very next sequence number, and was captured
        as often as they. Possible for one that crossed a 421 of the server, and for the others: bare, with a TTL that
        cannot be compared (none known, or they varied), or differs from one or two packets.

    What it means:
        The client's program aborted the connection (SO_LINGER 0, or closed it with unread input), or its process was
        killed with input unread, or the host no longer knew the connection.

    What else looks like this:
        A forged reset: PD401 (foreign TTL), PD402 (the client went on), PD406 (seen at one point only), PD407 (both
        ends reset), PD408 (stale timestamp). A bare reset with the right TTL can come from the client's kernel after a
        restart or from a device that copies the TTL: possible at most. A reset that ends unanswered retransmissions is
        a consequence: PD502.

    What to do:
        On the client, read the mail log of that second. Postfix: a smtp process that ended with a "warning" or "fatal"
        line. Exim: paniclog. Exchange: the SmtpSend protocol log and crashes of EdgeTransport.exe in the application
        event log. Then look for restarts (uptime, systemctl status, last reboot), for the OOM killer (dmesg -T), and
        for security software that watches port 25. A bare reset: capture on the client itself; if it does not leave
        there, a device sent it.

    Sources:
        RFC 9293 section 3.6.1 (closed with data unread: "its TCP implementation SHOULD send a RST to show that data
        was lost"), section 3.10.5 (abort) and section 3.10.7.1 (no such connection); shapes measured on Linux,
        docs/explanation/resets.md.
    """
    if not see.closed_by(Side.CLIENT):
        return
    claim = own_reset(see, Side.CLIENT)
    if claim is not None:
        claim = claim._replace(
            summary=(*words.The(see.session, Side.CLIENT), f" reset the connection {see.step}", *see.waiting()),
            next_steps=(("On the client: read its mail log and look for a crash or restart at this time.",),),
        )
        yield weighed(see, Side.CLIENT, claim)
