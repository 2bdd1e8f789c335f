"""PD201: the client closed before it was done."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.close_evidence import first_fin, weighed
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.model import How, Party, Side, Stage, Strength
from pcapdiag.smtp.dialogue import MASKS


@rule("PD201", "Client closed the connection", Party.CLIENT, ends=(Kind.FIN,))
def client_closed(see: Observation) -> Iterator[Claim]:
    """The client closed without a QUIT that counts.

    What it sees:
        All of the following: the first close that counts is the client's FIN, and its receiver accepted it; no QUIT
        that counts came before it; no silence, no lasting hole and no ICMP error that ended the session came before
        it; neither side had sent a fatal TLS alert; the server had not announced its close by a 421 that the client
        acknowledged. A FIN of the server, or a 421, that was under way at the same time makes the claim possible only:
        half of each side's shortest round trip tells which was sent first. So does a FIN that was repeated without any
        answer. A FIN that the capture missed counts when
        the server acknowledges one number more than the client's octets, and the client's later segments stand there,
        too. The client's FIN right behind QUIT, while the reply to the final dot is still due (Exim), is no close and
        is passed over.

    What it means:
        The client's program closed its socket, or was ended (a process that is killed when it has read all its input
        sends FIN too). A FIN tells nothing about the reason: the position in the dialogue and the client's log do.

    What else looks like this:
        A client that lost patience with a silent server: PD203, which needs a second of waiting. A client that
        has nothing more to send after all its mail was answered: PD205. A probe: PD204. A FIN forged by a device:
        PD405 compares its TTL and looks for octets that the client sent behind it.

    What to do:
        On the client, read the mail log from one minute before to one minute after the FIN. Postfix: grep the server's
        address in mail.log; "lost connection" or "timed out while" means that Postfix saw something else than we do.
        Exim: exigrep with the message id in mainlog. Exchange: the SmtpSend protocol log (ProtocolLoggingLevel Verbose
        on the send connector) and Get-Queue | fl Identity,LastError. Nothing in the log: look for a restart of the
        service or a killed process at that second (journalctl, dmesg for the OOM killer, the Windows event log).

    Sources:
        RFC 9293 section 3.6 (closing); RFC 5321 section 4.1.1.10: "The sender MUST NOT intentionally close the
        transmission channel until it sends a QUIT command".
    """
    ending = see.ending
    if not see.closed_by(Side.CLIENT):
        return
    masked = [odd for odd in see.dialogue.oddities if odd.kind in MASKS]
    claim = Claim(
        (*words.The(see.session, Side.CLIENT), f" closed the connection {see.step}", *see.waiting()),
        (first_fin(see, Side.CLIENT), see.last_said),
        how=How.FIN,
        strength=Strength.LIKELY,
        stalled_by=Party.MIDDLEBOX if masked and see.stage in (Stage.GREETING, Stage.EHLO) else None,
        end=ending.at,
        next_steps=(("On the client: read its mail log at this time for the reason why it closed.",),),
    )
    yield weighed(see, Side.CLIENT, claim)
