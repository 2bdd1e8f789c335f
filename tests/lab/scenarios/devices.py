"""Something between the hosts ends the connection: forged resets and FINs, firewalls that refuse, forget or swallow."""

from ..lab import Lab
from ..packets import RST
from ..peers import deliver, reach
from ..scenario import scenario


@scenario("A firewall answers the SYN with a reset in the server's name", "connect middlebox refused")
def connect_firewall_resets(lab: Lab) -> None:
    lab.listens()
    lab.firewall.rejects("reset")
    lab.fails_to_connect()
    lab.shows("client", "tcp.flags == 0x014")
    lab.did("middlebox", "refused", "rejects syn", "connect", owing="server")


@scenario("A firewall answers the SYN: communication administratively prohibited", "connect middlebox icmp")
def connect_icmp_prohibited(lab: Lab) -> None:
    lab.listens()
    lab.firewall.rejects("admin-prohibited")
    lab.fails_to_connect()
    lab.shows("client", "icmp.type == 3 && icmp.code == 13")
    lab.did("middlebox", "unreachable", "icmp", "connect", aimed_at="client", owing="server")


@scenario("A router has no way to the server's host, and says so", "connect path icmp", ipv6=True)
def connect_icmp_host_unreachable(lab: Lab) -> None:
    lab.listens()
    lab.firewall.rejects("host-unreachable")
    lab.fails_to_connect()
    lab.shows("client", "icmpv6.type == 1 && icmpv6.code == 3")
    lab.did("path", "unreachable", "icmp", "connect", aimed_at="client", owing="server")


@scenario("SYNs vanish on the way to the server", "connect path silence")
def connect_silence(lab: Lab) -> None:
    lab.listens()
    lab.firewall.drops(toward="server")
    lab.fails_to_connect(within=4)
    lab.shows("client", "tcp.flags == 0x002", at_least=3)
    lab.did("path", "timeout", "silence", "connect", owing="server")


@scenario(
    "A device resets only the server at MAIL; the client's kernel repeats MAIL, which nobody acknowledged, and draws a genuine reset",
    "mail middlebox rst forged",
)
def mail_reset_to_server_only(lab: Lab) -> None:
    client, server = lab.talk(until="mail", settled=False)
    lab.forger.resets("server", ttl=255, ip_id=0)
    server.hears_end()
    client.hears_end()
    lab.shows("client", "tcp.flags == 0x004 && tcp.srcport == 25")
    lab.shows("server", "tcp.flags.reset == 1 && tcp.dstport == 25 && ip.ttl > 64")
    lab.did("middlebox", "rst", "forged reset", "mail")


@scenario(
    "A device resets only the client at RCPT; the server's reply then meets a kernel without the socket",
    "rcpt middlebox rst forged",
)
def rcpt_reset_to_client_only(lab: Lab) -> None:
    client, server = lab.talk(until="rcpt")
    lab.forger.resets("client", ttl=64, ip_id=0, flags=RST, window=0)
    client.hears_end()
    server.says("250 2.1.5 Recipient ok")
    server.hears_end()
    lab.shows("server", "tcp.flags == 0x004 && tcp.dstport == 25")
    lab.did("middlebox", "rst", "forged reset", "rcpt")


@scenario(
    "A device resets both ends at the final dot, with perfect copies: TTL, IP ID, clock and window",
    "end-of-data middlebox rst forged lookalike",
)
def dot_perfect_resets_to_both(lab: Lab) -> None:
    client, server = lab.talk(until="end-of-data")
    lab.pauses(0.3)
    lab.forger.resets("client", clock="fresh")
    lab.forger.resets("server", clock="fresh")
    client.hears_end()
    server.hears_end()
    lab.did("middlebox", "rst", "forged reset", "end-of-data")


@scenario(
    "A device ends the client's connection by a forged FIN in mid-body, from another distance",
    "body middlebox fin forged",
)
def body_forged_fin(lab: Lab) -> None:
    client, server = lab.talk(until="body")
    lab.pauses(0.2)
    lab.forger.ends("client", ttl=250)
    client.hears_end()
    client.closes()
    server.hears_end(within=2)  # in vain: its kernel refuses a FIN that acknowledges what was never sent
    lab.shows("client", "tcp.flags.fin == 1 && tcp.srcport == 25")
    lab.shows("server", "tcp.flags.fin == 1 && tcp.dstport == 25")
    lab.did("middlebox", "fin", "forged fin", "body")


@scenario(
    "A forged reset misses the sequence number by a hundred: a challenge ACK, and the delivery goes on",
    "rcpt middlebox rst refused clean",
)
def forged_reset_refused(lab: Lab) -> None:
    client, server = lab.talk(after="mail")
    lab.forger.resets("client", ttl=64, aim="inside the window", flags=RST)
    lab.pauses(0.1)
    deliver(client, server, begin="rcpt")
    lab.shows("client", "tcp.flags.reset == 1", at_most=1)
    lab.did("nobody", "quit", "quit", "quit")


@scenario("A firewall begins to refuse the connection's segments with resets at DATA", "data middlebox rst")
def data_firewall_resets(lab: Lab) -> None:
    client, _ = lab.talk(after="rcpt")
    lab.firewall.rejects("reset")
    client.says("DATA")
    client.hears_end()
    lab.shows("client", "tcp.flags == 0x004 && tcp.srcport == 25")
    lab.did("middlebox", "rst", "rejects", "data", aimed_at="client", owing="server")


