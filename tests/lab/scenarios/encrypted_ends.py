"""Inside TLS, 1.2 and 1.3: who drops it there, by what means, and what an orderly end looks like; and ends in the handshake."""

import ssl

from ..lab import SMTP, Lab
from ..packets import RST
from ..peers import Peer, hello, reach, secure, settle, take_hello
from ..peers.conversation import Step
from ..scenario import scenario

SUBMISSIONS = 465
TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def go_ahead(lab: Lab, port: int = SMTP) -> tuple[Peer, Peer]:
    """STARTTLS and its 220."""
    client, server = lab.talk(after="ehlo", port=port)
    client.says("STARTTLS")
    server.hears("STARTTLS")
    server.says("220 2.0.0 Ready to start TLS")
    client.hears("220")
    return client, server


def inside(
    lab: Lab, version: ssl.TLSVersion, port: int = SMTP, until: Step | None = None, after: Step | None = None
) -> tuple[Peer, Peer]:
    """A delivery inside TLS, as far as `reach` goes; on 465 from the first octet on, elsewhere behind STARTTLS."""
    implicit = port == SUBMISSIONS
    client, server = lab.session(port) if implicit else go_ahead(lab, port)
    secure(client, server, lab.tls.client_context(), lab.tls.server_context(newest=version))
    reach(client, server, begin="greeting" if implicit else "ehlo", until=until, after=after)
    settle(client, server)
    return client, server


@scenario("TLS 1.2 behind STARTTLS: the client aborts in the middle of the message", "encrypted client rst tls12")
def tls12_client_aborts_in_body(lab: Lab) -> None:
    client, server = inside(lab, TLS12, until="body")
    client.waits(0.3)
    client.aborts()
    server.hears_end()
    lab.did("client", "rst", "abort", "encrypted")


@scenario("TLS 1.3 on 465: the client is killed when it has sent the message", "encrypted client fin 465", ipv6=True)
def tls13_client_killed_at_dot(lab: Lab) -> None:
    client, server = inside(lab, TLS13, SUBMISSIONS, until="end-of-data")
    client.reads_all()  # session tickets: unread, they would make it a reset
    client.waits(0.3)
    client.is_killed()
    server.hears_end()
    server.closes()
    lab.did("client", "fin", "killed", "encrypted")


@scenario("TLS 1.2 on 465: the server closes when it has the message, without a reply", "encrypted server fin 465")
def tls12_server_closes_at_dot(lab: Lab) -> None:
    client, server = inside(lab, TLS12, SUBMISSIONS, until="end-of-data")
    server.waits(0.6)
    server.closes()
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "close", "encrypted")


@scenario(
    "TLS 1.3 on 587: in the middle of the message the server says close_notify and closes",
    "encrypted server fin 587",
    ipv6=True,
)
def tls13_server_ends_tls_in_body(lab: Lab) -> None:
    client, server = inside(lab, TLS13, 587, until="body")
    server.waits(0.5)
    server.ends_tls()
    server.closes()
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "close", "encrypted")


@scenario("TLS 1.2: a device resets both ends in the middle of the message", "encrypted middlebox rst tls12", ipv6=True)
def tls12_device_resets_both(lab: Lab) -> None:
    client, server = inside(lab, TLS12, until="body")
    lab.pauses(0.2)
    lab.forger.resets("client", ttl=255)
    lab.forger.resets("server", ttl=255)
    client.hears_end()
    server.hears_end()
    lab.did("middlebox", "rst", "forged reset", "encrypted")


@scenario(
    "TLS 1.3: a device resets the client behind the message, by a bare reset with the server's own TTL",
    "encrypted middlebox rst tls13 lookalike",
)
def tls13_device_resets_client(lab: Lab) -> None:
    client, server = inside(lab, TLS13, until="end-of-data")
    lab.pauses(0.2)
    lab.forger.resets("client", flags=RST, ip_id=0, window=0)
    client.hears_end()
    server.waits_in_vain(0.3)
    lab.did("middlebox", "rst", "forged reset", "encrypted")


@scenario("TLS 1.3: the path dies in both directions in the middle of the message", "encrypted path silence tls13")
def tls13_path_dies(lab: Lab) -> None:
    client, _ = inside(lab, TLS13, until="body")
    lab.pauses(0.2)
    lab.far.dies()
    client.sends(b"Nobody could have read this anyway.\r\n" * 30, "message")
    client.waits(3)
    lab.shows("client", "tcp.analysis.retransmission", at_least=2)
    lab.did("path", "timeout", "silence", "encrypted")


@scenario("TLS 1.2: the server's reply to the message is lost for good", "encrypted path silence tls12", ipv6=True)
def tls12_reply_lost(lab: Lab) -> None:
    client, server = inside(lab, TLS12, 587, until="end-of-data")
    lab.pauses(0.2)
    lab.far.dies(toward="client")
    server.says("250 2.0.0 Queued as 4C2A1")
    client.waits_in_vain(3)
    lab.shows("server", "tcp.analysis.retransmission && tcp.srcport == 587", at_least=2)
    lab.did("path", "timeout", "silence", "encrypted")


