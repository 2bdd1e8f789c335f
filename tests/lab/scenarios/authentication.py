"""AUTH, step by step, on the ports of submission: PLAIN and LOGIN, refused, abandoned, cut off."""

from ..lab import Lab
from ..peers import Peer
from ..scenario import scenario

SUBMISSION = 587
ALTERNATIVE = 2525  # where providers close 25 and 587


def challenged(lab: Lab, port: int = SUBMISSION) -> tuple[Peer, Peer]:
    """AUTH LOGIN, and the user name is asked for and given: the server's turn."""
    client, server = lab.talk(after="ehlo", port=port)
    client.says("AUTH LOGIN")
    server.hears("AUTH")
    server.says("334 VXNlcm5hbWU6")
    client.hears("334")
    client.says("YW5uYQ==")
    server.hears("YW5uYQ==")
    return client, server


def password(lab: Lab, port: int = SUBMISSION) -> tuple[Peer, Peer]:
    """The password is there, too: the server has to judge."""
    client, server = challenged(lab, port)
    server.says("334 UGFzc3dvcmQ6")
    client.hears("334")
    client.says("c2VjcmV0")
    server.hears("c2VjcmV0")
    return client, server


@scenario("AUTH PLAIN, the server says 334 and aborts", "auth server rst 587", ipv6=True)
def auth_plain_server_aborts(lab: Lab) -> None:
    client, server = lab.talk(after="ehlo", port=SUBMISSION)
    client.says("AUTH PLAIN")
    server.hears("AUTH")
    server.says("334 ")
    client.hears("334")
    server.waits(0.2)
    server.aborts()
    client.hears_end()
    lab.did("server", "rst", "abort", "auth")


@scenario("AUTH LOGIN: asked for the password, the client closes", "auth client fin 587")
def auth_login_client_closes(lab: Lab) -> None:
    client, server = challenged(lab)
    server.says("334 UGFzc3dvcmQ6")
    client.hears("334")
    client.waits(0.3)
    client.closes()
    server.hears_end()
    server.closes()
    lab.did("client", "fin", "close", "auth")


@scenario("AUTH LOGIN is refused with 535; the client goes without QUIT", "auth client fin 535 587", ipv6=True)
def auth_refused_client_closes(lab: Lab) -> None:
    client, server = password(lab)
    server.says("535 5.7.8 Authentication credentials invalid")
    client.hears("535")
    client.closes()
    server.hears_end()
    server.closes()
    lab.did("client", "fin", "close", "auth")


@scenario("AUTH LOGIN is refused with 535, and the server closes at once", "auth server fin 535 2525")
def auth_refused_server_closes(lab: Lab) -> None:
    client, server = password(lab, ALTERNATIVE)
    server.says("535 5.7.8 Authentication credentials invalid")
    server.closes()
    client.hears("535")
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "close", "auth")


@scenario(
    "Too many attempts: the server answers the password with 421 and closes", "auth server fin 421 587", ipv6=True
)
def auth_421_and_close(lab: Lab) -> None:
    client, server = password(lab)
    server.waits(0.5)
    server.says("421 4.7.0 gw.example.net Too many errors")
    server.closes()
    client.hears("421")
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "close", "auth")


@scenario("The server never judges the password; the client gives up", "auth client fin timeout 587")
def auth_client_gives_up(lab: Lab) -> None:
    client, server = password(lab)
    client.waits_in_vain(3)
    client.closes()
    server.hears_end()
    server.closes()
    lab.did("client", "fin", "gives up", "auth", stalled_by="server")


@scenario("The path toward the server dies when the user name is asked for", "auth path silence 587", ipv6=True)
def auth_path_dies(lab: Lab) -> None:
    client, server = lab.talk(after="ehlo", port=SUBMISSION)
    client.says("AUTH LOGIN")
    server.hears("AUTH")
    server.says("334 VXNlcm5hbWU6")
    client.hears("334")
    lab.pauses(0.1)
    lab.far.dies(toward="server")
    client.says("YW5uYQ==")
    client.waits_in_vain(3)
    lab.shows("client", "tcp.analysis.retransmission", at_least=2)
    lab.did("path", "timeout", "silence", "auth", owing="server")


@scenario("A device resets both ends as soon as it sees AUTH PLAIN in clear text", "auth middlebox rst forged 587")
def auth_device_resets_both(lab: Lab) -> None:
    client, server = lab.talk(after="ehlo", port=SUBMISSION)
    client.says("AUTH PLAIN AGFubmEAc2VjcmV0")
    server.hears("AUTH")
    lab.pauses(0.1)
    lab.forger.resets("client", ttl=61, ip_id=0)
    lab.forger.resets("server", ttl=61, ip_id=0)
    client.hears_end()
    server.hears_end()
    lab.shows("client", "tcp.flags.reset == 1 && ip.id == 0")
    lab.did("middlebox", "rst", "forged reset", "auth")


@scenario("AUTH LOGIN is refused with 535; the client says QUIT", "auth quit 535 clean 587", ipv6=True)
def auth_refused_quit(lab: Lab) -> None:
    client, server = password(lab)
    server.says("535 5.7.8 Authentication credentials invalid")
    client.hears("535")
    client.says("QUIT")
    server.hears("QUIT")
    server.says("221 2.0.0 Bye")
    client.hears("221")
    client.closes()
    server.hears_end()
    server.closes()
    lab.did("nobody", "quit", "quit", "quit")
