"""ICMP errors and refusals, at connect and midway: from a router, from a firewall in between, from the host's own firewall."""

from ..firewall import Refusal
from ..host_firewall import HostFirewall
from ..lab import Lab
from ..peers.conversation import COMMANDS, REPLIES, Step
from ..scenario import scenario


def refused_midway(lab: Lab, by: Refusal, step: Step, before: Step) -> None:
    """The router begins to answer the client's segments with errors; the client's kernel goes on trying (RFC 5461)."""
    client, _ = lab.talk(after=before)
    lab.pauses(0.2)
    lab.firewall.rejects(by)
    client.says(*COMMANDS[step])
    client.waits_in_vain(2.5)
    culprit = "path" if by in {"host-unreachable", "net-unreachable"} else "middlebox"
    lab.did(culprit, "unreachable", "icmp", step, aimed_at="client", owing="server")


@scenario("A router finds no way to the server's host any more, and says so to the client's MAIL", "mail path icmp")
def mail_icmp_host_unreachable(lab: Lab) -> None:
    refused_midway(lab, "host-unreachable", "mail", before="ehlo")
    lab.shows("client", "icmp.type == 3 && icmp.code == 1")


@scenario("A router has no route to the server's network any more: RCPT is answered so", "rcpt path icmp", ipv6=True)
def rcpt_icmp_no_route(lab: Lab) -> None:
    refused_midway(lab, "net-unreachable", "rcpt", before="mail")
    lab.shows("client", "icmpv6.type == 1 && icmpv6.code == 0")


@scenario("A firewall in between answers DATA with port unreachable, from its own address", "data middlebox icmp")
def data_icmp_port_unreachable(lab: Lab) -> None:
    refused_midway(lab, "port-unreachable", "data", before="rcpt")
    lab.shows("client", f"icmp.type == 3 && icmp.code == 3 && ip.src == {lab.addresses.near4}")


@scenario("A firewall in between prohibits EHLO: administratively, by ICMPv6", "ehlo middlebox icmp", ipv6=True)
def ehlo_icmp_prohibited(lab: Lab) -> None:
    refused_midway(lab, "admin-prohibited", "ehlo", before="greeting")
    lab.shows("client", "icmpv6.type == 1 && icmpv6.code == 1")


@scenario(
    "A router refuses the server's reply to the final dot, and says so to the server; the client hears nothing",
    "end-of-data path icmp",
)
def dot_reply_icmp_net_unreachable(lab: Lab) -> None:
    client, server = lab.talk(until="end-of-data")
    lab.pauses(0.2)
    lab.firewall.rejects("net-unreachable", toward="client")
    server.says(*REPLIES["end-of-data"])
    client.waits_in_vain(2.5)
    lab.shows("server", "icmp.type == 3 && icmp.code == 0")
    lab.did("path", "unreachable", "icmp", "end-of-data", aimed_at="server")


@scenario("A router has no route to the server's network, and answers the SYNs so", "connect path icmp")
def connect_icmp_net_unreachable(lab: Lab) -> None:
    lab.listens()
    lab.firewall.rejects("net-unreachable")
    lab.fails_to_connect()
    lab.shows("client", "icmp.type == 3 && icmp.code == 0")
    lab.did("path", "unreachable", "icmp", "connect", aimed_at="client", owing="server")


@scenario(
    "The server's own firewall refuses the SYN with a reset, though its program listens",
    "connect server refused",
    ipv6=True,
)
def connect_own_firewall_resets(lab: Lab) -> None:
    lab.listens()
    own_firewall(lab).refuses("reset")
    lab.fails_to_connect()
    lab.did("server", "refused", "not listening", "connect", owing="server")


@scenario("The server's own firewall prohibits the SYN by ICMP, though its program listens", "connect server icmp")
def connect_own_firewall_prohibits(lab: Lab) -> None:
    lab.listens()
    own_firewall(lab).refuses("admin-prohibited")
    lab.fails_to_connect()
    lab.shows("client", f"icmp.type == 3 && icmp.code == 13 && ip.src == {lab.addresses.server4}")
    lab.did("server", "unreachable", "icmp", "connect", aimed_at="client", owing="server")


@scenario(
    "The server's own firewall begins to refuse with resets: DATA meets one", "data server rst firewall lookalike"
)
def data_own_firewall_resets(lab: Lab) -> None:
    client, _ = lab.talk(after="rcpt")
    lab.pauses(0.2)
    own_firewall(lab).refuses("reset")
    client.says(*COMMANDS["data"])
    client.hears_end()
    lab.shows("client", "tcp.flags == 0x004 && tcp.srcport == 25")
    lab.did("server", "rst", "own firewall", "data", owing="server")


@scenario(
    "The server's own firewall begins to refuse with port unreachable: MAIL meets it", "mail server icmp", ipv6=True
)
def mail_own_firewall_refuses(lab: Lab) -> None:
    client, _ = lab.talk(after="ehlo")
    lab.pauses(0.2)
    own_firewall(lab).refuses("port-unreachable")
    client.says(*COMMANDS["mail"])
    client.waits_in_vain(2.5)
    lab.shows("client", f"icmpv6.type == 1 && icmpv6.code == 4 && ipv6.src == {lab.addresses.server6}")
    lab.did("server", "unreachable", "icmp", "mail", aimed_at="client", owing="server")


def own_firewall(lab: Lab) -> HostFirewall:
    return HostFirewall(lab.network.server, lab.journal)
