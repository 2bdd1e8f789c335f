"""The last frame is the same, and the culprit another: each has its pair elsewhere, or here, in what an honest host did."""

from ..lab import Lab
from ..packets import RST
from ..peers.conversation import COMMANDS
from ..scenario import scenario


@scenario(
    "A device ends the client's side at RCPT by a perfect copy of the server's FIN",
    "rcpt middlebox fin forged lookalike",
)
def rcpt_perfect_fin(lab: Lab) -> None:
    """Its pair is rcpt_server_closes."""
    client, server = lab.talk(until="rcpt")
    lab.pauses(0.6)
    lab.forger.ends("client")
    client.hears_end()
    client.closes()
    server.hears_end(within=2)
    # The server's TCP goes on at the octet where it is said to have ended.
    lab.did("middlebox", "fin", "forged fin", "rcpt", spoke_after=("client", "server"))


@scenario(
    "A device resets the client in mid-body, as the server's kernel would without the socket",
    "body middlebox rst forged lookalike",
    ipv6=True,
)
def body_perfect_bare_reset(lab: Lab) -> None:
    """Its pair is body_server_restarts."""
    client, _ = lab.talk(until="body")
    lab.pauses(0.2)
    client.sends(b"Somebody listened all the time.\r\n" * 20, "message")
    lab.pauses(0.1)
    lab.forger.resets("client", ip_id=0, flags=RST, window=0)
    client.hears_end()
    lab.did("middlebox", "rst", "forged reset", "body")


@scenario(
    "A device resets the server in mid-body, by a perfect copy of what an aborting client sends",
    "body middlebox rst forged lookalike",
)
def body_perfect_reset_to_server(lab: Lab) -> None:
    """Its pair is an aborting client, as in clamped_mss_client_aborts."""
    _, server = lab.talk(until="body")
    lab.pauses(0.2)
    lab.forger.resets("server", clock="fresh")
    server.hears_end()
    lab.did("middlebox", "rst", "forged reset", "body")


@scenario(
    "A device resets the client at DATA by a perfect copy; then the server's 354 meets a closed socket",
    "data middlebox rst forged lookalike",
    ipv6=True,
)
def data_perfect_reset_to_client(lab: Lab) -> None:
    """Its pair is data_server_aborts: there the server says nothing more."""
    client, server = lab.talk(until="data")
    lab.pauses(0.2)
    lab.forger.resets("client", clock="fresh")
    client.hears_end()
    lab.pauses(0.3)
    server.says("354 End data with <CR><LF>.<CR><LF>")
    server.hears_end()
    lab.shows("server", "tcp.flags == 0x004 && tcp.dstport == 25")
    lab.did("middlebox", "rst", "forged reset", "data")


@scenario(
    "The server closes at RCPT; the client speaks into its FIN, and draws a reset",
    "rcpt server fin lookalike",
    ipv6=True,
)
def rcpt_server_closes_likewise(lab: Lab) -> None:
    """Its pair is rcpt_perfect_fin, where the server did no such thing."""
    client, server = lab.talk(until="rcpt")
    server.waits(0.6)
    server.closes()
    lab.pauses(0.1)
    client.says(*COMMANDS["quit"])
    client.hears_end()
    lab.did("server", "fin", "close", "rcpt")


@scenario("A device resets the client behind the handshake, before the greeting", "greeting middlebox rst forged")
def greeting_device_resets_client(lab: Lab) -> None:
    client, server = lab.session()
    lab.pauses(0.2)
    lab.forger.resets("client", ttl=200, ip_id=54321)
    client.hears_end()
    server.says("220 gw.example.net ESMTP")
    server.hears_end()
    lab.shows("client", "tcp.flags.reset == 1 && ip.id == 54321")
    lab.did("middlebox", "rst", "forged reset", "greeting")


@scenario("A device resets both ends at EHLO, by another distance only", "ehlo middlebox rst forged", ipv6=True)
def ehlo_device_resets_both(lab: Lab) -> None:
    client, server = lab.talk(until="ehlo")
    lab.pauses(0.2)
    lab.forger.resets("client", ttl=63, clock="fresh")
    lab.forger.resets("server", ttl=63, clock="fresh")
    client.hears_end()
    server.hears_end()
    lab.did("middlebox", "rst", "forged reset", "ehlo")
