"""IPv4, IPv6 and its extension headers, in columns: from a network header to a transport header (or a tunnel)."""

from __future__ import annotations

import numpy as np

from pcapdiag.capture.cursor import DEAD, FRAGMENT, IP_PROTOCOL, IPV4, IPV6, Cursor, Decoder, be16
from pcapdiag.capture.table import I64

IPV4_HEADER = 20
IPV6_HEADER = 40
MORE_OR_OFFSET = 0x3FFF
"""RFC 791 3.1: the More Fragments bit and the fragment offset; a packet is whole when all are zero."""


def ipv4(cursor: Cursor, rows: I64) -> None:
    at = cursor.at[rows]
    head = cursor.octets(at, 12)
    length = be16(head, 2)
    header = (head[:, 0] & 15).astype(np.int64) * 4
    good = (head[:, 0] >> 4 == 4) & (header >= IPV4_HEADER) & (at + IPV4_HEADER <= cursor.captured_end[rows])
    # Total length 0: the capture was taken before segmentation offload filled it in; the frame then says how long it is.
    _clamp(cursor, rows, at, np.where(length == 0, cursor.wire_end[rows] - at, np.maximum(length, header)))
    fragment = (be16(head, 6) & MORE_OR_OFFSET) != 0
    kind = np.where(fragment, FRAGMENT, head[:, 9].astype(np.int64) + IP_PROTOCOL)
    cursor.ip_at[rows] = at
    cursor.move(rows, np.where(good, kind, DEAD), np.where(fragment, 0, header))


def ipv6(cursor: Cursor, rows: I64) -> None:
    at = cursor.at[rows]
    head = cursor.octets(at, 8)
    length = be16(head, 4)
    good = (head[:, 0] >> 4 == 6) & (at + IPV6_HEADER <= cursor.captured_end[rows])
    # Payload length 0: offload again, or a jumbogram, whose length stands in an option (RFC 2675) and equals the frame's.
    _clamp(cursor, rows, at, np.where(length == 0, cursor.wire_end[rows] - at, length + IPV6_HEADER))
    cursor.ip_at[rows] = at
    cursor.move(rows, np.where(good, head[:, 6].astype(np.int64) + IP_PROTOCOL, DEAD), IPV6_HEADER)


def _clamp(cursor: Cursor, rows: I64, at: I64, length: I64) -> None:
    """An IP packet ends where its length says: what follows in the frame is padding, what is missing was not captured."""
    end = at + length
    cursor.wire_end[rows] = end
    cursor.captured_end[rows] = np.minimum(cursor.captured_end[rows], end)


def options(cursor: Cursor, rows: I64) -> None:
    """Extension headers of the common shape (RFC 8200 4): next header, length in 8-octet units beyond the first."""
    head = cursor.octets(cursor.at[rows], 2).astype(np.int64)
    cursor.move(rows, head[:, 0] + IP_PROTOCOL, (head[:, 1] + 1) * 8)


def authentication(cursor: Cursor, rows: I64) -> None:
    """RFC 4302 2.2: the length is "in 32-bit words (4-byte units), minus '2'"."""
    head = cursor.octets(cursor.at[rows], 2).astype(np.int64)
    cursor.move(rows, head[:, 0] + IP_PROTOCOL, (head[:, 1] + 2) * 4)


def fragment(cursor: Cursor, rows: I64) -> None:
    """RFC 8200 4.5. Offset 0 and no more fragments is an "atomic fragment" (RFC 6946): a whole packet."""
    head = cursor.octets(cursor.at[rows], 4)
    atomic = (be16(head, 2) & 0xFFF9) == 0
    cursor.move(rows, np.where(atomic, head[:, 0].astype(np.int64) + IP_PROTOCOL, FRAGMENT), np.where(atomic, 8, 0))


DECODERS: dict[int, Decoder] = {
    IPV4: ipv4,
    IPV6: ipv6,
    IP_PROTOCOL + 4: ipv4,
    IP_PROTOCOL + 41: ipv6,
    IP_PROTOCOL + 0: options,
    IP_PROTOCOL + 43: options,
    IP_PROTOCOL + 44: fragment,
    IP_PROTOCOL + 51: authentication,
    IP_PROTOCOL + 60: options,
    IP_PROTOCOL + 135: options,  # Mobility (RFC 6275 6.1.1)
    IP_PROTOCOL + 139: options,  # Host Identity Protocol (RFC 7401)
    IP_PROTOCOL + 140: options,  # Shim6 (RFC 5533)
}
