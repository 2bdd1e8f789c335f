"""The server ends the connection: the stages, and the ways in which a program or a kernel can do it."""

from ..lab import Lab
from ..peers.conversation import answers
from ..scenario import scenario


@scenario("The server accepts the connection and closes it without a greeting", "greeting server fin")
def greeting_server_closes(lab: Lab) -> None:
    client, server = lab.session()
    server.closes()
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "close", "greeting")


@scenario("The server greets with 421 (busy) and closes", "greeting server fin 421")
def greeting_421_and_close(lab: Lab) -> None:
    client, server = lab.session()
    answers("greeting", client, server, "421 4.3.2 gw.example.net Too many connections")
    server.closes()
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "close", "greeting")


@scenario(
    "The server greets with 554 (policy) and closes; the client's EHLO crosses the FIN and draws a reset",
    "greeting server fin 554",
)
def greeting_554_and_close(lab: Lab) -> None:
    client, server = lab.session()
    answers("greeting", client, server, "554 5.7.1 gw.example.net You are not welcome")
    server.closes()
    client.says("EHLO mail.example.com")
    client.hears_end()
    lab.shows("client", "tcp.flags.reset == 1 && tcp.srcport == 25")
    lab.did("server", "fin", "close", "greeting")


@scenario("The server's program is killed while EHLO lies unread in its socket", "ehlo server rst killed", ipv6=True)
def ehlo_server_killed_with_unread_input(lab: Lab) -> None:
    client, server = lab.talk(after="greeting")
    client.says("EHLO mail.example.com")
    server.is_killed(with_unread_input=True)
    client.hears_end()
    lab.did("server", "rst", "killed", "ehlo")


@scenario("The server's program is killed at MAIL, all its input read", "mail server fin killed")
def mail_server_killed(lab: Lab) -> None:
    client, server = lab.talk(until="mail")
    server.is_killed()
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "killed", "mail")


@scenario("The server closes at RCPT without a reply", "rcpt server fin")
def rcpt_server_closes(lab: Lab) -> None:
    client, server = lab.talk(until="rcpt")
    server.waits(0.6)
    server.closes()
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "close", "rcpt")


@scenario("The server's program aborts (SO_LINGER 0) when DATA has come", "data server rst")
def data_server_aborts(lab: Lab) -> None:
    client, server = lab.talk(until="data")
    server.aborts()
    client.hears_end()
    lab.did("server", "rst", "abort", "data")


@scenario(
    "In mid-body the server says 552 and closes; what of the message lies unread makes it a reset",
    "body server rst 552",
)
def body_server_closes_with_unread_input(lab: Lab) -> None:
    client, server = lab.talk(until="body")
    client.sends(b"Somebody went on reading aloud.\r\n" * 40, "message")
    lab.pauses(0.1)
    server.says("552 5.3.4 Message too big")
    server.closes_with_unread_input()
    client.hears_end()
    lab.did("server", "rst", "unread", "body")


@scenario(
    "The whole message is there, the server says nothing to the final dot and aborts",
    "end-of-data server rst",
    ipv6=True,
)
def dot_server_aborts(lab: Lab) -> None:
    client, server = lab.talk(until="end-of-data")
    server.waits(0.8)
    server.aborts()
    client.hears_end()
    lab.did("server", "rst", "abort", "end-of-data")


@scenario(
    "The message is accepted; the server loses patience with an idle client: 421, and it closes", "idle server fin 421"
)
def idle_server_421(lab: Lab) -> None:
    client, server = lab.talk(after="end-of-data")
    server.waits(3)
    server.says("421 4.4.2 gw.example.net Error: timeout exceeded")
    server.closes()
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "close", "end-of-data", stalled_by="client")


@scenario(
    "The server's machine starts anew in the middle of the message: its kernel knows no such connection",
    "body server rst restart",
)
def body_server_restarts(lab: Lab) -> None:
    client, server = lab.talk(until="body")
    lab.pauses(0.2)
    server.forgets()
    lab.pauses(0.3)
    client.sends(b"Nobody was left to listen.\r\n" * 20, "message")
    client.hears_end()
    lab.shows("client", "tcp.flags == 0x004 && tcp.srcport == 25")
    lab.did("server", "rst", "forgets", "body")


@scenario("Nothing listens on the server's port", "connect server refused")
def connect_refused(lab: Lab) -> None:
    lab.fails_to_connect()
    lab.shows("client", "tcp.flags == 0x014 && tcp.seq_raw == 0")
    lab.did("server", "refused", "not listening", "connect", owing="server")
