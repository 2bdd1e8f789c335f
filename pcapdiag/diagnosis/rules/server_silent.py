"""PD309: the server's own capture shows packets arriving, and nothing leaving."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import How, Party, Side, Strength, Vantage


@rule(
    "PD309",
    "Server does not answer what reaches it",
    Party.SERVER,
    ends=(Kind.CONNECT, Kind.SILENCE),
    supersedes=("PD501", "PD502"),
)
def server_silent(see: Observation) -> Iterator[Claim]:
    """The packets arrived at the server, and the server said nothing.

    What it sees:
        The user says that the capture was taken on the server (--captured-at server), and one of these: the client's
        SYN stands in it at least twice, no packet of the server and no ICMP error that quotes the connection; or the
        session ended in the silence of the server that PD502 describes.

    What it means:
        The packets reach the server's network card and its TCP does not answer: a packet filter on the server itself
        drops them, or its kernel hangs. Nothing on the way to the server is to blame.

    What else looks like this:
        A capture that was not taken on the server: then a path that is dead behind it looks the same, and PD501 or
        PD502 is all that can be said. The rule therefore believes the user only, never an inference. A capture that
        holds one direction only (a mirror) looks the same, too: do other connections of this server show both?

    What to do:
        On the server, while it happens: nft list ruleset or iptables -L -nv (a counter of a DROP rule that grows),
        fail2ban-client status, Windows: Get-NetFirewallRule and pfirewall.log. Then routing: ip route get CLIENT and
        net.ipv4.conf.all.rp_filter (an answer that would leave by another interface); nstat -az TcpExtListenDrops (a
        full queue); dmesg -T. The same second in the mail log shows whether the mail software saw anything: usually
        nothing at all.

    Sources:
        RFC 9293 section 3.10.7.1: a segment of an unknown connection "causes a RST to be sent in response", so a host
        that is alive and says nothing has a filter.
    """
    if see.around.captured_at is not Vantage.SERVER:
        return
    if see.ending.kind is Kind.CONNECT:
        asked = see.connection.handshake.syns
        if (
            len(asked) < 2
            or see.half(Side.SERVER).packets
            or any(not error.path_mtu for _, error in see.connection.icmp)
        ):
            return
    else:
        quiet = see.ending.silence
        if quiet is None or see.ending.side is not Side.SERVER:
            return
        asked = (quiet.unanswered, *quiet.repeats)
    yield Claim(
        (*words.The(see.session, Side.SERVER), f" did not answer what reached it {see.step}"),
        (
            Evidence((f"{len(asked)} packets of the client arrived at the server",), asked[:50], len(asked)),
            Evidence(("the capture was taken on the server, and nothing left it after them",)),
        ),
        how=How.TIMEOUT,
        strength=Strength.LIKELY,
        end=asked[-1],
        next_steps=(("On the server: look for a packet filter rule that drops this client or port.",),),
    )
