"""RSET, VRFY, NOOP: commands beside the way of a message, and ends behind them."""

from ..lab import Lab
from ..scenario import scenario


@scenario("VRFY stays unanswered; the server closes", "other server fin vrfy", ipv6=True)
def vrfy_server_closes(lab: Lab) -> None:
    client, server = lab.talk(after="ehlo")
    client.says("VRFY ben")
    server.hears("VRFY")
    server.waits(0.3)
    server.closes()
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "close", "other")


@scenario("The client takes its recipient back with RSET, and goes without QUIT", "other client fin rset")
def rset_client_closes(lab: Lab) -> None:
    client, server = lab.talk(after="rcpt")
    client.says("RSET")
    server.hears("RSET")
    server.says("250 2.0.0 Flushed")
    client.hears("250")
    client.waits(0.3)
    client.closes()
    server.hears_end()
    server.closes()
    lab.did("client", "fin", "close", "other")


@scenario("RSET, and the path dies in both directions", "other path silence rset", ipv6=True)
def rset_path_dies(lab: Lab) -> None:
    client, _ = lab.talk(after="mail")
    lab.near.dies()
    client.says("RSET")
    client.waits_in_vain(3)
    lab.shows("client", "tcp.analysis.retransmission", at_least=2)
    lab.did("path", "timeout", "silence", "other")


@scenario("NOOP behind EHLO stays unanswered; the server's program aborts", "ehlo server rst noop")
def noop_server_aborts(lab: Lab) -> None:
    client, server = lab.talk(after="ehlo")
    client.says("NOOP")
    server.hears("NOOP")
    server.waits(0.3)
    server.aborts()
    client.hears_end()
    lab.did("server", "rst", "abort", "ehlo", owing="server")
