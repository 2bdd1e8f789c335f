"""PD612: message text that servers stumble over."""

from collections.abc import Iterator

from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.smtp.dialogue import OddKind

FAULTS = {
    OddKind.BARE_LF: "lines that end in LF without CR: strict servers refuse them",
    OddKind.LONG_LINE: "a line longer than 998 octets",
    OddKind.UNSTUFFED_TEXT: "message text where commands were expected: a lone dot had ended the message too early",
    OddKind.PIPELINED_AFTER_STARTTLS: "octets behind STARTTLS before its reply: servers take that for an attack",
}


@rule("PD612", "Text that servers stumble over", None)
def line_ends(see: Observation) -> Iterator[Claim]:
    """The client sent line ends, lines or text that servers may refuse.

    What it sees:
        A bare LF, a line beyond 998 octets, text of a message among the commands, or octets behind STARTTLS.

    What it means:
        The sending software is not strict about RFC 5321; some servers refuse or hang up for it.

    What else looks like this:
        Octets that the capture missed can look like a broken line.

    What to do:
        Mend the sending software; on the server, see its log for the reason it gives.

    Sources:
        RFC 5321 sections 2.3.8, 4.5.2 and 4.5.3.1.6, RFC 3207 section 4.2.
    """
    for kind, says in FAULTS.items():
        found = tuple(odd.at for odd in see.dialogue.oddities if odd.kind is kind)
        if found:
            yield Claim((f"The client sent {says}",), (Evidence((kind.value.replace("-", " "),), found),))
