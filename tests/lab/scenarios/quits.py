"""QUIT in all its rough forms: most are orderly ends, however they look, and some are none."""

import socket

from ..lab import Lab
from ..peers import MESSAGE
from ..scenario import scenario


@scenario("QUIT, and the server closes without a 221", "quit clean fin", ipv6=True)
def quit_unanswered_server_closes(lab: Lab) -> None:
    client, server = lab.talk(after="end-of-data")
    client.says("QUIT")
    server.hears("QUIT")
    server.closes()
    client.hears_end()
    client.closes()
    lab.did("nobody", "quit", "quit", "quit")


@scenario("QUIT, and the client aborts before the 221 can come", "quit clean rst")
def quit_client_aborts(lab: Lab) -> None:
    client, server = lab.talk(until="quit")
    client.aborts()
    server.hears_end()
    lab.shows("client", "tcp.flags.reset == 1 && tcp.dstport == 25")
    lab.did("nobody", "quit", "quit", "quit")


@scenario("QUIT, 221, and the server aborts", "quit clean rst", ipv6=True)
def quit_server_aborts_behind_221(lab: Lab) -> None:
    client, server = lab.talk(after="quit")
    server.aborts()
    client.hears_end()
    lab.shows("server", "tcp.flags.reset == 1 && tcp.srcport == 25")
    lab.did("nobody", "quit", "quit", "quit")


@scenario("QUIT, and the server aborts without a 221", "quit clean rst")
def quit_server_aborts_unanswered(lab: Lab) -> None:
    client, server = lab.talk(until="quit")
    server.aborts()
    client.hears_end()
    lab.shows("server", "tcp.flags.reset == 1 && tcp.srcport == 25")
    lab.did("nobody", "quit", "quit", "quit")


@scenario("QUIT and FIN in one segment; the server answers 221 and closes", "quit clean fin", ipv6=True)
def quit_and_fin_in_one_segment(lab: Lab) -> None:
    client, server = lab.talk(after="end-of-data")
    client.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    client.says("QUIT")
    client.half_closes()
    server.hears("QUIT")
    server.says("221 2.0.0 Bye")
    server.closes()
    client.hears("221")
    client.hears_end()
    client.closes()
    lab.shows("client", "tcp.flags.fin == 1 && tcp.dstport == 25 && tcp.len == 6")
    lab.did("nobody", "quit", "quit", "quit")


@scenario(
    "The final dot, QUIT and FIN in one segment, as Exim does; the server takes its time, answers, and closes",
    "quit clean fin pipelining",
)
def dot_quit_and_fin_in_one_segment(lab: Lab) -> None:
    client, server = lab.talk(after="data")
    client.sends(MESSAGE, "message")
    client.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    client.says(".", "QUIT")
    client.half_closes()
    server.hears(".")
    server.hears("QUIT")
    server.waits(0.8)
    server.says("250 2.0.0 Queued as 4C2A1", "221 2.0.0 Bye")
    server.closes()
    client.hears("250")
    client.hears("221")
    client.hears_end()
    client.closes()
    lab.shows("client", "tcp.flags.fin == 1 && tcp.dstport == 25 && tcp.len == 9")
    lab.did("nobody", "quit", "quit", "quit")


@scenario(
    "The final dot, QUIT and FIN in one segment; the server aborts without any answer",
    "end-of-data server rst pipelining",
    ipv6=True,
)
def dot_quit_and_fin_server_aborts(lab: Lab) -> None:
    client, server = lab.talk(after="data")
    client.sends(MESSAGE, "message")
    client.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    client.says(".", "QUIT")
    client.half_closes()
    server.hears(".")
    server.hears("QUIT")
    server.waits(0.8)
    server.aborts()
    client.hears_end()
    lab.did("server", "rst", "abort", "end-of-data")


@scenario("The message is accepted; QUIT is repeated into silence", "quit path silence")
def quit_lost_for_good(lab: Lab) -> None:
    client, _ = lab.talk(after="end-of-data")
    lab.pauses(0.1)
    lab.far.dies()
    client.says("QUIT")
    client.waits_in_vain(3)
    lab.shows("client", "tcp.analysis.retransmission && tcp.dstport == 25", at_least=2)
    lab.did("path", "timeout", "silence", "quit", owing="server")


@scenario(
    "The message is accepted; the server loses power, and QUIT is repeated into silence",
    "quit server silence power lookalike",
    ipv6=True,
)
def quit_server_power_fails(lab: Lab) -> None:
    client, _ = lab.talk(after="end-of-data")
    lab.pauses(0.1)
    lab.power_fails("server")
    client.says("QUIT")
    client.waits_in_vain(3)
    lab.shows("client", "tcp.analysis.retransmission", at_least=2)
    lab.did("server", "timeout", "power failure", "quit", owing="server")


@scenario("The first QUIT is lost and repeated; then all goes well", "quit path loss clean", ipv6=True)
def quit_lost_once(lab: Lab) -> None:
    client, server = lab.talk(after="end-of-data")
    lost = lab.near.drop("server", lambda segment: segment.payload == b"QUIT\r\n")
    client.says("QUIT")
    server.hears("QUIT")
    server.says("221 2.0.0 Bye")
    client.hears("221")
    client.closes()
    server.hears_end()
    server.closes()
    assert lost.done == 1
    lab.did("nobody", "quit", "quit", "quit")


@scenario("A client that only greets and says QUIT: a probe, not a drop", "quit clean probe")
def probe_quits(lab: Lab) -> None:
    client, server = lab.talk(after="ehlo")
    client.says("QUIT")
    server.hears("QUIT")
    server.says("221 2.0.0 Bye")
    client.hears("221")
    server.closes()
    client.hears_end()
    client.closes()
    lab.did("nobody", "quit", "quit", "quit")
