"""What a path does to packets without ending anything, and what it does to the end: loss, order, copies, NAT, MTU."""

from dataclasses import replace

from ..lab import Lab
from ..packets import ACK, FIN, SYN, build, parse
from ..peers import MESSAGE, deliver, reach
from ..scenario import scenario
from ..wire import carries, has_flags, has_octets


@scenario("The 250 to the final dot is lost once; the server repeats it", "end-of-data path loss clean")
def reply_to_dot_lost_once(lab: Lab) -> None:
    lost = lab.far.drop("client", carries(b"Queued as"))
    deliver(*lab.session())
    assert lost.done == 1
    lab.shows("server", "tcp.analysis.retransmission && tcp.srcport == 25")
    lab.did("nobody", "quit", "quit", "quit")


@scenario(
    "The 250 to the final dot never arrives: from then on the path toward the client is dead",
    "end-of-data path silence duplicate",
)
def reply_to_dot_lost_for_good(lab: Lab) -> None:
    client, server = lab.talk(until="end-of-data")
    lab.far.dies(toward="client")
    server.says("250 2.0.0 Queued as 4C2A1")
    client.waits_in_vain(3)
    client.closes()
    lab.pauses(1)
    lab.shows("server", "tcp.analysis.retransmission && tcp.srcport == 25", at_least=2)
    lab.did("path", "timeout", "silence", "end-of-data")


@scenario("The near cable dies at RCPT: the router sees nothing of what the client repeats", "rcpt path silence near")
def rcpt_near_path_dies(lab: Lab) -> None:
    client, _ = lab.talk(after="mail")
    lab.near.dies()
    client.says("RCPT TO:<ben@example.net>")
    client.waits_in_vain(3)
    lab.shows("client", "tcp.analysis.retransmission", at_least=2)
    lab.did("path", "timeout", "silence", "rcpt")


@scenario(
    "Segments of the message arrive twice and out of order; the delivery succeeds", "body path reorder duplicate clean"
)
def body_duplicated_and_swapped(lab: Lab) -> None:
    client, server = lab.session()
    reach(client, server, after="data")
    lab.near.duplicate("server", has_octets, times=3)
    lab.far.swap("server", has_octets, times=2)
    client.sends(MESSAGE * 3, "message")
    server.hears_octets(len(MESSAGE) * 3)
    deliver(client, server, begin="end-of-data")
    lab.shows("server", "tcp.analysis.out_of_order || tcp.analysis.retransmission || tcp.analysis.lost_segment")
    lab.did("nobody", "quit", "quit", "quit")


@scenario(
    "Every seventh packet or so of the message is lost, by chance; it arrives all the same", "body path loss clean"
)
def body_lossy_path(lab: Lab) -> None:
    client, server = lab.session()
    reach(client, server, after="data")
    lab.firewall.loses(15, toward="server")
    client.sends(MESSAGE * 6, "message")
    server.hears_octets(len(MESSAGE) * 6, within=20)
    lab.firewall.lifts_all()
    deliver(client, server, begin="end-of-data")
    lab.did("nobody", "quit", "quit", "quit")


@scenario(
    "The link behind the router is narrow, its ICMP arrives, and path MTU discovery does what it is for",
    "body path pmtu clean",
)
def pmtu_discovery(lab: Lab) -> None:
    client, server = lab.session()
    reach(client, server, after="data")
    lab.path_narrows(1200, silently=False)
    client.sends(MESSAGE * 3, "message")
    server.hears_octets(len(MESSAGE) * 3)
    deliver(client, server, begin="end-of-data")
    lab.shows("client", "icmp.type == 3 && icmp.code == 4")
    lab.did("nobody", "quit", "quit", "quit")


@scenario(
    "Source NAT: behind the router the client has another address; the server aborts at RCPT", "rcpt server rst nat"
)
def nat_server_aborts(lab: Lab) -> None:
    lab.firewall.hides_client()
    _, server = lab.talk(until="rcpt")
    server.aborts()
    lab.pauses(0.1)
    lab.shows("server", f"ip.src == {lab.addresses.far4}")
    lab.did("server", "rst", "abort", "rcpt")


@scenario("SYN+ACKs do not come back; the server repeats its own, the client its SYN", "connect path silence one-way")
def connect_synack_lost(lab: Lab) -> None:
    lab.listens()
    lab.far.dies(toward="client")
    lab.fails_to_connect(within=3.5)
    lab.shows("server", "tcp.flags == 0x012", at_least=2)
    lab.did("path", "timeout", "silence", "connect", owing="server", spoke_after=("client", "server"))


