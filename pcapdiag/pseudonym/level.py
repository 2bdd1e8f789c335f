"""How much is hidden from whoever reads a result."""

from __future__ import annotations

from enum import Enum


class Level(Enum):
    """How much is hidden."""

    NONE = "none"
    MAIL = "mail"
    """Local parts of mail addresses. Times, IP addresses, HELO, queue ids and sizes stay: by them the other side finds
    the mail."""
    ALL = "all"
    """IP addresses and host names, too."""
