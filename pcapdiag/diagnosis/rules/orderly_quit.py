"""PD101: an orderly end, QUIT and then the close, however roughly."""

from collections.abc import Iterator

from pcapdiag.diagnosis.answers import all_acknowledged, fin_unseen
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.impact import refusal
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import How, Party, Strength

# Looked up once: members of an enumeration are slow to reach, and most sessions end so.
NOBODY, QUIT, PROVEN, LIKELY = Party.NOBODY, How.QUIT, Strength.PROVEN, Strength.LIKELY


@rule("PD101", "Ended by agreement", Party.NOBODY, ends=(Kind.QUIT,))
def orderly_quit(see: Observation) -> Iterator[Claim]:
    """The session ended by agreement.

    What it sees:
        All of the following: the client sent QUIT (or, where its octets were not captured, the server's last reply
        is 221); every earlier command, above all the final dot, had its complete reply, and the client's TCP
        acknowledged it; the QUIT was answered 221, or it did not cross the server's FIN or reset and no 421 that
        was not its answer came before the server's close; then the connection was closed. Proven when the SYN, the
        QUIT, every reply and its acknowledgement were captured and no octet and no FIN is missing. Otherwise
        likely: a reply counts, too, that lies in a hole of the server's octets which the client acknowledged
        before its QUIT (or which lies before the 221), or behind which nothing of the client was captured and
        which the server did not repeat. Behind a hole of the client, or the beginning of a capture midway, the
        server must have said something. Where the snap length left headers only: six octets of the client right
        behind the end of a message, and nothing of it after them.

    What it means:
        Both sides had said all they had to say. How roughly the sockets were closed afterwards does not matter: a 221
        that nobody reads, a reset behind it, a reset that echoes a FIN are normal on many deliveries.

    What else looks like this:
        A QUIT pipelined behind a final dot that never got its reply (Postfix and Exim do that): no orderly end, the
        dot decides. A QUIT that crosses the server's own close: the server closed by itself. Both are told apart by
        the acknowledgement numbers of the replies and of the FIN. A QUIT that nobody acknowledged: PD502.

    What to do:
        Nothing about the connection. If mail is missing, read the replies in this report (PD601 quotes refusals): a
        4xx or 5xx is an answer, not a drop, and after a 250 with a queue id the message is on the server: search its
        log for that id.

    Sources:
        RFC 5321 section 4.1.1.10 (QUIT: "it SHOULD wait until it receives the reply"), section 3.8 (terminating
        sessions). Postfix does not wait by default (smtp_skip_quit_response = yes).
    """
    ending = see.ending
    if ending.quit is None:
        return
    at, command, reply, whole = ending.quit
    if command is None:
        says = "the server said goodbye with 221; the client's octets were not captured"
    elif command.cut:
        says = "six octets, the length of a QUIT, when everything before had had an answer; the words were cut off"
    else:
        says = "the client sent QUIT when everything before it had been answered"
    evidence = [Evidence((says,), (at,))]
    if command is not None and reply is not None:
        evidence.append(Evidence(("the server answered it with ", str(reply.code)), (reply.at,)))
    resets = see.connection.closing.resets
    rough = ", roughly: resets after QUIT are harmless" if resets and resets[-1].at >= at else ""
    evidence.append(Evidence((f"the close that followed{rough}",), (ending.at,)))
    proven = command is not None and not command.cut and _all_captured(see, whole)
    refused = refusal(see, NOBODY, QUIT, benign=False)
    yield Claim(
        ("Nobody dropped this connection: it ended with QUIT", *((", after ", *refused) if refused else ())),
        tuple(evidence),
        how=QUIT,
        strength=PROVEN if proven else LIKELY,
        end=ending.at,
    )


def _all_captured(see: Observation, whole: bool) -> bool:
    """The SYN, every octet and FIN, and every reply before the QUIT with its acknowledgement (see `Quit.whole`)."""
    connection = see.connection
    client, server = connection.halves
    if not connection.handshake.syns or client.missing or server.missing or fin_unseen(connection):
        return False
    return whole or all_acknowledged(
        connection, [reply for command, reply, _ in see.dialogue.exchanges if command.verb != b"QUIT"]
    )
