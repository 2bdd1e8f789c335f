"""What each address was seen to do over the whole capture: its TTLs, and when it gave signs of life.

Fed once per batch with columns; asked by rules with a moment, and answers only from frames before it.
"""

from __future__ import annotations

from typing import Protocol

from pcapdiag.model import Moment


class Hosts(Protocol):
    """Read side of the host ledger."""

    def ttls(self, address: str, before: Moment) -> frozenset[int]:
        """TTLs of that address's segments without RST, first seen before the moment, in any connection."""

    def alive_since(self, address: str, after: Moment, before: Moment) -> bool:
        """True when the address sent any segment without RST strictly between the two moments, in any connection."""
