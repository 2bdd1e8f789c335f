"""Encapsulations in which mirrors and clouds deliver, in columns: a tunnel's header is just one more header."""

from __future__ import annotations

import numpy as np

from pcapdiag.capture.cursor import (
    DEAD,
    ETHERNET,
    IP_PROTOCOL,
    IPV4,
    IPV6,
    MPLS,
    PPP_PROTOCOL,
    UDP,
    Cursor,
    Decoder,
    be16,
    be32,
)
from pcapdiag.capture.table import I64

VXLAN_PORTS = (4789, 8472)
"""RFC 7348 section 5; Linux began with 8472 before there was a number."""
VXLAN_GPE_PORT = 4790
GENEVE_PORT = 6081
TZSP_PORT = 37008
UDP_PORTS = frozenset((*VXLAN_PORTS, VXLAN_GPE_PORT, GENEVE_PORT, TZSP_PORT))

VXLAN = 0x30010
VXLAN_GPE = 0x30011
GENEVE = 0x30012
TZSP = 0x30013
TZSP_TAGS = 0x30014
"""The tags in front of an Ethernet frame."""
ERSPAN_II = 0x88BE
ERSPAN_III = 0x22EB
PPP_IN_GRE = 0x880B


def udp(cursor: Cursor, rows: I64) -> None:
    port = be16(cursor.octets(cursor.at[rows] + 2, 2), 0)
    kind = np.select(
        [np.isin(port, VXLAN_PORTS), port == VXLAN_GPE_PORT, port == GENEVE_PORT, port == TZSP_PORT],
        [VXLAN, VXLAN_GPE, GENEVE, TZSP],
        DEAD,
    )
    cursor.move(rows, kind, 8)


def vxlan(cursor: Cursor, rows: I64) -> None:
    """RFC 7348 section 5: "the I flag MUST be set to 1 for a valid VXLAN Network ID"."""
    flags = cursor.octets(cursor.at[rows], 1)[:, 0]
    cursor.move(rows, np.where(flags & 0x08, ETHERNET, DEAD), 8)


def vxlan_gpe(cursor: Cursor, rows: I64) -> None:
    """draft-ietf-nvo3-vxlan-gpe section 3.1: the next protocol in the fourth octet."""
    following = cursor.octets(cursor.at[rows] + 3, 1)[:, 0]
    kind = np.select(
        [following == 1, following == 2, following == 3, following == 5], [IPV4, IPV6, ETHERNET, MPLS], DEAD
    )
    cursor.move(rows, kind, 8)


def geneve(cursor: Cursor, rows: I64) -> None:
    """RFC 8926 3.4: options in units of four octets, and the EtherType of what follows."""
    head = cursor.octets(cursor.at[rows], 4)
    options = (head[:, 0] & 0x3F).astype(np.int64) * 4
    cursor.move(rows, np.where(head[:, 0] >> 6 == 0, be16(head, 2), DEAD), 8 + options)


def tzsp(cursor: Cursor, rows: I64) -> None:
    """Version 1, type 0 (received) or 1 (to transmit), and what is inside: 1 is Ethernet, 18 is 802.11."""
    head = cursor.octets(cursor.at[rows], 4)
    packet = (head[:, 0] == 1) & (head[:, 1] <= 1)
    cursor.move(rows, np.where(packet & (be16(head, 2) == 1), TZSP_TAGS, DEAD), 4)


def tzsp_tags(cursor: Cursor, rows: I64) -> None:
    """One tag: 0 is padding, 1 the end, any other has a length."""
    head = cursor.octets(cursor.at[rows], 2).astype(np.int64)
    by = np.where(head[:, 0] <= 1, 1, head[:, 1] + 2)
    cursor.move(rows, np.where(head[:, 0] == 1, ETHERNET, TZSP_TAGS), by)


def gre(cursor: Cursor, rows: I64) -> None:
    """RFC 2784 and 2890 (version 0), RFC 2637 4.1 (version 1, which carries PPP)."""
    head = cursor.octets(cursor.at[rows], 4)
    flags, protocol = be16(head, 0), be16(head, 2)
    version = flags & 7
    size = 4 + _bit(flags, 0x8000) * 4 + _bit(flags, 0x2000) * 4 + _bit(flags, 0x1000) * 4
    size += np.where(version == 1, _bit(flags, 0x0080) * 4, 0)
    # ERSPAN type I has neither a sequence number nor a header of its own; type II has both (draft-foschiano-erspan).
    plain_mirror = (protocol == ERSPAN_II) & (flags & 0x1000 == 0)
    kind = np.where(plain_mirror, ETHERNET, protocol)
    kind = np.where(protocol == PPP_IN_GRE, PPP_PROTOCOL, kind)
    # "If either the Routing Present bit or the Checksum Present bit are set" (RFC 1701): source routes are extinct.
    good = (flags & 0x4000 == 0) & (version <= 1) & ((version == 1) == (protocol == PPP_IN_GRE))
    cursor.move(rows, np.where(good, kind, DEAD), size)


def erspan_ii(cursor: Cursor, rows: I64) -> None:
    cursor.move(rows, ETHERNET, 8)


def erspan_iii(cursor: Cursor, rows: I64) -> None:
    """12 octets, and 8 more when the O bit, the last one, is set (draft-foschiano-erspan section 4.3)."""
    optional = cursor.octets(cursor.at[rows] + 11, 1)[:, 0].astype(np.int64) & 1
    cursor.move(rows, ETHERNET, 12 + optional * 8)


def mpls(cursor: Cursor, rows: I64) -> None:
    """One label (RFC 3032 2.1). Behind the last one the first four bits tell IP from a pseudowire (RFC 4928 section 3)."""
    head = cursor.octets(cursor.at[rows], 5)
    first = head[:, 4] >> 4
    last = be32(head, 0) & 0x100 != 0
    # RFC 4385 section 3: a pseudowire's control word begins with four zero bits.
    inner = np.select([first == 4, first == 6], [IPV4, IPV6], ETHERNET)
    cursor.move(rows, np.where(last, inner, MPLS), np.where(last & (first == 0), 8, 4))


def pppoe(cursor: Cursor, rows: I64) -> None:
    """RFC 2516 section 4: version and type 1, code 0 in a session; then a PPP protocol number."""
    head = cursor.octets(cursor.at[rows], 2)
    cursor.move(rows, np.where((head == (0x11, 0)).all(axis=1), PPP_PROTOCOL, DEAD), 6)


def _bit(flags: I64, mask: int) -> I64:
    return np.where(flags & mask, 1, 0)


DECODERS: dict[int, Decoder] = {
    UDP: udp,
    VXLAN: vxlan,
    VXLAN_GPE: vxlan_gpe,
    GENEVE: geneve,
    TZSP: tzsp,
    TZSP_TAGS: tzsp_tags,
    IP_PROTOCOL + 47: gre,
    IP_PROTOCOL + 137: mpls,
    ERSPAN_II: erspan_ii,
    ERSPAN_III: erspan_iii,
    MPLS: mpls,
    0x8848: mpls,
    0x8864: pppoe,
}
