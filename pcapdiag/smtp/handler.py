"""`Handler`: what the two directions tell the observer, because it changes how the other one is read."""

from __future__ import annotations

from typing import Protocol

from pcapdiag.model import Moment, Side
from pcapdiag.smtp.dialogue import Reply


class Handler(Protocol):
    """The observer, as the streams see it."""

    def replied(self, reply: Reply) -> None:
        """A whole reply of the server."""

    def unread(self, begun: bytes, at: Moment) -> None:
        """A hole that may hold replies; `begun` is what was captured of the first: less than its code."""

    def client_records(self, offset: int, after_starttls: bool) -> bool:
        """The client's octets look like TLS from `offset` on: are they?"""

    def server_records(self, offset: int) -> None:
        """The server's octets look like TLS from `offset` on."""

    def server_speaks_clear(self) -> None:
        """The server's first octets, or those behind STARTTLS, are text."""

    def tls_octets(self, side: Side, octets: bytes, offset: int) -> None:
        """The next octets of a side that speaks TLS."""

    def tls_gap(self, side: Side, offset: int, length: int, at: Moment) -> None:
        """A hole in the octets of a side that speaks TLS."""
