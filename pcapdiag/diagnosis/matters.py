"""What some sessions hold and most do not, told at a glance: a rule that is about it alone is asked only where it is."""

from __future__ import annotations

from enum import Enum

from pcapdiag.session import Session, Surroundings
from pcapdiag.smtp.dialogue import Reply


class Matter(Enum):
    """Out of the ordinary."""

    ICMP = "icmp"
    """ICMP errors quote its segments."""
    RESETS = "resets"
    ODDITIES = "oddities"
    """What a dialogue by the book does not hold."""
    REFUSALS = "refusals"
    """Replies 4xx and 5xx."""
    MUTE_CLIENT = "mute-client"
    """The client sent no octet."""
    RETRANSMISSIONS = "retransmissions"
    CLOSED_WINDOWS = "closed-windows"
    LOSSES = "losses"
    """The capture lacks octets of it that were acknowledged, or lost packets by its own count."""
    CUT = "cut"
    """The snap length cut octets off."""
    NO_SYN = "no-syn"
    COPIES = "copies"
    """The capture holds its packets twice."""


# Looked up once: members of an enumeration are slow to reach.
_ICMP, _RESETS, _ODDITIES, _REFUSALS = Matter.ICMP, Matter.RESETS, Matter.ODDITIES, Matter.REFUSALS
_MUTE_CLIENT, _RETRANSMISSIONS, _CLOSED_WINDOWS = Matter.MUTE_CLIENT, Matter.RETRANSMISSIONS, Matter.CLOSED_WINDOWS
_LOSSES, _CUT, _NO_SYN, _COPIES = Matter.LOSSES, Matter.CUT, Matter.NO_SYN, Matter.COPIES


def matters_of(session: Session, around: Surroundings, refusals: list[Reply]) -> frozenset[Matter]:
    """What this session holds. `refusals`: those up to its end."""
    connection = session.connection
    client, server = connection.halves
    held = (
        (_ICMP, connection.icmp),
        (_RESETS, connection.closing.resets),
        (_ODDITIES, session.dialogue.oddities),
        (_REFUSALS, refusals),
        (_MUTE_CLIENT, not client.octets),
        (_RETRANSMISSIONS, client.retransmissions or server.retransmissions),
        (_CLOSED_WINDOWS, client.zero_windows or server.zero_windows),
        (_LOSSES, client.missing or server.missing or around.capture_drops),
        (_CUT, client.cut or server.cut),
        (_NO_SYN, not connection.handshake.syns),
        (_COPIES, connection.duplicates),
    )
    return frozenset([matter for matter, there in held if there])
