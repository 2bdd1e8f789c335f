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
        All of the following: the first close that counts is a RST from the server's address; its TTL does not differ
        from the server's other packets; the server sent nothing afterwards that a host without this socket could not
        send; its timestamp fits the server's clock. RST+ACK with a live window or timestamps makes it likely; a bare RST
        is at most possible, because a host whose socket is gone (reboot, failover) and a device that copies the TTL look
        the same.

    What it means:
        The server's program aborted the connection, closed it with octets of the client unread (a refusal in the middle
        of the message does that, and the refusal itself may get lost), or was killed.

    What else looks like this:
        A forged reset: PD401 (foreign TTL), PD402 (the server went on), PD406 (seen on one leg only), PD407 (both ends
        reset). A device that resets only the server: the client's next command then draws a genuine bare RST from the
        server's kernel, and only a capture on the server's side shows the killer.

    What to do:
        Read the server's mail log at the time of the reset; if it knows nothing, capture on the server's side too.

    Sources:
        RFC 9293 sections 3.5.2 and 3.10.7; Microsoft KB 228725 (499 No routing hosts are reachable); shapes measured on
        Linux, see docs/explanation/resets.md.
    """
    if not see.closed_by(Side.SERVER):
        return
    claim = own_reset(see, Side.SERVER)
    if claim is not None:
        yield claim._replace(
            summary=(*words.The(see.session, Side.SERVER), f" reset the connection {see.step}", *see.waiting()),
            next_steps=(
                (
                    "On the server: read the mail log, and that of its content filter, at this time; look for a crash or restart.",
                ),
            ),
        )
