"""PD202: the client's own TCP aborted the connection."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
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
        from the client's other packets; the client sent nothing afterwards that a host without this socket could not
        send; its timestamp fits the client's clock. Of the three shapes, RST+ACK with a live window or timestamps is an
        abort of a live socket; a bare RST is at most possible, because a host whose socket is gone and a device that
        copies the TTL look the same.

    What it means:
        The client's program aborted the connection (SO_LINGER 0, or closed it with unread input), or its process was
        killed with input unread, or the host no longer knew the connection.

    What else looks like this:
        A forged reset: rules PD401, PD402, PD406 and PD407 look for a foreign TTL, packets that go on, a missing copy,
        and resets to both ends. The reset that ends unanswered retransmissions is a consequence: PD502.

    What to do:
        Look at the client: its mail log, crashes, restarts, and security software at the time of the reset.

    Sources:
        RFC 9293 sections 3.5.2 and 3.10.7; shapes measured on Linux, see docs/explanation/resets.md.
    """
    if not see.closed_by(Side.CLIENT):
        return
    claim = own_reset(see, Side.CLIENT)
    if claim is not None:
        yield claim._replace(
            summary=(*words.The(see.session, Side.CLIENT), f" reset the connection {see.step}", *see.waiting()),
            next_steps=(("On the client: read its mail log and look for a crash or restart at this time.",),),
        )