@scenario(
    "The handshake's last ACK and all behind it are lost: the client believes that it is connected",
    "connect greeting path silence",
)
def connect_last_ack_lost(lab: Lab) -> None:
    lab.listens()
    lab.far.drop("server", lambda segment: segment.flags & (SYN | ACK | FIN) != SYN, times=1000)
    lab.journal.write("far", "dies", toward="server")
    client = lab.connects()
    client.waits_in_vain(4)
    client.closes()
    lab.pauses(1)
    lab.shows("server", "tcp.flags == 0x012", at_least=2)
    lab.did("path", "timeout", "silence", "greeting", spoke_after=("client", "server"))


@scenario("The client's FIN is lost once behind QUIT, and repeated", "quit path loss clean")
def quit_fin_lost_once(lab: Lab) -> None:
    lab.near.drop("server", has_flags(FIN))
    deliver(*lab.session())
    lab.pauses(0.6)
    lab.shows("client", "tcp.flags.fin == 1 && tcp.dstport == 25", at_least=2)
    lab.did("nobody", "quit", "quit", "quit")


@scenario(
    "The 250 to the final dot takes four seconds on its way; the client has given up by then, and resets it",
    "end-of-data path late duplicate",
)
def reply_to_dot_too_late(lab: Lab) -> None:
    client, server = lab.talk(until="end-of-data")
    # All copies of it are held: its sender repeats what is not acknowledged.
    lab.far.hold("client", carries(b"Queued as"), seconds=4, times=100)
    server.says("250 2.0.0 Queued as 4C2A1")
    client.waits_in_vain(2.5)
    client.closes()
    server.hears_end()
    lab.pauses(2)
    lab.shows("client", "tcp.flags.reset == 1 && tcp.dstport == 25")
    lab.did("client", "fin", "gives up", "end-of-data", stalled_by="path")


@scenario(
    "A firewall blots STARTTLS out of the server's EHLO reply; the client delivers in clear text",
    "ehlo middlebox inspection clean",
)
def starttls_blotted_out(lab: Lab) -> None:
    lab.near.rewrite("client", carries(b"STARTTLS"), blotted)
    client, server = lab.talk(after="greeting")
    client.says("EHLO mail.example.com")
    server.hears("EHLO")
    server.says("250-gw.example.net", "250-STARTTLS", "250 SIZE 10240000")
    client.hears("250")
    deliver(client, server, begin="mail")
    lab.shows("server", 'tcp contains "STARTTLS"')
    lab.shows("client", 'tcp contains "STARTTLS"', at_least=0, at_most=0)
    lab.did("nobody", "quit", "quit", "quit")


def blotted(frame: bytes) -> bytes:
    segment = parse(frame)
    assert segment
    return build(replace(segment, payload=segment.payload.replace(b"STARTTLS", b"XXXXXXXA")))


@scenario("The path is dead for a second and a half in mid-body, and alive again", "body path outage clean")
def body_outage(lab: Lab) -> None:
    client, server = lab.talk(until="body")
    lab.far.dies()
    client.sends(MESSAGE, "message")
    lab.pauses(1.5)
    lab.far.revives()
    server.hears_octets(len(MESSAGE))
    deliver(client, server, begin="end-of-data")
    lab.shows("client", "tcp.analysis.retransmission", at_least=2)
    lab.did("nobody", "quit", "quit", "quit")


@scenario("A router clamps the MSS to 536 octets; the client aborts in mid-body", "body client rst mss")
def clamped_mss_client_aborts(lab: Lab) -> None:
    lab.firewall.clamps_mss(536)
    client, server = lab.talk(until="body")
    client.aborts()
    server.hears_end()
    lab.shows("server", "tcp.options.mss_val == 536")
    lab.did("client", "rst", "abort", "body")


@scenario(
    "Frames of nine thousand octets; the server aborts when it has the whole message",
    "end-of-data server rst jumbo",
    mtu=9000,
)
def jumbo_frames_server_aborts(lab: Lab) -> None:
    client, server = lab.session()
    reach(client, server, after="data")
    client.sends(MESSAGE * 6, "message")
    server.hears_octets(len(MESSAGE) * 6)
    reach(client, server, begin="end-of-data", until="end-of-data")
    server.aborts()
    client.hears_end()
    lab.shows("client", "tcp.len > 8000")
    lab.did("server", "rst", "abort", "end-of-data")


@scenario(
    "Hosts leave segmentation and checksums to the hardware; the server aborts behind a message in super-packets",
    "body server rst offload",
    offload=True,
)
def offload_server_aborts(lab: Lab) -> None:
    client, server = lab.session()
    reach(client, server, after="data")
    client.sends(MESSAGE * 12, "message")
    server.hears_octets(len(MESSAGE) * 12)
    server.waits(0.3)
    server.aborts()
    client.hears_end()
    lab.shows("client", "tcp.len > 2000")
    lab.did("server", "rst", "abort", "body")
