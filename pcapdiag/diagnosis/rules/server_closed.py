"""PD301: the server closed before the session was done."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.close_evidence import first_fin, weighed
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import How, Party, Side, Strength


@rule("PD301", "Server closed the connection", Party.SERVER, ends=(Kind.FIN,))
def server_closed(see: Observation) -> Iterator[Claim]:
    """The server closed by itself.

    What it sees:
        No QUIT that counts, no silence, no lasting hole, no ICMP error that ended the session and no fatal TLS alert,
        and one of these: the first close that counts is the server's FIN; or the server's FIN crossed the client's, and
        half of each side's shortest round trip says that it was sent first, or it came within a second of a refusal
        that the client had acknowledged; or the server had announced its close by 421, and the client acknowledged
        that, or the round trips say that it was sent first. Where only the round trips speak, or the FIN was repeated
        without any answer, the claim is possible only. A FIN that the capture missed counts when the client
        acknowledges one number more than the server's octets, and the server's later segments stand there, too.

    What it means:
        The server's program closed its socket, or was ended: a process that is killed when it has read all its input
        sends FIN too.

    What else looks like this:
        A close that follows a refusal or a 421: PD303 quotes it. A server that lost patience with a silent client:
        PD304. A FIN forged by a device: PD405. A proxy that terminates TCP is "the server" as far as TCP is concerned:
        ask whose log it is.

    What to do:
        On the server, read the mail log from a minute before to a minute after the FIN. Postfix: smtpd lines of this
        client, and "warning", "fatal" or "panic" of any daemon; Exim: mainlog and paniclog; Exchange: the SmtpReceive
        protocol log and the application event log. Then what stands behind it: milters and content filters (amavis,
        rspamd, antivirus), restarts (systemctl status, journalctl -S TIME), the OOM killer (dmesg -T), limits of
        processes. After a final dot without reply, search the server for the message: it may have been delivered.

    Sources:
        RFC 5321 section 3.8: a server "MUST NOT intentionally close the connection under normal operational
        circumstances" except after QUIT, after 421, or after a timeout; RFC 9293 section 3.6.
    """
    ending = see.ending
    if not see.closed_by(Side.SERVER):
        return
    partial = see.last_reply is not None and not see.last_reply.complete
    evidence = [first_fin(see, Side.SERVER), see.last_said]
    if partial and see.last_reply is not None:
        evidence.append(Evidence(("its last reply was never finished",), words.frames(see.last_reply.at)))
    when = "after the client had spoken another protocol than SMTP" if see.scanner else see.step
    claim = Claim(
        (*words.The(see.session, Side.SERVER), f" closed the connection {when}", *see.waiting()),
        tuple(evidence),
        how=How.FIN,
        strength=Strength.LIKELY,
        end=ending.at,
        next_steps=(("On the server: read the mail log, and that of its content filter, at this time.",),),
    )
    yield weighed(see, Side.SERVER, claim)
