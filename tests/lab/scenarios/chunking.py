"""CHUNKING (RFC 3030): what ends between chunks and inside of them; what looks like a command or a dot in a chunk is none."""

from ..lab import Lab
from ..peers import MESSAGE, Peer, settle
from ..scenario import scenario

HALF = len(MESSAGE) // 2
TREACHEROUS = MESSAGE + b"\r\n.\r\nQUIT\r\n"  # a message that holds a dot alone and a QUIT


def chunk(client: Peer, server: Peer, octets: bytes, last: bool = False, sent: int | None = None) -> None:
    """One chunk, announced and sent, whole or up to `sent` octets; the server has read what was sent."""
    client.says(f"BDAT {len(octets)}{' LAST' if last else ''}")
    server.hears("BDAT")
    part = octets[:sent]
    client.sends(part, "message")
    server.hears_octets(len(part))


def answered(client: Peer, server: Peer, octets: bytes, last: bool = False) -> None:
    chunk(client, server, octets, last)
    server.says(f"250 2.0.0 {len(octets)} octets received")
    client.hears("250")


@scenario("Two chunks, in which a dot alone and QUIT are only octets, and a real QUIT", "body quit bdat clean")
def bdat_delivery(lab: Lab) -> None:
    client, server = lab.talk(after="rcpt")
    answered(client, server, TREACHEROUS)
    answered(client, server, TREACHEROUS, last=True)
    client.says("QUIT")
    server.hears("QUIT")
    server.says("221 2.0.0 Bye")
    client.hears("221")
    server.closes()
    client.hears_end()
    client.closes()
    lab.did("nobody", "quit", "quit", "quit")


@scenario("The server closes when it has answered the first chunk", "body server fin bdat", ipv6=True)
def bdat_server_closes_between_chunks(lab: Lab) -> None:
    client, server = lab.talk(after="rcpt")
    answered(client, server, MESSAGE[:HALF])
    server.waits(0.3)
    server.closes()
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "close", "body")


@scenario("The client aborts in the middle of a chunk", "body client rst bdat")
def bdat_client_aborts_in_chunk(lab: Lab) -> None:
    client, server = lab.talk(after="rcpt")
    chunk(client, server, MESSAGE, sent=HALF)
    client.waits(0.2)
    client.aborts()
    server.hears_end()
    lab.did("client", "rst", "abort", "body")


@scenario("The client is killed in the middle of the last chunk", "body client fin killed bdat", ipv6=True)
def bdat_client_killed_in_last_chunk(lab: Lab) -> None:
    client, server = lab.talk(after="rcpt")
    answered(client, server, MESSAGE[:HALF])
    chunk(client, server, MESSAGE[HALF:], last=True, sent=HALF // 2)
    client.is_killed()
    server.hears_end()
    server.closes()
    lab.did("client", "fin", "killed", "body")


@scenario(
    "The last chunk is there, the octets QUIT at its very end; the server says nothing to it and aborts",
    "end-of-data server rst bdat",
)
def bdat_server_aborts_behind_last_chunk(lab: Lab) -> None:
    client, server = lab.talk(after="rcpt")
    chunk(client, server, TREACHEROUS, last=True)
    server.waits(0.4)
    server.aborts()
    client.hears_end()
    lab.did("server", "rst", "abort", "end-of-data")


@scenario("The path dies in both directions in the middle of the second chunk", "body path silence bdat", ipv6=True)
def bdat_path_dies(lab: Lab) -> None:
    client, server = lab.talk(after="rcpt")
    answered(client, server, MESSAGE[:HALF])
    chunk(client, server, MESSAGE[HALF:], last=True, sent=HALF // 2)
    settle(client)
    lab.far.dies()
    client.sends(MESSAGE[HALF + HALF // 2 : -100], "message")
    client.waits(3)
    lab.shows("client", "tcp.analysis.retransmission", at_least=2)
    lab.did("path", "timeout", "silence", "body")
