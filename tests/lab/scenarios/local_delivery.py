"""LMTP (RFC 2033): as many replies to the final dot as recipients, and ends between them."""

from ..lab import Lab
from ..peers import MESSAGE, Peer
from ..scenario import scenario

LMTP = 24


def dot_is_there(lab: Lab, port: int = LMTP) -> tuple[Peer, Peer]:
    """A message to two recipients, both accepted; the server has the final dot."""
    client, server = lab.talk(after="greeting", port=port)
    for command, reply in (
        ("LHLO mail.example.com", "250 gw.example.net"),
        ("MAIL FROM:<anna@example.com>", "250 2.1.0 Sender ok"),
        ("RCPT TO:<ben@example.net>", "250 2.1.5 Recipient ok"),
        ("RCPT TO:<eva@example.net>", "250 2.1.5 Recipient ok"),
        ("DATA", "354 End data with <CR><LF>.<CR><LF>"),
    ):
        client.says(command)
        server.hears(command)
        server.says(reply)
        client.hears(reply[:3])
    client.sends(MESSAGE, "message")
    server.hears_octets(len(MESSAGE))
    client.says(".")
    server.hears(".")
    return client, server


def quits(client: Peer, server: Peer) -> None:
    client.says("QUIT")
    server.hears("QUIT")
    server.says("221 2.0.0 Bye")
    client.hears("221")
    server.closes()
    client.hears_end()
    client.closes()


@scenario("LMTP to two recipients, both delivered", "quit lmtp clean", ipv6=True)
def lmtp_delivery(lab: Lab) -> None:
    client, server = dot_is_there(lab)
    server.says("250 2.0.0 <ben@example.net> delivered")
    server.waits(0.2)
    server.says("250 2.0.0 <eva@example.net> delivered")
    client.hears("250")
    client.hears("250")
    quits(client, server)
    lab.did("nobody", "quit", "quit", "quit")


@scenario("LMTP: the second recipient's mailbox is full, and all know it", "quit lmtp clean 552")
def lmtp_second_recipient_refused(lab: Lab) -> None:
    client, server = dot_is_there(lab, port=10025)
    server.says("250 2.0.0 <ben@example.net> delivered", "552 5.2.2 <eva@example.net> Mailbox full")
    client.hears("250")
    client.hears("552")
    quits(client, server)
    lab.did("nobody", "quit", "quit", "quit")


@scenario("LMTP: the server closes behind the first of two replies to the final dot", "end-of-data server fin lmtp")
def lmtp_server_closes_between_replies(lab: Lab) -> None:
    client, server = dot_is_there(lab)
    server.says("250 2.0.0 <ben@example.net> delivered")
    client.hears("250")
    server.waits(0.5)
    server.closes()
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "close", "end-of-data")


@scenario(
    "LMTP: the client waits in vain for the second of two replies, and gives up",
    "end-of-data client fin timeout lmtp",
    ipv6=True,
)
def lmtp_client_gives_up_between_replies(lab: Lab) -> None:
    client, server = dot_is_there(lab, port=10025)
    server.says("250 2.0.0 <ben@example.net> delivered")
    client.hears("250")
    client.waits_in_vain(3)
    client.closes()
    server.hears_end()
    server.closes()
    lab.did("client", "fin", "gives up", "end-of-data", stalled_by="server")
