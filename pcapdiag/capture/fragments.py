"""IP fragments -> whole datagrams (RFC 791 3.2, RFC 8200 4.5), one by one and in bounded memory.

A datagram is given out with the frame that completed it, as Wireshark does. Fragments of protocols that cannot lead to
TCP are not kept; a first fragment that the snap length cut is read as it is, since its datagram can never be whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from pcapdiag.capture.cursor import FRAGMENT, IP_PROTOCOL, Cursor
from pcapdiag.capture.table import I64
from pcapdiag.capture.tunnel import UDP_PORTS

Key = tuple[bytes, int]
Datagram = tuple[int, bytes]
"""(row of the cursor, IPv4 or IPv6 packet without fragmentation)."""

CARRIERS = frozenset((1, 4, 6, 17, 41, 47, 51, 58, 137))
"""ICMP, IPIP, TCP, UDP (tunnels), 6in4, GRE, AH, ICMPv6, MPLS-in-IP."""
LIFETIME_NS = 60 * 1_000_000_000
"""RFC 8200 4.5: "within 60 seconds"; RFC 1122 3.3.2 allows 60 to 120 for IPv4."""
MOST_DATAGRAMS = 1024
MOST_OCTETS = 1 << 24
MOST_FRAGMENTS = 1 << 21
"""Per file: beyond, the time spent here is no longer worth it."""
LARGEST = 65535


class Piece(NamedTuple):
    """One fragment."""

    key: Key
    """What the fragments of one datagram have in common."""
    header: bytes
    """The IP header in front of it, without IPv6 extension headers."""
    protocol: int
    offset: int
    more: bool
    data: bytes
    at: int
    """Where `data` begins in the block."""


@dataclass(slots=True)
class Partial:
    """A datagram of which some fragments have come."""

    since_ns: int
    pieces: dict[int, bytes] = field(default_factory=dict)
    """By offset; the first of two with the same offset counts."""
    length: int | None = None
    octets: int = 0
    protocol: int = 0
    unwanted: bool = False

    def take(self, piece: Piece) -> bool:
        """Add a fragment; False when there was one at its place."""
        if piece.offset in self.pieces:
            return False
        if piece.offset == 0:
            self.protocol = piece.protocol
        if not piece.more:
            self.length = piece.offset + len(piece.data)
        self.pieces[piece.offset] = piece.data
        self.octets += len(piece.data)
        return True

    def beginning(self) -> bytes:
        """What has come up to the first hole."""
        out = bytearray()
        for offset, piece in sorted(self.pieces.items()):
            if offset > len(out):
                break
            out += piece[len(out) - offset :]
        return bytes(out)

    def whole(self) -> bytes | None:
        if self.length is None or 0 not in self.pieces or self.octets < self.length:
            return None
        out = self.beginning()
        return out[: self.length] if len(out) >= self.length else None


@dataclass(slots=True)
class Fragments:
    """The datagrams of one file that are not whole yet."""

    _open: dict[Key, Partial] = field(default_factory=dict)
    _octets: int = 0
    seen: int = 0
    dropped: int = 0
    """Fragments not looked at, or thrown away with their datagram for lack of memory."""

    def add(self, cursor: Cursor, rows: I64, times_ns: I64) -> list[Datagram]:
        """Take the fragments among these rows; the datagrams that they complete."""
        done: list[Datagram] = []
        rows = rows[cursor.kind[rows] == FRAGMENT]
        for row, now in zip(rows.tolist(), times_ns[rows].tolist(), strict=True):
            if self.seen >= MOST_FRAGMENTS:
                self.dropped += 1
                continue
            self.seen += 1
            fragment = piece_of(cursor, row)
            if fragment is not None:
                packet = self._take(fragment, now)
                if packet is not None:
                    done.append((row, packet))
        return done

    def _take(self, fragment: Piece, now: int) -> bytes | None:
        partial = self._open.get(fragment.key)
        if partial is None or now - partial.since_ns > LIFETIME_NS:
            self._forget(fragment.key)
            self._make_room(len(fragment.data), now)
            partial = self._open[fragment.key] = Partial(now)
        first = fragment.offset == 0
        if first and fragment.protocol == 17 and int.from_bytes(fragment.data[2:4]) not in UDP_PORTS:
            self._forget(fragment.key)
            self._open[fragment.key] = Partial(now, unwanted=True)
            return None
        if partial.unwanted or not partial.take(fragment):
            return None
        self._octets += len(fragment.data)
        whole = partial.whole()
        if whole is None:
            return None
        self._forget(fragment.key)
        return rebuilt(fragment.header, partial.protocol, whole)

    def _forget(self, key: Key) -> None:
        partial = self._open.pop(key, None)
        if partial is not None:
            self._octets -= partial.octets

    def _make_room(self, octets: int, now: int) -> None:
        """Oldest first: what is too old, then what must go."""
        for key in list(self._oldest(octets, now)):
            self.dropped += len(self._open[key].pieces)
            self._forget(key)

    def _oldest(self, octets: int, now: int) -> Iterator[Key]:
        count, held = len(self._open), self._octets
        for key, partial in self._open.items():
            full = count >= MOST_DATAGRAMS or held + octets > MOST_OCTETS
            if not full and now - partial.since_ns <= LIFETIME_NS:
                return
            count -= 1
            held -= partial.octets
            yield key


def read_cut(cursor: Cursor, rows: I64) -> I64:
    """First fragments whose datagram was cut by the snap length: from now on packets of their own. Returns them."""
    rows = rows[cursor.kind[rows] == FRAGMENT]
    rows = rows[cursor.captured_end[rows] < cursor.wire_end[rows]]
    at, ip_at = cursor.at[rows], cursor.ip_at[rows]
    four = cursor.octets(ip_at, 1)[:, 0] >> 4 == 4
    ip, here = cursor.octets(ip_at, 10), cursor.octets(at, 4)
    first = np.where(four, (ip[:, 6] & 0x1F) | ip[:, 7], here[:, 2] | (here[:, 3] & 0xF8)) == 0
    header = np.where(four, (ip[:, 0] & 15).astype(np.int64) * 4, 8)
    protocol = np.where(four, ip[:, 9], here[:, 0]).astype(np.int64)
    rows = rows[first]
    cursor.move(rows, protocol[first] + IP_PROTOCOL, header[first])
    return rows


def piece_of(cursor: Cursor, row: int) -> Piece | None:
    """The fragment in this row; None for one that was cut, is malformed or cannot lead to TCP."""
    octets = cursor.buffer.data
    ip, at, end = int(cursor.ip_at[row]), int(cursor.at[row]), int(cursor.captured_end[row])
    if end < int(cursor.wire_end[row]):
        return None
    if octets[ip] >> 4 == 4:
        size = (octets[ip] & 15) * 4
        header, data, protocol = bytes(octets[ip : ip + size]), bytes(octets[ip + size : end]), octets[ip + 9]
        word = int.from_bytes(header[6:8])
        offset, more = (word & 0x1FFF) * 8, bool(word & 0x2000)
        # RFC 791 3.2: fragments belong together by identification, source, destination and protocol.
        key = (header[12:20] + header[4:6], protocol)
    else:
        header, data, protocol = bytes(octets[ip : ip + 40]), bytes(octets[at + 8 : end]), octets[at]
        word = int.from_bytes(octets[at + 2 : at + 4])
        offset, more = word & 0xFFF8, bool(word & 1)
        key = (header[8:40] + bytes(octets[at + 4 : at + 8]), -1)
    # "If the length of a fragment ... is not a multiple of 8 octets and the M flag of that fragment is 1, then that
    # fragment must be discarded" (RFC 8200 4.5).
    if not data or (more and len(data) % 8) or offset + len(data) > LARGEST:
        return None
    if key[1] >= 0 and protocol not in CARRIERS:
        return None
    return Piece(key, header, protocol, offset, more, data, end - len(data))


def rebuilt(header: bytes, protocol: int, data: bytes) -> bytes | None:
    """The packet that `data` would have been in one piece; None where no packet can be so long."""
    packet = bytearray(header)
    if packet[0] >> 4 == 4:
        if len(header) + len(data) > LARGEST:
            return None
        packet[2:4] = (len(header) + len(data)).to_bytes(2)
        packet[6:8] = b"\0\0"
    else:
        packet[4:6] = len(data).to_bytes(2)
        packet[6] = protocol
    return bytes(packet + data)
