"""Captures that show less, or more, than what happened: cut packets, one direction, `any`, begun late, stopped early."""

from ..capture import Shot
from ..lab import Lab
from ..peers import reach
from ..scenario import scenario

CUT = Shot("eth0", snaplen=96)


@scenario(
    "Packets cut to 96 octets; the server aborts in mid-body",
    "body server rst snaplen",
    shots={"client": CUT, "server": CUT, "middle": Shot("near", snaplen=96)},
)
def cut_packets_body_server_aborts(lab: Lab) -> None:
    client, server = lab.talk(until="body")
    server.waits(0.5)
    server.aborts()
    client.hears_end()
    lab.did("server", "rst", "abort", "body")


@scenario(
    "The client's and the middle's capture hold one direction only; the server closes at MAIL",
    "mail server fin one-direction",
    shots={"client": Shot("eth0", narrow="tcp dst port 25"), "middle": Shot("near", narrow="tcp src port 25")},
)
def one_direction_mail_server_closes(lab: Lab) -> None:
    client, server = lab.talk(until="mail")
    server.waits(0.4)
    server.closes()
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "close", "mail")


@scenario(
    "The middle is captured on `any`, so that each packet stands there twice; a device resets both ends at DATA",
    "data middlebox rst forged any",
    shots={"middle": Shot("any")},
)
def any_device_resets_to_both(lab: Lab) -> None:
    client, server = lab.talk(until="data")
    lab.forger.resets("client", clock="fresh")
    lab.forger.resets("server", clock="fresh")
    client.hears_end()
    server.hears_end()
    lab.shows("middle", "tcp.flags.reset == 1", at_least=2)
    lab.did("middlebox", "rst", "forged reset", "data")


@scenario(
    "The server's capture begins in the middle of the session; the server closes in mid-body",
    "body server fin late",
    late=("server",),
)
def late_capture_body_server_closes(lab: Lab) -> None:
    client, server = lab.talk(after="rcpt")
    lab.starts_capture("server")
    reach(client, server, begin="data", until="body")
    server.waits(0.4)
    server.closes()
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "close", "body")


@scenario(
    "The client's capture is stopped before the server aborts at the final dot", "end-of-data server rst early-stop"
)
def early_stop_dot_server_aborts(lab: Lab) -> None:
    client, server = lab.talk(until="end-of-data")
    lab.stops_capture("client")
    server.aborts()
    client.hears_end()
    lab.did("server", "rst", "abort", "end-of-data")


@scenario(
    "pcapng by dumpcap at the client; the client aborts at RCPT",
    "rcpt client rst pcapng",
    shots={"client": Shot("eth0", program="dumpcap")},
    needs=("dumpcap",),
)
def pcapng_client_aborts(lab: Lab) -> None:
    client, server = lab.talk(after="rcpt")
    client.aborts()
    server.hears_end()
    lab.did("client", "rst", "abort", "rcpt")


@scenario(
    "The client's capture holds the headers only; the server aborts at DATA",
    "data server rst headers",
    shots={"client": Shot("eth0", snaplen=66)},
)
def headers_only_data_server_aborts(lab: Lab) -> None:
    client, server = lab.talk(until="data")
    server.waits(0.3)
    server.aborts()
    client.hears_end()
    lab.did("server", "rst", "abort", "data")
