"""The exact next capture to take: a tcpdump command line, and the machine to run it on."""

from __future__ import annotations

from pcapdiag.model import Endpoint, Says, Vantage
from pcapdiag.session import Session

FRAGMENTS = "(ip[6:2] & 0x1fff != 0) or (ip6 proto 44)"
"""Later fragments have no ports: without this the filter loses them."""


def next_capture(session: Session, vantage: Vantage | None) -> tuple[str, Says]:
    """The command, and the sentence that says where to run it."""
    where, name = {
        Vantage.CLIENT: ("On the server (or next to it)", "server-side"),
        Vantage.SERVER: ("On the client (or next to it)", "client-side"),
    }.get(vantage, ("On both hosts at the same time (another file name on each)", "other-side"))  # type: ignore[arg-type]
    return _command(session.client, session.server, name), (f"{where}, while it happens again:",)


def _command(client: Endpoint, server: Endpoint, name: str) -> str:
    mail = f"(host {server.address} and tcp port {server.port})"
    return f"tcpdump -i any -s 0 -w {name}.pcap '{mail} or icmp or icmp6 or {FRAGMENTS}'"
