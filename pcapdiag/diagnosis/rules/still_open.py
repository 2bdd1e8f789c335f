"""PD103: alive, or at least not ended, when the capture ended."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import Duration, How, Party, Says, Side, Strength

SILENT_NS = 60_000_000_000
DOUBT_NS = 3_000_000_000
"""After so long without a word something may have happened that this capture point cannot see."""


@rule("PD103", "Not ended in this capture", Party.NOBODY, ends=(Kind.OPEN,))
def still_open(see: Observation) -> Iterator[Claim]:
    """Nothing ended the session before the capture stopped, or before its ports were used again.

    What it sees:
        Both directions were captured, and there is no FIN that was accepted (but for the client's behind QUIT while
        the reply to the final dot is due), no RST that was obeyed, no ICMP error that ended the session, no segment
        repeated twice over 0.9 s without an answer and no lasting hole. A QUIT that counts without a close behind it
        is still open, too.

    What it means:
        The session was alive when the capture ended, or the capture stopped too early. After more than 60 s without a
        word the report says who owed what: that is where the mail hangs, although nobody has dropped anything yet.

    What else looks like this:
        A host that vanished without a trace right before the end of the capture. Retransmissions would tell, had the
        capture gone on.

    What to do:
        Let the capture run until the session has ended: the longest usual timer is ten minutes. If it hangs, look at
        the machine of the side that owes the next word, now: ss -tnpo 'dport = :25 or sport = :25' shows the process,
        its queues and timers; then what that process waits for (strace -p PID, lsof -p PID). Postfix: qshape active;
        Exim: exiwhat; Exchange: Get-Queue | fl Identity,Status,LastError.

    Sources:
        RFC 5321 section 4.5.3.2 (timeouts: 5 minutes for most commands, 10 for the reply to the final dot).
    """
    ending = see.ending
    waited = see.waited_ns or 0
    silent = waited > SILENT_NS
    why = "its ports were used again" if see.connection.reused else "the capture ended"
    summary: Says = (f"The session was still open when {why}, {see.step}",)
    if silent and see.owing is not None:
        owed = {Side.CLIENT: "the client", Side.SERVER: "the server"}[see.owing]
        summary = (
            f"The session was still open when {why}, but {owed} had owed the next word for ",
            Duration(waited),
            f", {see.step}",
        )
    quit_ = (
        (Evidence(("QUIT was sent and everything before it had been answered",), words.frames(ending.quit.at)),)
        if ending.quit
        else ()
    )
    doubtful = waited > DOUBT_NS and ending.quit is None
    owing = {Side.CLIENT: (Party.CLIENT,), Side.SERVER: (Party.SERVER,), None: ()}[see.owing]
    yield Claim(
        summary,
        (*quit_, Evidence(("the last frame of the session; neither side closed it",), words.frames(ending.at))),
        (Evidence(("what was sent behind this capture point and lost there would not be seen",)),) if doubtful else (),
        how=How.OPEN,
        strength=Strength.POSSIBLE if doubtful else Strength.LIKELY,
        could_also_be=tuple(dict.fromkeys((Party.PATH, *owing))) if doubtful else (),
        end=ending.at,
    )
