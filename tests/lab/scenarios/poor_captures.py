"""More of partial_captures: cut packets, one direction, late, early, pcapng, NAT; with other culprits and other stages."""

from ..capture import PLACES, Place, Shot
from ..lab import Lab
from ..packets import RST
from ..peers import reach
from ..scenario import scenario

CUT: dict[Place, Shot] = {
    "client": Shot("eth0", snaplen=96),
    "middle": Shot("near", snaplen=96),
    "server": Shot("eth0", snaplen=96),
}
HEADERS: dict[Place, Shot] = {
    "client": Shot("eth0", snaplen=66),
    "middle": Shot("near", snaplen=66),
    "server": Shot("eth0", snaplen=66),
}
PCAPNG: dict[Place, Shot] = {
    "client": Shot("eth0", program="dumpcap"),
    "middle": Shot("near", program="dumpcap"),
    "server": Shot("eth0", program="dumpcap"),
}
FROM_CLIENT, FROM_SERVER = "tcp dst port 25", "tcp src port 25"


def one_way(client: str, middle: str, server: str) -> dict[Place, Shot]:
    return {
        "client": Shot("eth0", narrow=client),
        "middle": Shot("near", narrow=middle),
        "server": Shot("eth0", narrow=server),
    }


@scenario(
    "Packets cut to 96 octets; the client aborts behind the final dot",
    "end-of-data client rst snaplen",
    ipv6=True,
    shots=CUT,
)
def cut_packets_dot_client_aborts(lab: Lab) -> None:
    client, server = lab.talk(until="end-of-data")
    client.waits(0.6)
    client.aborts()
    server.hears_end()
    lab.did("client", "rst", "abort", "end-of-data")


@scenario(
    "Packets cut to 96 octets; a device resets both ends in mid-body", "body middlebox rst forged snaplen", shots=CUT
)
def cut_packets_body_device_resets(lab: Lab) -> None:
    client, server = lab.talk(until="body")
    lab.pauses(0.3)
    lab.forger.resets("client", ttl=128)
    lab.forger.resets("server", ttl=128)
    client.hears_end()
    server.hears_end()
    lab.did("middlebox", "rst", "forged reset", "body")


@scenario(
    "Only headers were captured; the server closes behind the final dot",
    "end-of-data server fin snaplen",
    shots=HEADERS,
)
def headers_only_dot_server_closes(lab: Lab) -> None:
    client, server = lab.talk(until="end-of-data")
    server.waits(0.5)
    server.closes()
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "close", "end-of-data")


@scenario("Only headers were captured; a whole delivery", "quit clean snaplen", shots=HEADERS)
def headers_only_delivery(lab: Lab) -> None:
    client, server = lab.talk(after="quit")
    server.closes()
    client.hears_end()
    client.closes()
    lab.did("nobody", "quit", "quit", "quit")


@scenario(
    "The server closes behind RCPT; each place has one direction only",
    "rcpt server fin one-direction",
    ipv6=True,
    shots=one_way(FROM_SERVER, FROM_CLIENT, FROM_SERVER),
)
def one_direction_rcpt_server_closes(lab: Lab) -> None:
    client, server = lab.talk(until="rcpt")
    server.waits(0.4)
    server.closes()
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "close", "rcpt")


@scenario(
    "The client aborts in mid-body; each place has one direction only",
    "body client rst one-direction",
    shots=one_way(FROM_CLIENT, FROM_SERVER, FROM_CLIENT),
)
def one_direction_body_client_aborts(lab: Lab) -> None:
    client, server = lab.talk(until="body")
    client.waits(0.4)
    client.aborts()
    server.hears_end()
    lab.did("client", "rst", "abort", "body")


@scenario(
    "A device resets both ends at DATA; each place has the direction in which it was reset",
    "data middlebox rst forged one-direction",
    ipv6=True,
    shots=one_way(FROM_SERVER, FROM_SERVER, FROM_CLIENT),
)
def one_direction_device_resets(lab: Lab) -> None:
    client, server = lab.talk(until="data")
    lab.pauses(0.2)
    lab.forger.resets("client", ttl=77)
    lab.forger.resets("server", ttl=77)
    client.hears_end()
    server.hears_end()
    lab.did("middlebox", "rst", "forged reset", "data")


@scenario(
    "All captures begin in the middle of the message; the client is killed in it",
    "body client fin killed late",
    ipv6=True,
    late=PLACES,
)
def late_in_body_client_killed(lab: Lab) -> None:
    client, server = lab.talk(until="body")
    for place in PLACES:
        lab.starts_capture(place)
    client.sends(b"These words are the first that were captured.\r\n" * 20, "message")
    server.hears_octets(47 * 20)
    client.waits(0.3)
    client.is_killed()
    server.hears_end()
    server.closes()
    lab.did("client", "fin", "killed", "body")


@scenario(
    "All captures begin behind the envelope; a device resets the client at the final dot",
    "end-of-data middlebox rst forged late",
    late=PLACES,
)
def late_dot_device_resets_client(lab: Lab) -> None:
    client, server = lab.talk(after="rcpt")
    for place in PLACES:
        lab.starts_capture(place)
    reach(client, server, begin="data", until="end-of-data")
    lab.pauses(0.3)
    lab.forger.resets("client", ttl=255, ip_id=0, flags=RST)
    client.hears_end()
    server.says("250 2.0.0 Queued as 4C2A1")
    server.hears_end()
    lab.did("middlebox", "rst", "forged reset", "end-of-data")


@scenario(
    "The server's capture is stopped in mid-body, before the client aborts", "body client rst early-stop", ipv6=True
)
def early_stop_body_client_aborts(lab: Lab) -> None:
    client, server = lab.talk(until="body")
    lab.stops_capture("server")
    client.aborts()
    server.hears_end()
    lab.did("client", "rst", "abort", "body")


@scenario(
    "pcapng by dumpcap everywhere; a device resets both ends in mid-body",
    "body middlebox rst forged pcapng",
    ipv6=True,
    shots=PCAPNG,
    needs=("dumpcap",),
)
def pcapng_device_resets_both(lab: Lab) -> None:
    client, server = lab.talk(until="body")
    lab.pauses(0.2)
    lab.forger.resets("client", ttl=200)
    lab.forger.resets("server", ttl=200)
    client.hears_end()
    server.hears_end()
    lab.did("middlebox", "rst", "forged reset", "body")


@scenario("Source NAT, and on the same router a device that resets both ends at RCPT", "rcpt middlebox rst forged nat")
def nat_device_resets_both(lab: Lab) -> None:
    lab.firewall.hides_client()
    client, server = lab.talk(until="rcpt")
    lab.pauses(0.2)
    lab.forger.resets("client", ttl=255)
    lab.forger.resets("server", ttl=255)
    client.hears_end()
    server.hears_end()
    lab.shows("server", f"ip.src == {lab.addresses.far4} && tcp.flags.reset == 1")
    lab.did("middlebox", "rst", "forged reset", "rcpt")


@scenario(
    "Source NAT; the path behind it dies at the final dot, and the client gives up", "end-of-data path silence nat"
)
def nat_path_dies(lab: Lab) -> None:
    lab.firewall.hides_client()
    client, _ = lab.talk(after="data")
    lab.pauses(0.2)
    lab.far.dies(toward="server")
    client.sends(b"A short message.\r\n", "message")
    client.says(".")
    client.waits_in_vain(3)
    lab.shows("client", "tcp.analysis.retransmission", at_least=2)
    lab.did("path", "timeout", "silence", "end-of-data")
