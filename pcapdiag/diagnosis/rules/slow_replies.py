"""PD608: replies that took long."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import Duration

SLOW_NS = 10_000_000_000


@rule("PD608", "Slow replies", None)
def slow_replies(see: Observation) -> Iterator[Claim]:
    """The server took ten seconds or longer for at least one reply.

    What it sees:
        A reply, or the greeting, that begins ten seconds or more after the command it answers, or after the handshake.

    What it means:
        The server was busy with something: DNS and DNSBL look-ups before the greeting, a policy daemon at RCPT,
        content scanning after the final dot, or a tarpit on purpose.

    What else looks like this:
        Loss on the path: then the command or the reply was sent more than once (PD610). A delay on purpose has a round
        length: Exchange's TarpitInterval is 5 s, postscreen's greet delay 6 s.

    What to do:
        On the server, at the stage that was slow. Greeting: time dig -x CLIENT and the DNSBL look-ups there; ident
        (port 113) that nobody answers; Postfix postscreen_greet_wait. RCPT: policy daemons, LDAP or SQL look-ups,
        call-outs (Exim verify = recipient/callout). Final dot: milters, content filter, disk; Postfix "delays=a/b/c/d"
        in the delivery's log line tells where the time went; Exchange: Get-MessageTrackingLog and the agent log.

    Sources:
        RFC 5321 section 4.5.3.2 (how long a client should wait); section 6.1: the server should minimise the time to
        answer the final dot.
    """
    if see.connection.last.time_ns - see.connection.first.time_ns < SLOW_NS:
        return
    slow = []
    free = None  # when the server had answered what stood before in the pipeline
    for command, reply, _ in see.dialogue.exchanges:
        if reply is None:
            continue
        asked = command.at if free is None else max(command.at, free)
        if reply.start.time_ns - asked.time_ns >= SLOW_NS:
            slow.append((asked, reply.at, reply.start.time_ns - asked.time_ns))
        free = reply.at
    greeting, complete = see.dialogue.greeting, see.connection.handshake.complete
    if greeting is not None and complete is not None and greeting.start.time_ns - complete.time_ns >= SLOW_NS:
        slow.insert(0, (complete, greeting.at, greeting.start.time_ns - complete.time_ns))
    if slow:
        longest = max(wait for _, _, wait in slow)
        yield Claim(
            (f"The server took long for {len(slow)} repl{'y' if len(slow) == 1 else 'ies'}, up to ", Duration(longest)),
            tuple(
                Evidence((Duration(wait), " until the reply"), words.frames(asked, told))
                for asked, told, wait in slow[:5]
            ),
        )
