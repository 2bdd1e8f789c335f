"""The client ends the connection: it closes, aborts, is killed, loses patience, or says QUIT in more or less polite ways."""

from ..lab import Lab
from ..peers import MESSAGE, deliver, reach
from ..peers.conversation import answers
from ..scenario import scenario


@scenario("A delivery without any trouble", "quit clean")
def delivery(lab: Lab) -> None:
    deliver(*lab.session())
    lab.did("nobody", "quit", "quit", "quit")


@scenario("QUIT, and the client closes without waiting for the 221, which then draws a reset", "quit clean rst")
def quit_without_waiting(lab: Lab) -> None:
    client, server = lab.talk(after="end-of-data")
    client.says("QUIT")
    client.closes()
    server.hears("QUIT")
    server.waits(0.1)
    server.says("221 2.0.0 Bye")
    server.hears_end()
    server.closes()
    lab.shows("server", "tcp.flags.reset == 1 && tcp.dstport == 25")
    lab.did("nobody", "quit", "quit", "quit")


@scenario(
    "The greeting does not come; the client waits and gives up, acknowledged by the server's kernel all the time",
    "greeting client fin timeout",
)
def greeting_client_gives_up(lab: Lab) -> None:
    client, server = lab.session()
    client.waits_in_vain(4)
    client.closes()
    server.hears_end()
    server.closes()
    lab.did("client", "fin", "gives up", "greeting", stalled_by="server")


@scenario("After a complete EHLO the client closes without a word", "ehlo client fin")
def ehlo_client_closes(lab: Lab) -> None:
    client, server = lab.talk(after="ehlo")
    client.waits(0.5)
    client.closes()
    server.hears_end()
    server.closes()
    lab.did("client", "fin", "close", "ehlo")


@scenario("The client aborts between RCPT and its reply", "rcpt client rst", ipv6=True)
def rcpt_client_aborts(lab: Lab) -> None:
    client, server = lab.talk(until="rcpt")
    client.aborts()
    server.hears_end()
    lab.did("client", "rst", "abort", "rcpt")


@scenario("The client is killed in the middle of the message", "body client fin killed")
def body_client_killed(lab: Lab) -> None:
    client, server = lab.talk(until="body")
    client.waits(0.4)
    client.is_killed()
    server.hears_end()
    server.closes()
    lab.did("client", "fin", "killed", "body")


@scenario(
    "The server never answers the final dot; the client loses patience and closes", "end-of-data client fin timeout"
)
def dot_client_gives_up(lab: Lab) -> None:
    client, server = lab.talk(until="end-of-data")
    client.waits_in_vain(4)
    client.closes()
    server.hears_end()
    server.closes()
    lab.did("client", "fin", "gives up", "end-of-data", stalled_by="server")


@scenario(
    "The final dot and QUIT come in one segment, and the server closes without a reply",
    "end-of-data server fin pipelining",
)
def dot_and_quit_pipelined_server_closes(lab: Lab) -> None:
    client, server = lab.talk(after="data")
    client.sends(MESSAGE, "message")
    client.says(".", "QUIT")
    server.hears(".")
    server.hears("QUIT")
    server.waits(0.3)
    server.closes()
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "close", "end-of-data")


@scenario("A recipient is refused; the client goes without QUIT", "rcpt client fin 550")
def rcpt_refused_client_closes(lab: Lab) -> None:
    client, server = lab.talk(until="rcpt")
    answers("rcpt", client, server, "550 5.1.1 No such user here")
    client.closes()
    server.hears_end()
    server.closes()
    lab.did("client", "fin", "close", "rcpt")


@scenario(
    "The client sends so fast that the server, which has stopped reading, closes its window; then the client gives up",
    "body client rst zero-window",
)
def body_zero_window_client_gives_up(lab: Lab) -> None:
    client, server = lab.session(receive_buffer=2304)
    reach(client, server, after="data")
    client.sends(MESSAGE * 4, "message")
    client.waits(3)
    client.aborts()
    server.hears_end()
    lab.shows("client", "tcp.analysis.zero_window", at_least=3)
    lab.did("client", "rst", "abort", "body", stalled_by="server")


@scenario("The session is still open, and nothing has ended it, when the captures stop", "idle open")
def idle_open(lab: Lab) -> None:
    client, _ = lab.talk(after="rcpt")
    client.waits(1)
    lab.did("nobody", "open", "open", "rcpt")