@scenario(
    "TLS 1.3: the server's host starts anew in the middle of the message", "encrypted server rst restart", ipv6=True
)
def tls13_server_restarts(lab: Lab) -> None:
    client, server = inside(lab, TLS13, until="body")
    server.forgets()
    lab.pauses(0.4)
    client.sends(b"Nobody was left to read this.\r\n" * 20, "message")
    client.hears_end()
    lab.shows("client", "tcp.flags == 0x004 && tcp.srcport == 25")
    lab.did("server", "rst", "forgets", "encrypted")


@scenario(
    "TLS 1.3: QUIT, 221, and the client closes at once; the server's close_notify meets the closed socket",
    "encrypted quit clean rst tls13",
)
def tls13_close_notify_meets_closed_socket(lab: Lab) -> None:
    client, server = inside(lab, TLS13, after="quit")
    client.closes()
    lab.pauses(0.1)
    server.ends_tls()
    server.hears_end()
    server.closes()
    lab.shows("client", "tcp.flags.reset == 1 && tcp.srcport != 25")
    lab.did("nobody", "quit", "quit", "encrypted")


@scenario("TLS 1.2 on 465: QUIT, 221, close_notify from both sides, FINs", "encrypted quit clean 465 tls12", ipv6=True)
def tls12_orderly_end(lab: Lab) -> None:
    client, server = inside(lab, TLS12, SUBMISSIONS, after="quit")
    server.ends_tls()
    client.ends_tls()
    client.closes()
    server.hears_end()
    server.closes()
    lab.did("nobody", "quit", "quit", "encrypted")


# --- in the handshake, and just before it ---------------------------------------------------------------------------


@scenario("A device resets both ends when it sees the ClientHello", "tls middlebox rst forged", ipv6=True)
def client_hello_device_resets(lab: Lab) -> None:
    client, server = go_ahead(lab)
    hello(client, lab.tls.client_context())
    take_hello(server)
    settle(client, server)
    lab.forger.resets("client", ttl=99)
    lab.forger.resets("server", ttl=99)
    client.hears_end()
    server.hears_end()
    lab.did("middlebox", "rst", "forged reset", "tls")


@scenario("The ClientHello vanishes: the path toward the server is dead", "tls path silence 587")
def client_hello_lost(lab: Lab) -> None:
    client, server = go_ahead(lab, 587)
    settle(client, server)
    lab.pauses(0.1)
    lab.far.dies(toward="server")
    hello(client, lab.tls.client_context())
    client.waits_in_vain(3)
    lab.shows("client", "tcp.analysis.retransmission && tcp.dstport == 587", at_least=2)
    lab.did("path", "timeout", "silence", "tls")


@scenario("The client says its ClientHello, waits for the server, and aborts", "tls client rst 465", ipv6=True)
def client_hello_client_aborts(lab: Lab) -> None:
    client, server = lab.session(SUBMISSIONS)
    hello(client, lab.tls.client_context())
    take_hello(server)
    client.waits_in_vain(2)
    client.aborts()
    server.hears_end()
    lab.did("client", "rst", "abort", "tls", stalled_by="server")


@scenario("A client connects to port 465 and says nothing; the server loses patience and closes", "tls server fin 465")
def implicit_tls_no_hello(lab: Lab) -> None:
    client, server = lab.session(SUBMISSIONS)
    server.waits_in_vain(3)
    server.closes()
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "gives up", "tls", stalled_by="client")


@scenario("STARTTLS stays unanswered; the client gives up", "starttls client fin timeout", ipv6=True)
def starttls_client_gives_up(lab: Lab) -> None:
    client, server = lab.talk(after="ehlo")
    client.says("STARTTLS")
    server.hears("STARTTLS")
    client.waits_in_vain(3)
    client.closes()
    server.hears_end()
    server.closes()
    lab.did("client", "fin", "gives up", "starttls", stalled_by="server")


@scenario("STARTTLS is refused with 454, and the server closes", "starttls server fin 454")
def starttls_454_and_close(lab: Lab) -> None:
    client, server = lab.talk(after="ehlo")
    client.says("STARTTLS")
    server.hears("STARTTLS")
    server.says("454 4.7.0 TLS not available due to local problem")
    server.closes()
    client.hears("454")
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "close", "starttls")


@scenario("A device resets the client at STARTTLS, so that nothing is encrypted", "starttls middlebox rst", ipv6=True)
def starttls_device_resets_client(lab: Lab) -> None:
    client, server = lab.talk(after="ehlo")
    client.says("STARTTLS")
    server.hears("STARTTLS")
    lab.pauses(0.1)
    lab.forger.resets("client", ttl=44)
    client.hears_end()
    server.says("220 2.0.0 Ready to start TLS")
    server.hears_end()
    lab.did("middlebox", "rst", "forged reset", "starttls")


@scenario("The 220 to STARTTLS is lost for good", "starttls path silence one-way")
def starttls_go_ahead_lost(lab: Lab) -> None:
    client, server = lab.talk(after="ehlo")
    client.says("STARTTLS")
    server.hears("STARTTLS")
    settle(client)
    lab.far.dies(toward="client")
    server.says("220 2.0.0 Ready to start TLS")
    client.waits_in_vain(3)
    lab.shows("server", "tcp.analysis.retransmission && tcp.srcport == 25", at_least=2)
    lab.did("path", "timeout", "silence", "starttls")
