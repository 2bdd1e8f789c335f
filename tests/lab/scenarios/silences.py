"""Silence, in one direction or in both, at each step: what was lost, who noticed it, and what was found again."""

from ..lab import Lab
from ..peers import reach
from ..peers.conversation import COMMANDS, REPLIES, Step
from ..scenario import scenario
from ..wire import carries


def command_lost(lab: Lab, step: Step, before: Step) -> None:
    """From that command on nothing comes through to the server; the client hears no acknowledgement."""
    client, _ = lab.talk(after=before)
    lab.pauses(0.1)
    lab.far.dies(toward="server")
    client.says(*COMMANDS[step])
    client.waits_in_vain(3)
    lab.shows("client", "tcp.analysis.retransmission && tcp.dstport == 25", at_least=2)
    lab.did("path", "timeout", "silence", step, owing="server")


def reply_lost(lab: Lab, step: Step) -> None:
    """The server has the command and answers, again and again; nothing comes through to the client."""
    client, server = lab.talk(until=step)
    lab.pauses(0.1)
    lab.far.dies(toward="client")
    server.says(*REPLIES[step])
    client.waits_in_vain(3)
    lab.shows("server", "tcp.analysis.retransmission && tcp.srcport == 25", at_least=2)
    lab.did("path", "timeout", "silence", step)


@scenario(
    "The greeting never arrives: the path toward the client died behind the handshake", "greeting path", ipv6=True
)
def greeting_lost(lab: Lab) -> None:
    client, server = lab.session()
    lab.pauses(0.1)
    lab.far.dies(toward="client")
    server.says(*REPLIES["greeting"])
    client.waits_in_vain(3)
    client.closes()
    lab.pauses(0.5)
    lab.shows("server", "tcp.analysis.retransmission && tcp.srcport == 25", at_least=2)
    lab.did("path", "timeout", "silence", "greeting")


@scenario("EHLO goes into silence: the path toward the server is dead", "ehlo path silence one-way")
def ehlo_lost(lab: Lab) -> None:
    command_lost(lab, "ehlo", before="greeting")


@scenario("The reply to EHLO never arrives", "ehlo path silence one-way", ipv6=True)
def ehlo_reply_lost(lab: Lab) -> None:
    reply_lost(lab, "ehlo")


@scenario("MAIL goes into silence: the path toward the server is dead", "mail path silence one-way", ipv6=True)
def mail_lost(lab: Lab) -> None:
    command_lost(lab, "mail", before="ehlo")


@scenario("DATA goes into silence: the path toward the server is dead", "data path silence one-way")
def data_lost(lab: Lab) -> None:
    command_lost(lab, "data", before="rcpt")


@scenario("354 never arrives: the path toward the client is dead", "data path silence one-way", ipv6=True)
def go_ahead_lost(lab: Lab) -> None:
    reply_lost(lab, "data")


@scenario("Exactly the final dot is lost, and repeated; then all goes well", "end-of-data path loss clean")
def dot_lost_once(lab: Lab) -> None:
    client, server = lab.talk(after="data")
    lost = lab.far.drop("server", lambda segment: segment.payload == b".\r\n")
    reach(client, server, begin="body", after="quit")
    server.closes()
    client.hears_end()
    client.closes()
    assert lost.done == 1
    lab.shows("client", "tcp.analysis.retransmission && tcp.len == 3")
    lab.did("nobody", "quit", "quit", "quit")


@scenario(
    "Exactly the final dot is lost, always; the client's half-close passes, and the server reports the hole before it",
    "end-of-data path loss hole",
    ipv6=True,
)
def dot_lost_for_good(lab: Lab) -> None:
    client, server = lab.talk(until="body")
    client.sends(b"The last line.\r\n", "message")
    server.hears_octets(16)
    lab.pauses(0.1)
    lab.far.drop("server", lambda segment: segment.payload[:3] == b".\r\n", times=1000)
    lab.journal.write("far", "dies", toward="server")
    client.says(".")
    client.half_closes()
    client.waits_in_vain(3)
    lab.shows("client", "tcp.analysis.retransmission && tcp.dstport == 25", at_least=2)
    lab.shows("server", "tcp.flags.fin == 1 && tcp.dstport == 25")
    lab.did("path", "timeout", "black hole", "end-of-data")


@scenario("The message vanishes from its first octet on: the near cable is dead", "body path silence near", ipv6=True)
def body_lost_from_its_beginning(lab: Lab) -> None:
    client, _ = lab.talk(after="data")
    lab.near.dies(toward="server")
    client.sends(b"Nobody heard this.\r\n" * 30, "message")
    client.waits(3)
    lab.shows("client", "tcp.analysis.retransmission", at_least=2)
    lab.did("path", "timeout", "silence", "body")


@scenario(
    "The reply to RCPT is lost twice and comes a second later; the delivery goes on", "rcpt path loss clean", ipv6=True
)
def rcpt_reply_lost_twice(lab: Lab) -> None:
    client, server = lab.talk(until="rcpt")
    lost = lab.near.drop("client", carries(b"Recipient ok"), times=2)
    server.says(*REPLIES["rcpt"])
    client.hears("250")
    reach(client, server, begin="data", after="quit")
    client.closes()
    server.hears_end()
    server.closes()
    assert lost.done == 2
    lab.shows("server", "tcp.analysis.retransmission && tcp.srcport == 25", at_least=2)
    lab.did("nobody", "quit", "quit", "quit")


@scenario("An idle path, dead in both directions, is noticed by the server: its 421 goes unheard", "idle path silence")
def idle_421_unheard(lab: Lab) -> None:
    _, server = lab.talk(after="end-of-data")
    lab.pauses(0.5)
    lab.near.dies()
    server.says("421 4.4.2 gw.example.net Error: timeout exceeded")
    server.closes()
    lab.pauses(3)
    lab.shows("server", "tcp.analysis.retransmission && tcp.srcport == 25", at_least=2)
    lab.did("path", "timeout", "silence", "end-of-data")


@scenario(
    "At the final dot the path dies; the client gives up, and its FIN too meets silence",
    "end-of-data path silence lookalike",
    ipv6=True,
)
def dot_client_gives_up_into_silence(lab: Lab) -> None:
    client, _ = lab.talk(until="end-of-data")
    lab.pauses(0.2)
    lab.far.dies()
    client.waits_in_vain(2)
    client.closes()
    lab.pauses(2)
    lab.shows("client", "tcp.flags.fin == 1 && tcp.dstport == 25", at_least=3)
    lab.did("path", "timeout", "silence", "end-of-data")
