"""`Session` and `Surroundings`: the two immutable arguments of every rule.

A connection and the dialogue that ran over it become a session. The surroundings are what else this capture knows at
the session's end, and never anything later, so that live and offline analysis agree.
"""

from __future__ import annotations

from typing import NamedTuple

from pcapdiag.model import Endpoint, Vantage
from pcapdiag.smtp.dialogue import Dialogue
from pcapdiag.tcp.connection import Connection
from pcapdiag.tcp.hosts import Hosts


class Session(NamedTuple):
    """One SMTP session: what the TCP connection did, and what was said over it."""

    connection: Connection
    dialogue: Dialogue

    @property
    def client(self) -> Endpoint:
        return self.connection.client

    @property
    def server(self) -> Endpoint:
        return self.connection.server


class Surroundings(NamedTuple):
    """What else the capture knows, from frames up to the session's end."""

    hosts: Hosts
    """TTLs and signs of life of every mail host."""
    captured_at: Vantage | None
    """Said by the user (--captured-at)."""
    smtp_ports: frozenset[int]
    capture_drops: int | None
    """Packets that the capture said it lost, as far as known; None when it said nothing."""
