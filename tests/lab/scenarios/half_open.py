"""One host no longer knows the connection, and the other does not know that: restarts of the client's and the server's host."""

from ..lab import Lab
from ..peers.conversation import COMMANDS, REPLIES
from ..scenario import scenario


@scenario(
    "The client's host starts anew; the server's 421 to an idle client draws a reset",
    "idle client rst restart",
    ipv6=True,
)
def idle_client_restarts(lab: Lab) -> None:
    client, server = lab.talk(after="rcpt")
    lab.pauses(0.3)
    client.forgets()
    lab.pauses(1)
    server.says("421 4.4.2 gw.example.net Error: timeout exceeded")
    server.hears_end()
    lab.shows("server", "tcp.dstport == 25 && tcp.flags == 0x004")
    lab.did("client", "rst", "forgets", "rcpt")


@scenario(
    "The client's host starts anew while the server stores the message; the 250 draws a reset",
    "end-of-data client rst restart duplicate",
)
def dot_client_restarts(lab: Lab) -> None:
    client, server = lab.talk(until="end-of-data")
    client.forgets()
    server.waits(0.5)
    server.says(*REPLIES["end-of-data"])
    server.hears_end()
    lab.shows("server", "tcp.dstport == 25 && tcp.flags == 0x004")
    lab.did("client", "rst", "forgets", "end-of-data")


@scenario(
    "The server's host starts anew between two commands; MAIL draws a reset", "mail server rst restart", ipv6=True
)
def mail_server_restarted(lab: Lab) -> None:
    client, server = lab.talk(after="ehlo")
    server.forgets()
    lab.pauses(0.5)
    client.says(*COMMANDS["mail"])
    client.hears_end()
    lab.shows("client", "tcp.srcport == 25 && tcp.flags == 0x004")
    lab.did("server", "rst", "forgets", "mail", owing="server")


@scenario(
    "The client's power fails at the go-ahead; the server waits, and its 421 meets silence", "body client silence power"
)
def body_client_power_fails(lab: Lab) -> None:
    _, server = lab.talk(after="data")
    lab.power_fails("client")
    server.waits(1)
    server.says("421 4.4.2 gw.example.net Timeout while waiting for data")
    server.closes()
    lab.pauses(3)
    lab.shows("server", "tcp.analysis.retransmission && tcp.srcport == 25", at_least=2)
    lab.did("client", "timeout", "power failure", "body")
