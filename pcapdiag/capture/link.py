"""Link layers, in columns: from the frame's first octet to a network header. LINKTYPE_ numbers are tcpdump.org's.

What is not here goes to the slow path, or is reported as a link type that this engine does not know.
"""

from __future__ import annotations

import numpy as np

from pcapdiag.capture.cursor import DEAD, ETHERNET, IPV4, IPV6, LINK_TYPE, LLC, PPP_PROTOCOL, RAW, Cursor, Decoder, be16
from pcapdiag.capture.table import I64

ETHERTYPES_FROM = 0x600
"""IEEE 802.3 3.2.6: values from 1536 are types, below 1501 lengths (an LLC header follows)."""


def ethernet(cursor: Cursor, rows: I64) -> None:
    kind = be16(cursor.octets(cursor.at[rows] + 12, 2), 0)
    cursor.move(rows, np.where(kind < ETHERTYPES_FROM, LLC, kind), 14)


def vlan(cursor: Cursor, rows: I64) -> None:
    """IEEE 802.1Q tag behind its EtherType: TCI, then the next type."""
    kind = be16(cursor.octets(cursor.at[rows] + 2, 2), 0)
    cursor.move(rows, np.where(kind < ETHERTYPES_FROM, LLC, kind), 4)


def llc(cursor: Cursor, rows: I64) -> None:
    """IEEE 802.2: SNAP with an OUI of zero carries an EtherType (RFC 1042), SAP 06 carries IP itself."""
    head = cursor.octets(cursor.at[rows], 8)
    snap = (head[:, :3] == (0xAA, 0xAA, 0x03)).all(axis=1)
    ip = (head[:, :3] == (0x06, 0x06, 0x03)).all(axis=1)
    kind = np.where(snap, be16(head, 6), np.where(ip, IPV4, DEAD))
    cursor.move(rows, kind, np.where(snap, 8, 3))


def raw(cursor: Cursor, rows: I64) -> None:
    version = cursor.octets(cursor.at[rows], 1)[:, 0] >> 4
    cursor.move(rows, np.where(version == 4, IPV4, np.where(version == 6, IPV6, DEAD)), 0)


def null(cursor: Cursor, rows: I64) -> None:
    """BSD loopback: an address family of four octets, whose byte order and IPv6 number depend on the capturing host.

    The version in the IP header behind it says the same without guessing.
    """
    cursor.move(rows, RAW, 4)


def sll(cursor: Cursor, rows: I64) -> None:
    """Linux cooked capture, version 1: 16 octets, the protocol in the last two."""
    _cooked(cursor, rows, be16(cursor.octets(cursor.at[rows] + 14, 2), 0), 16)


def sll2(cursor: Cursor, rows: I64) -> None:
    """Linux cooked capture, version 2: 20 octets, the protocol in the first two."""
    _cooked(cursor, rows, be16(cursor.octets(cursor.at[rows], 2), 0), 20)


def _cooked(cursor: Cursor, rows: I64, protocol: I64, header: int) -> None:
    # 0x0004 is LINUX_SLL_P_802_2: an LLC header follows.
    kind = np.where(protocol == 4, LLC, np.where(protocol < ETHERTYPES_FROM, DEAD, protocol))
    cursor.move(rows, kind, header)


def hdlc(cursor: Cursor, rows: I64) -> None:
    """Cisco HDLC: address, control, EtherType. PPP in HDLC framing (RFC 1662) begins FF 03."""
    head = cursor.octets(cursor.at[rows], 4)
    framed = (head[:, :2] == (0xFF, 0x03)).all(axis=1)
    cursor.move(rows, np.where(framed, PPP_PROTOCOL, be16(head, 2)), np.where(framed, 2, 4))


def ppp_link(cursor: Cursor, rows: I64) -> None:
    """PPP with or without the HDLC address and control octets (RFC 1661 6.6 lets both sides leave them out)."""
    head = cursor.octets(cursor.at[rows], 2)
    framed = (head == (0xFF, 0x03)).all(axis=1)
    cursor.move(rows, PPP_PROTOCOL, np.where(framed, 2, 0))


def ppp(cursor: Cursor, rows: I64) -> None:
    """The PPP protocol field, one octet when compressed: "the least significant bit ... '1'" ends it (RFC 1661 2)."""
    head = cursor.octets(cursor.at[rows], 2)
    short = (head[:, 0] & 1).astype(bool)
    number = np.where(short, head[:, 0], be16(head, 0))
    kind = np.select([number == 0x21, number == 0x57, number == 0x281], [IPV4, IPV6, 0x8847], DEAD)
    cursor.move(rows, kind, np.where(short, 1, 2))


def enc(cursor: Cursor, rows: I64) -> None:
    """OpenBSD's IPsec interface: address family, SPI, flags; then IP."""
    cursor.move(rows, RAW, 12)


def pflog(cursor: Cursor, rows: I64) -> None:
    """OpenBSD's packet filter log: the first octet is the header's length, padded to four."""
    length = cursor.octets(cursor.at[rows], 1)[:, 0].astype(np.int64)
    cursor.move(rows, RAW, (length + 3) & ~3)


LINKS: dict[int, Decoder] = {
    0: null,
    1: ethernet,
    9: ppp_link,
    12: raw,
    14: raw,
    50: ppp_link,
    100: llc,  # LLC/SNAP-encapsulated ATM (RFC 2684)
    101: raw,
    104: hdlc,
    108: null,
    109: enc,
    113: sll,
    117: pflog,
    228: raw,
    229: raw,
    276: sll2,
}

DECODERS: dict[int, Decoder] = {LINK_TYPE + number: decoder for number, decoder in LINKS.items()} | {
    ETHERNET: ethernet,
    LLC: llc,
    RAW: raw,
    PPP_PROTOCOL: ppp,
    0x8100: vlan,
    0x88A8: vlan,
    0x9100: vlan,
    0x9200: vlan,
}
