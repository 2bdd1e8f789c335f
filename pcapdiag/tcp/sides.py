"""Which end is the client: by SYN, by mail port, by who greets, by the lower port, in this order."""

from __future__ import annotations

from pcapdiag.capture.table import ACK, RST, SYN
from pcapdiag.tcp.packet import Packet

MAIL_PORTS = frozenset({25, 465, 587, 2525})
_COMMANDS = (b"EHLO", b"HELO", b"LHLO")


def by_syn(packet: Packet) -> bool | None:
    """True when the sender is the client, False when it is the server; None when this segment does not tell."""
    if packet.flags & SYN and not packet.flags & RST:
        return not packet.flags & ACK
    return None


def by_port(srcport: int, dstport: int, ports: frozenset[int]) -> bool | None:
    """The end on a mail port is the server."""
    return None if (srcport in ports) == (dstport in ports) else dstport in ports


def by_words(payload: bytes) -> bool | None:
    """A server greets with 220, a client says EHLO."""
    if payload[:4].upper() in _COMMANDS:
        return True
    if payload[:3].isdigit() and payload[3:4] in (b" ", b"-"):
        return False
    return None
