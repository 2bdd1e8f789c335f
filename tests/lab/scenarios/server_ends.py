"""The server ends the connection: every stage, and every way in which a program or a kernel can."""

from ..lab import Lab
from ..scenario import scenario


@scenario("The server's program aborts (SO_LINGER 0) when DATA has come", "data server rst")
def data_server_aborts(lab: Lab) -> None:
    client, server = lab.talk(until="data")
    server.aborts()
    client.hears_end()
    lab.did("server", "rst", "abort", "data")
