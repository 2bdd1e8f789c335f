"""Order and number: a FIN that overtakes what was said before it, packets that stand in the capture twice."""

from ..capture import Shot
from ..lab import Lab
from ..packets import FIN
from ..peers import MESSAGE, reach, settle
from ..scenario import scenario
from ..wire import any_segment, carries, has_octets


@scenario("The server says 421 and closes; on the way its FIN overtakes the 421", "rcpt server fin 421 reorder")
def fin_overtakes_421(lab: Lab) -> None:
    client, server = lab.talk(until="rcpt")
    lab.far.swap("client", carries(b"421 "))
    server.says("421 4.3.2 gw.example.net Service shutting down")
    server.closes()
    client.hears("421")
    client.hears_end()
    client.closes()
    lab.shows("client", "tcp.analysis.out_of_order || tcp.analysis.lost_segment")
    lab.did("server", "fin", "close", "rcpt")


@scenario("QUIT is overtaken by the client's FIN; the server puts them in order", "quit clean reorder", ipv6=True)
def fin_overtakes_quit(lab: Lab) -> None:
    client, server = lab.talk(after="end-of-data")
    lab.near.swap("server", lambda segment: segment.payload == b"QUIT\r\n")
    client.says("QUIT")
    client.half_closes()
    server.hears("QUIT")
    server.says("221 2.0.0 Bye")
    server.closes()
    client.hears("221")
    client.hears_end()
    client.closes()
    lab.did("nobody", "quit", "quit", "quit")


@scenario(
    "The client closes in mid-body; its FIN overtakes the last octets, and arrives twice",
    "body client fin reorder",
    ipv6=True,
)
def fin_overtakes_body(lab: Lab) -> None:
    client, server = lab.talk(until="body")
    lab.far.swap("server", has_octets)
    lab.near.duplicate("server", lambda segment: bool(segment.flags & FIN))
    client.sends(b"These were the last words.\r\n", "message")
    client.closes()
    server.hears_end()
    server.closes()
    lab.did("client", "fin", "close", "body")


@scenario(
    "The middle is captured on `any`, packets are duplicated on the way as well; the client aborts in mid-body",
    "body client rst any duplicate",
    shots={"middle": Shot("any")},
)
def any_duplicates_client_aborts(lab: Lab) -> None:
    client, server = lab.session()
    reach(client, server, after="data")
    lab.near.duplicate("server", has_octets, times=4)
    client.sends(MESSAGE, "message")
    server.hears_octets(len(MESSAGE))
    settle(client, server)
    client.waits(0.2)
    client.aborts()
    server.hears_end()
    lab.shows("middle", "tcp.flags.reset == 1", at_least=2)
    lab.did("client", "rst", "abort", "body")


@scenario(
    "Everything from the server arrives twice, the reset of its aborting program too",
    "data server rst duplicate any",
    ipv6=True,
    shots={"middle": Shot("any")},
)
def any_duplicates_server_aborts(lab: Lab) -> None:
    lab.far.duplicate("client", any_segment, times=1000)
    client, server = lab.talk(until="data")
    server.waits(0.3)
    server.aborts()
    client.hears_end()
    lab.shows("client", "tcp.flags.reset == 1 && tcp.srcport == 25", at_least=2)
    lab.did("server", "rst", "abort", "data")
