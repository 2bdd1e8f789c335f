"""PD612: message text that servers stumble over."""

from collections.abc import Iterator

from pcapdiag.diagnosis.matters import Matter
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import Side
from pcapdiag.smtp.dialogue import OddKind

FAULTS = {
    OddKind.BARE_LF: "lines that end in LF without CR: strict servers refuse them",
    OddKind.LONG_LINE: "a line of more than 2,048 octets",
    OddKind.UNSTUFFED_TEXT: "message text where commands were expected: a lone dot had ended the message too early",
    OddKind.PIPELINED_AFTER_STARTTLS: "octets behind STARTTLS before its reply: servers take that for an attack",
}


@rule("PD612", "Text that servers stumble over", None, about=(Matter.ODDITIES,))
def line_ends(see: Observation) -> Iterator[Claim]:
    """The client sent line ends, lines or text that servers may refuse.

    What it sees:
        At least one of these in an SMTP dialogue: a line that ends in LF without CR; a command or reply line of more
        than 2,048 octets; text of a message where commands were expected; octets behind STARTTLS before its reply.

    What it means:
        The sending software is not strict about RFC 5321; some servers refuse or hang up for it. Since the attacks by
        smuggled messages of December 2023 more servers refuse bare line feeds than before.

    What else looks like this:
        Octets that the capture missed can look like a broken line (PD903). Message text behind a refused DATA is a
        client that did not wait for 354.

    What to do:
        On the server, read the log of that second. Postfix: smtpd_forbid_bare_newline and "improper command
        pipelining"; Exim: rejectlog, "synchronization error"; Exchange: the SmtpReceive protocol log. On the client,
        mend the software that makes the message: lines end in CR LF, a line that begins with a dot gets a second one,
        and nothing follows STARTTLS or DATA before the reply.

    Sources:
        RFC 5321 sections 2.3.8 (lines), 4.1.1.4 ("<LF>.<LF>" is no end of mail data), 4.5.2 (transparency) and
        4.5.3.1.4 (command line: 512 octets); RFC 3207 section 4.2 (what came before the TLS handshake is discarded).
    """
    if not see.dialogue.oddities or not see.dialogue.recognised:
        return
    for kind, says in FAULTS.items():
        found = tuple(odd.at for odd in see.dialogue.oddities if odd.kind is kind and odd.side is Side.CLIENT)
        if found:
            yield Claim((f"The client sent {says}",), (Evidence((kind.value.replace("-", " "),), found),))
