"""Stages and parties that the other themes left out: together with them each stage has an end by each who can end it there."""

from ..host_firewall import HostFirewall
from ..lab import Lab
from ..peers import MESSAGE, reach, settle
from ..peers.conversation import COMMANDS, REPLIES
from ..scenario import scenario


@scenario("A scanner: the handshake, and the client aborts", "greeting client rst probe", ipv6=True)
def greeting_client_aborts(lab: Lab) -> None:
    client, server = lab.session()
    client.aborts()
    server.hears_end()
    lab.did("client", "rst", "abort", "greeting", owing="server")


@scenario("The server's program aborts before its greeting", "greeting server rst")
def greeting_server_aborts(lab: Lab) -> None:
    client, server = lab.session()
    server.waits(0.3)
    server.aborts()
    client.hears_end()
    lab.did("server", "rst", "abort", "greeting")


@scenario(
    "Greeted, the client says nothing; the server gives up: 421, and it closes", "greeting server fin 421", ipv6=True
)
def greeting_server_gives_up(lab: Lab) -> None:
    client, server = lab.talk(after="greeting")
    server.waits_in_vain(3)
    server.says("421 4.4.2 gw.example.net Error: timeout exceeded")
    server.closes()
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "gives up", "greeting", stalled_by="client")


@scenario("The client is killed between MAIL and its reply", "mail client fin killed", ipv6=True)
def mail_client_killed(lab: Lab) -> None:
    client, server = lab.talk(until="mail")
    client.is_killed()
    server.hears_end()
    server.closes()
    lab.did("client", "fin", "killed", "mail")


@scenario("The client closes while the 354 lies unread in its socket", "data client rst", ipv6=True)
def go_ahead_unread_client_closes(lab: Lab) -> None:
    client, server = lab.talk(until="data")
    server.says(*REPLIES["data"])
    client.closes_with_unread_input()
    server.hears_end()
    lab.did("client", "rst", "unread", "body")


@scenario(
    "A server stops reading and its window closes; then it is killed, with what it has not read",
    "body server rst killed zero-window",
)
def body_zero_window_server_killed(lab: Lab) -> None:
    client, server = lab.session(receive_buffer=2304)
    reach(client, server, after="data")
    client.sends(MESSAGE * 4, "message")
    lab.pauses(1.5)
    server.is_killed(with_unread_input=True)
    client.hears_end()
    lab.shows("client", "tcp.analysis.zero_window")
    lab.did("server", "rst", "killed", "body")


@scenario(
    "The server is killed when it has read the final dot, and not the QUIT behind it",
    "end-of-data server rst killed",
    ipv6=True,
)
def dot_server_killed_with_unread_quit(lab: Lab) -> None:
    client, server = lab.talk(until="end-of-data")
    client.says("QUIT")
    server.is_killed(with_unread_input=True)
    client.hears_end()
    lab.did("server", "rst", "killed", "end-of-data")


@scenario("The message is refused with 554, and the server closes", "end-of-data server fin 554", ipv6=True)
def dot_554_and_close(lab: Lab) -> None:
    client, server = lab.talk(until="end-of-data")
    server.says("554 5.7.1 Message refused by content policy")
    server.closes()
    client.hears("554")
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "close", "end-of-data")


@scenario("The message is put off with 451, and the client closes without QUIT", "end-of-data client fin 451")
def dot_451_client_closes(lab: Lab) -> None:
    client, server = lab.talk(until="end-of-data")
    server.says("451 4.3.0 Try again later")
    client.hears("451")
    client.closes()
    server.hears_end()
    server.closes()
    lab.did("client", "fin", "close", "end-of-data")


@scenario("A device ends both sides at the final dot by FINs of its own distance", "end-of-data middlebox fin forged")
def dot_forged_fins_to_both(lab: Lab) -> None:
    client, server = lab.talk(until="end-of-data")
    lab.pauses(0.4)
    lab.forger.ends("client", ttl=250)
    lab.forger.ends("server", ttl=250)
    client.hears_end()
    server.hears_end()
    client.closes()
    server.closes()
    lab.did("middlebox", "fin", "forged fin", "end-of-data")


@scenario("A device resets both ends at VRFY", "other middlebox rst forged", ipv6=True)
def vrfy_device_resets_both(lab: Lab) -> None:
    client, server = lab.talk(after="ehlo")
    client.says("VRFY ben")
    server.hears("VRFY")
    settle(client, server)
    lab.forger.resets("client", ttl=88)
    lab.forger.resets("server", ttl=88)
    client.hears_end()
    server.hears_end()
    lab.did("middlebox", "rst", "forged reset", "other")


@scenario("A device resets both ends behind QUIT: too late to drop anything", "quit middlebox rst forged clean")
def quit_device_resets_both(lab: Lab) -> None:
    client, server = lab.talk(until="quit")
    lab.forger.resets("client", ttl=255)
    lab.forger.resets("server", ttl=255)
    client.hears_end()
    server.hears_end()
    lab.shows("client", "tcp.flags.reset == 1")
    lab.did("nobody", "quit", "quit", "quit")


@scenario("The server's own firewall swallows RCPT and what follows", "rcpt server silence firewall lookalike")
def rcpt_own_firewall_swallows(lab: Lab) -> None:
    """Its pair is a dead path, as in rcpt_near_path_dies: only the server's own file shows that all arrived."""
    client, _ = lab.talk(after="mail")
    lab.pauses(0.2)
    HostFirewall(lab.network.server, lab.journal).swallows()
    client.says(*COMMANDS["rcpt"])
    client.waits_in_vain(3)
    lab.shows("server", "tcp.analysis.retransmission && tcp.dstport == 25", at_least=2)
    lab.did("server", "timeout", "own firewall, silent", "rcpt", owing="server")


@scenario(
    "The server's own firewall swallows SYNs, though its program listens", "connect server silence firewall", ipv6=True
)
def connect_own_firewall_swallows(lab: Lab) -> None:
    lab.listens()
    HostFirewall(lab.network.server, lab.journal).swallows()
    lab.fails_to_connect(within=3.5)
    lab.shows("server", "tcp.flags == 0x002", at_least=3)
    lab.did("server", "timeout", "own firewall, silent", "connect", owing="server")