@scenario("The path dies in both directions in the middle of the message", "body path silence")
def body_path_dies(lab: Lab) -> None:
    client, _server = lab.talk(until="body")
    lab.far.dies()
    client.sends(b"Nobody heard this.\r\n" * 30, "message")
    client.waits(3)
    lab.shows("client", "tcp.analysis.retransmission", at_least=2)
    lab.did("path", "timeout", "silence", "body")


@scenario(
    "The reply to RCPT is lost for good: packets toward the client vanish, the other direction lives",
    "rcpt path silence one-way",
    ipv6=True,
)
def rcpt_replies_vanish(lab: Lab) -> None:
    client, server = lab.talk(after="mail")
    lab.firewall.drops(toward="client")
    client.says("RCPT TO:<ben@example.net>")
    server.hears("RCPT")
    server.says("250 2.1.5 Recipient ok")
    client.waits_in_vain(3)
    lab.shows("server", "tcp.analysis.retransmission && tcp.srcport == 25", at_least=2)
    lab.did("path", "timeout", "silence", "rcpt")


@scenario("A firewall forgets an idle connection and drops what belongs to none", "idle path silence state")
def idle_state_expires_silently(lab: Lab) -> None:
    lab.firewall.keeps_states(idle_s=2, then="drop")
    client, _ = lab.talk(after="rcpt")
    client.waits(3.5)
    lab.firewall.has_forgotten()
    client.says("DATA")
    client.waits_in_vain(3)
    lab.shows("client", "tcp.analysis.retransmission", at_least=2)
    lab.did("path", "timeout", "state expired, silent", "data")


@scenario("A firewall forgets an idle connection and answers the next command with a reset", "idle middlebox rst state")
def idle_state_expires_with_reset(lab: Lab) -> None:
    lab.firewall.keeps_states(idle_s=2, then="reset")
    client, _server = lab.talk(after="end-of-data")
    client.waits(3.5)
    lab.firewall.has_forgotten()
    client.says("MAIL FROM:<anna@example.com>")
    client.hears_end()
    lab.shows("client", "tcp.flags == 0x004 && tcp.srcport == 25")
    lab.did("middlebox", "rst", "state expired, reset", "mail", aimed_at="client")


@scenario(
    "A PMTU black hole: the link behind the router is narrow, and the router's ICMP is kept from the client",
    "body path pmtu black-hole",
)
def body_pmtu_black_hole(lab: Lab) -> None:
    client, server = lab.session()
    reach(client, server, after="data")
    lab.path_narrows(1200, silently=True)
    client.sends(b"The longer the message, the better it is lost.\r\n" * 60, "message")
    client.sends(b"A short line passes.\r\n", "message")
    client.waits(3)
    lab.shows("client", "tcp.analysis.retransmission && tcp.len > 1200", at_least=2)
    lab.did("path", "timeout", "black hole", "body")


@scenario("The server's power fails in the middle of the message", "body server silence power")
def body_server_power_fails(lab: Lab) -> None:
    client, _ = lab.talk(until="body")
    lab.power_fails("server")
    client.sends(b"Nobody was there.\r\n" * 30, "message")
    client.waits(3)
    lab.shows("client", "tcp.analysis.retransmission", at_least=2)
    lab.did("server", "timeout", "power failure", "body")


@scenario(
    "An inspecting device answers the message's first half with a 554 of its own and a FIN, in the server's name",
    "body middlebox fin forged 554",
)
def body_device_refuses(lab: Lab) -> None:
    client, server = lab.talk(until="body")
    lab.pauses(0.2)
    lab.forger.says("client", b"554 5.7.1 Blocked by content policy\r\n", ttl=128)
    lab.forger.ends("client", ttl=128)
    client.hears("554")
    client.hears_end()
    client.closes()
    server.hears_end(within=2)  # in vain, as with any FIN that acknowledges what was never sent
    lab.did("middlebox", "fin", "forged fin", "body")


@scenario(
    "A blind reset far outside the window is ignored without a word, and the delivery goes on",
    "mail middlebox rst refused clean",
)
def blind_reset_ignored(lab: Lab) -> None:
    client, server = lab.talk(after="ehlo")
    lab.forger.resets("server", ttl=77, aim="outside the window")
    lab.pauses(0.1)
    deliver(client, server, begin="mail")
    lab.shows("server", "tcp.flags.reset == 1", at_most=1)
    lab.did("nobody", "quit", "quit", "quit")


@scenario(
    "In mid-session a router loses its way to the server's net and says so to each repeated DATA", "data path icmp"
)
def data_icmp_net_unreachable(lab: Lab) -> None:
    client, _ = lab.talk(after="rcpt")
    lab.firewall.rejects("net-unreachable")
    client.says("DATA")
    client.waits_in_vain(3)
    lab.shows("client", "icmp.type == 3 && icmp.code == 0", at_least=2)
    lab.did("path", "unreachable", "icmp", "data", aimed_at="client")


@scenario("A firewall swallows long packets toward the server, without a word", "body path silence black-hole")
def body_firewall_drops_long_packets(lab: Lab) -> None:
    client, server = lab.session()
    reach(client, server, after="data")
    lab.firewall.drops(toward="server", only="meta length > 1000")
    client.sends(b"All of this is far too long.\r\n" * 100, "message")
    client.sends(b"And this is not.\r\n", "message")
    client.waits(3)
    lab.shows("server", "tcp.options.sack_le")
    lab.did("path", "timeout", "black hole", "body")
