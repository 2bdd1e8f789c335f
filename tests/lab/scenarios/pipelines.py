"""PIPELINING and more than one message: several commands or several mails, and an end among them."""

from ..lab import Lab
from ..peers import MESSAGE, Peer, reach
from ..peers.conversation import COMMANDS
from ..scenario import scenario

ENVELOPE = (*COMMANDS["mail"], *COMMANDS["rcpt"])
SECOND_RECIPIENT = "RCPT TO:<nobody@example.net>"


def says_at_once(client: Peer, server: Peer, *commands: str) -> None:
    """One write; the server reads them all, one after the other."""
    client.says(*commands)
    for command in commands:
        server.hears(command)


@scenario(
    "MAIL, two RCPTs and DATA in one segment; one recipient is refused, and the server closes without a word to DATA",
    "data server fin pipelining 550",
)
def pipelined_one_refused_server_closes(lab: Lab) -> None:
    client, server = lab.talk(after="ehlo")
    says_at_once(client, server, *ENVELOPE, SECOND_RECIPIENT, "DATA")
    server.says("250 2.1.0 Sender ok", "250 2.1.5 Recipient ok", "550 5.1.1 No such user here")
    for code in ("250", "250", "550"):
        client.hears(code)
    server.waits(0.4)
    server.closes()
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "close", "data")


@scenario(
    "MAIL, RCPT and DATA in one segment; the client aborts when it has the answer to MAIL",
    "rcpt client rst pipelining",
    ipv6=True,
)
def pipelined_envelope_client_aborts(lab: Lab) -> None:
    client, server = lab.talk(after="ehlo")
    says_at_once(client, server, *ENVELOPE, "DATA")
    server.says("250 2.1.0 Sender ok")
    client.hears("250")
    client.waits(0.2)
    client.aborts()
    server.hears_end()
    lab.did("client", "rst", "abort", "rcpt")


@scenario(
    "MAIL, RCPT and DATA in one segment; a device resets both ends before any answer",
    "mail middlebox rst forged pipelining",
    ipv6=True,
)
def pipelined_envelope_device_resets(lab: Lab) -> None:
    client, server = lab.talk(after="ehlo")
    says_at_once(client, server, *ENVELOPE, "DATA")
    lab.pauses(0.1)
    lab.forger.resets("client", ttl=255)
    lab.forger.resets("server", ttl=255)
    client.hears_end()
    server.hears_end()
    lab.did("middlebox", "rst", "forged reset", "mail")


@scenario("In mid-body the server says 421 and closes, all input read", "body server fin 421")
def body_421_and_close(lab: Lab) -> None:
    client, server = lab.talk(until="body")
    server.waits(0.3)
    server.says("421 4.3.2 gw.example.net Service shutting down")
    server.closes()
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "close", "body")


@scenario("354 does not come; the client waits and gives up", "data client fin timeout 2525", ipv6=True)
def data_client_gives_up(lab: Lab) -> None:
    client, server = lab.talk(until="data", port=2525)
    client.waits_in_vain(3)
    client.closes()
    server.hears_end()
    server.closes()
    lab.did("client", "fin", "gives up", "data", stalled_by="server")


@scenario("354 has come, the client sends nothing; the server gives up: 421, and it closes", "body server fin 421")
def body_server_gives_up(lab: Lab) -> None:
    client, server = lab.talk(after="data")
    server.waits_in_vain(3)
    server.says("421 4.4.2 gw.example.net Timeout while waiting for data")
    server.closes()
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "gives up", "body", stalled_by="client")


@scenario(
    "The first message is accepted; the server aborts when it has the second one", "end-of-data server rst second"
)
def second_message_server_aborts(lab: Lab) -> None:
    client, server = lab.talk(after="end-of-data")
    reach(client, server, begin="mail", until="end-of-data")
    server.waits(0.5)
    server.aborts()
    client.hears_end()
    lab.did("server", "rst", "abort", "end-of-data")


@scenario("Two messages are accepted; the client is killed in the third one", "body client fin killed third", ipv6=True)
def third_message_client_killed(lab: Lab) -> None:
    client, server = lab.talk(after="end-of-data")
    reach(client, server, begin="mail", after="end-of-data")
    reach(client, server, begin="mail", until="body")
    client.is_killed()
    server.hears_end()
    server.closes()
    lab.did("client", "fin", "killed", "body")


@scenario(
    "The first message is accepted; in the second one a device ends the client's side by a reset",
    "data middlebox rst forged second",
    ipv6=True,
)
def second_message_device_resets_client(lab: Lab) -> None:
    client, server = lab.talk(after="end-of-data")
    reach(client, server, begin="mail", until="data")
    lab.pauses(0.1)
    lab.forger.resets("client", ttl=33)
    client.hears_end()
    server.says("354 End data with <CR><LF>.<CR><LF>")
    server.hears_end()
    lab.did("middlebox", "rst", "forged reset", "data")


@scenario("The first message is accepted; the path dies at the second one's recipient", "rcpt path silence second")
def second_message_path_dies(lab: Lab) -> None:
    client, server = lab.talk(after="end-of-data")
    reach(client, server, begin="mail", after="mail")
    lab.pauses(0.1)
    lab.far.dies()
    client.says(*COMMANDS["rcpt"])
    client.waits_in_vain(3)
    lab.shows("client", "tcp.analysis.retransmission", at_least=2)
    lab.did("path", "timeout", "silence", "rcpt")


@scenario("Three messages in one session, then QUIT", "quit clean several", ipv6=True)
def three_messages(lab: Lab) -> None:
    client, server = lab.talk(after="end-of-data")
    reach(client, server, begin="mail", after="end-of-data")
    reach(client, server, begin="mail", after="quit")
    client.closes()
    server.hears_end()
    server.closes()
    lab.did("nobody", "quit", "quit", "quit")


@scenario("The final dot and QUIT in one segment, and both are answered", "quit clean pipelining")
def dot_and_quit_pipelined_answered(lab: Lab) -> None:
    client, server = lab.talk(after="data")
    client.sends(MESSAGE, "message")
    says_at_once(client, server, ".", "QUIT")
    server.waits(0.2)
    server.says("250 2.0.0 Queued as 4C2A1", "221 2.0.0 Bye")
    server.closes()
    client.hears("250")
    client.hears("221")
    client.hears_end()
    client.closes()
    lab.did("nobody", "quit", "quit", "quit")
