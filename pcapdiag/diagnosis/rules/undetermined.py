"""PD900: no rule can name anybody."""

from collections.abc import Iterator

from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.model import Party


@rule("PD900", "Undetermined", Party.UNDETERMINED, ends=())
def undetermined(see: Observation) -> Iterator[Claim]:
    """What a verdict says when no rule's conditions are met, or when equally strong claims name different parties.

    What it sees:
        Either nothing that any rule recognises, such as a single SYN at the very end of a capture; or signs that
        contradict one another: then the claims stand in the report beside the verdict; or a FIN behind packets cut
        where a QUIT and its answer may have stood.

    What it means:
        The capture does not show enough to name anybody. That is an answer: a wrong accusation is worse.

    What else looks like this:
        A capture of one direction only (PD901) and one that holds only scraps of the session (PD902) say more exactly
        what is missing.

    What to do:
        Take the capture that the report names, on the machine it names, and let it run until the session has ended.

    Sources:
        docs/reference/verdict.md, section 1: "undetermined: the capture does not show enough".
    """
    yield from ()
