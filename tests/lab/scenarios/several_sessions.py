"""More than one connection: retries, a port used again, a server that takes no more."""

import socket

from ..lab import Lab
from ..peers import deliver, reach
from ..scenario import scenario


@scenario(
    "The same message is tried three times at once, and each time the server aborts behind the go-ahead",
    "body server rst storm",
)
def retry_storm(lab: Lab) -> None:
    for attempt in range(3):
        client, server = lab.talk(after="data")
        server.waits(0.4)
        server.aborts()
        client.hears_end()
        lab.did("server", "rst", "abort", "body", session=attempt)


@scenario(
    "A port is used again within a second: an aborted session, and a clean delivery on the same four numbers",
    "mail client rst port-reuse quit",
)
def port_reuse(lab: Lab) -> None:
    client, server = lab.talk(until="mail")
    client.aborts()
    server.hears_end()
    lab.did("client", "rst", "abort", "mail")
    lab.pauses(0.5)
    deliver(*lab.session(client_port=lab.addresses.client_port))
    lab.did("nobody", "quit", "quit", "quit")


@scenario(
    "The server's program takes no connections any more, and its queue is full: SYNs go unanswered",
    "connect server silence backlog",
)
def backlog_full(lab: Lab) -> None:
    lab.listens(backlog=0)
    waiting = lab.connects()
    lab.fails_to_connect(within=3.5)
    lab.shows("server", f"tcp.flags == 0x002 && tcp.srcport == {lab.addresses.client_port + 1}", at_least=3)
    lab.did("nobody", "open", "open", "greeting", session=0)
    lab.did("server", "timeout", "backlog full", "connect", session=1, owing="server")
    waiting.waits(0.1)


@scenario(
    "One session delivers in peace while a device resets the other in both directions at MAIL",
    "mail middlebox rst forged quit",
)
def reset_beside_a_delivery(lab: Lab) -> None:
    peaceful = lab.session()
    reach(*peaceful, after="mail")
    client, server = lab.talk(until="mail")
    lab.forger.resets("client", ttl=30)
    lab.forger.resets("server", ttl=30)
    client.hears_end()
    server.hears_end()
    lab.did("middlebox", "rst", "forged reset", "mail", session=1)
    deliver(*peaceful, begin="rcpt")
    lab.did("nobody", "quit", "quit", "quit", session=0)


@scenario("The server says 421 and closes while the client's QUIT is on its way", "ehlo server fin 421 crossing")
def quit_crosses_421(lab: Lab) -> None:
    client, server = lab.talk(after="ehlo")
    server.says("421 4.3.2 gw.example.net Service shutting down")
    server.closes()
    client.says("QUIT")
    client.hears_end()
    lab.did("server", "fin", "close", "ehlo")


@scenario(
    "A forged FIN with a stale clock is refused (PAWS), and the delivery goes on", "rcpt middlebox fin refused clean"
)
def forged_fin_refused(lab: Lab) -> None:
    client, server = lab.talk(after="mail")
    lab.forger.ends("client", ttl=40, clock="stale")
    lab.pauses(0.1)
    deliver(client, server, begin="rcpt")
    lab.shows("client", "tcp.flags.fin == 1 && tcp.srcport == 25", at_least=2)
    lab.did("nobody", "quit", "quit", "quit")


@scenario("A forged reset with a stale clock is obeyed all the same", "rcpt middlebox rst forged", ipv6=True)
def forged_reset_with_a_stale_clock(lab: Lab) -> None:
    client, server = lab.talk(until="rcpt")
    lab.forger.resets("client", clock="stale")
    client.hears_end()
    server.waits_in_vain(1)
    lab.did("middlebox", "rst", "forged reset", "rcpt")


@scenario(
    "The client ends its half and reads on; the server answers what it had asked, and both close",
    "quit half-close clean",
)
def half_close_behind_quit(lab: Lab) -> None:
    client, server = lab.talk(after="end-of-data")
    client.says("QUIT")
    client.half_closes()
    server.hears("QUIT")
    server.says("221 2.0.0 Bye")
    client.hears("221")
    server.closes()
    client.hears_end()
    client.closes()
    assert client.connection.fileno() == -1
    lab.did("nobody", "quit", "quit", "quit")


@scenario(
    "The message is accepted; the idle client's machine is switched off, and the server's keep-alives meet silence",
    "idle path silence keep-alive",
)
def idle_client_gone_keepalives(lab: Lab) -> None:
    _, server = lab.talk(after="end-of-data")
    server.connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    server.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
    server.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
    server.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    lab.power_fails("client")
    server.log("keeps alive")
    server.hears_end(within=8)
    lab.shows("server", "tcp.flags.reset == 1 && tcp.srcport == 25")
    lab.did("client", "timeout", "power failure", "end-of-data", spoke_after=("server",))
