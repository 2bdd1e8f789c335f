"""`PacketTable`: one batch of captured TCP segments as columns, and the rare packets beside them.

What it refuses to know: connections, SMTP, and which side is the client. A batch may be empty; it then still moves the
capture's clock (`until_ns`), so that silence passes too. Rows stand in frame order except that frames out of time
order by less than a second are put in time order (their frame numbers stay Wireshark's).
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80

U8 = npt.NDArray[np.uint8]
U16 = npt.NDArray[np.uint16]
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]
I8 = npt.NDArray[np.int8]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
BOOL = npt.NDArray[np.bool_]

MAPPED = 0x0000FFFF00000000
"""Low 64 bits of ::ffff:0:0, the prefix under which IPv4 addresses stand in the address columns."""


class IcmpError(NamedTuple):
    """An ICMP or ICMPv6 error that quotes a TCP segment (RFC 792, RFC 4443 section 3)."""

    row: int
    """It stands before this row of its batch (``len(table)`` = after the last)."""
    time_ns: int
    capture: int
    frame_number: int
    sender: str
    """The address that sent the error: it names the device."""
    version: int
    """4 or 6."""
    type: int
    code: int
    mtu: int | None
    """Next-hop MTU of "fragmentation needed" and "packet too big"."""
    src: str
    """Source address of the quoted segment."""
    dst: str
    srcport: int
    dstport: int
    seq: int | None
    """Sequence number of the quoted segment; None when the quotation is too short."""

    @property
    def path_mtu(self) -> bool:
        """Path MTU discovery at work, never an end of a connection."""
        return (self.version, self.type, self.code) == (4, 3, 4) or (self.version, self.type) == (6, 2)

    @property
    def prohibited(self) -> bool:
        """A device says that policy forbids it: 3/9, 3/10, 3/13 and 3/2, 3/3 (RFC 1812 5.2.7.1), ICMPv6 1/1, 1/5, 1/6 and 1/4.

        Port unreachable counts here because no TCP host answers a closed port with it: a filter does.
        """
        if self.version == 4:
            return self.type == 3 and self.code in (2, 3, 9, 10, 13)
        return self.type == 1 and self.code in (1, 4, 5, 6)

    @property
    def time_exceeded(self) -> bool:
        """The packet ran out of hops, or its fragments did not come in time."""
        return self.type == (11 if self.version == 4 else 3)

    @property
    def unreachable(self) -> bool:
        """Routing gave up: network or host unreachable, time exceeded."""
        if self.version == 4:
            return (self.type == 3 and self.code in (0, 1, 5, 6, 7, 8, 11, 12)) or self.time_exceeded
        return (self.type == 1 and self.code in (0, 2, 3)) or self.time_exceeded


@dataclass(frozen=True, slots=True)
class PacketTable:
    """Columns of one batch; all arrays have the same length `n`. Names in parentheses are Wireshark's."""

    octets: bytes | memoryview
    """The block that `payload_at` and the other ``*_at`` columns index. Dies with the batch: copy what you keep."""
    until_ns: int
    """The capture's clock when the batch ended: no later batch of this trace begins before it (but for disorder)."""
    capture: U16
    """Index of the capture file."""
    frame_number: I64
    """(frame.number) from 1 in its own file."""
    time_ns: I64
    """(frame.time_epoch) nanoseconds since the epoch, UTC."""
    interface: U16
    """(frame.interface_id)"""
    outgoing: I8
    """1 sent by the capturing host, 0 received by it, -1 not known (SLL packet type, pcapng epb_flags)."""
    frame_len: I32
    """(frame.len) octets on the wire."""
    src: U64
    """Shape (n, 2): high and low 64 bits of the source address, IPv4 as ::ffff:a.b.c.d (ip.src, ipv6.src)."""
    dst: U64
    """Shape (n, 2)."""
    ttl: U8
    """(ip.ttl, ipv6.hlim)"""
    ip_id: I32
    """(ip.id) -1 for IPv6."""
    dont_fragment: BOOL
    """(ip.flags.df) True for IPv6."""
    srcport: U16
    dstport: U16
    seq: U32
    """(tcp.seq_raw)"""
    ack: U32
    """(tcp.ack_raw) meaningful only with the ACK flag."""
    flags: U8
    """(tcp.flags) low eight bits."""
    window: U16
    """(tcp.window_size_value) unscaled."""
    seg_len: I32
    """(tcp.len) payload octets on the wire, by the IP header (by the frame where offload left total length 0)."""
    payload_at: I64
    """Where the payload begins in `octets`."""
    payload_len: I32
    """Captured payload octets, at most `seg_len`; fewer where the snap length cut the packet."""
    ip_at: I64
    """Where the (innermost) IP header begins in `octets`."""
    tcp_at: I64
    """Where the TCP header begins in `octets`; options run from tcp_at + 20 to payload_at, as far as captured."""
    tsval: I64
    """(tcp.options.timestamp.tsval) -1 when absent."""
    tsecr: I64
    """(tcp.options.timestamp.tsecr) -1 when absent."""
    icmp: tuple[IcmpError, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.frame_number)


_DTYPES = dict(
    capture="u2", frame_number="i8", time_ns="i8", interface="u2", outgoing="i1", frame_len="i4", ttl="u1", ip_id="i4",
    dont_fragment="?", srcport="u2", dstport="u2", seq="u4", ack="u4", flags="u1", window="u2", seg_len="i4",
    payload_at="i8", payload_len="i4", ip_at="i8", tcp_at="i8", tsval="i8", tsecr="i8",
)  # fmt: skip


def silence(until_ns: int) -> PacketTable:
    """A batch without packets: time has passed."""
    columns: dict[str, Any] = {name: np.zeros(0, dtype) for name, dtype in _DTYPES.items()}
    columns |= {name: np.zeros((0, 2), np.uint64) for name in ("src", "dst")}
    return PacketTable(octets=b"", until_ns=until_ns, **columns)


def address_text(high: int, low: int) -> str:
    """The text of an address column's row: dotted quad for mapped IPv4, RFC 5952 for IPv6."""
    if high == 0 and low >> 32 == 0xFFFF:
        return f"{low >> 24 & 255}.{low >> 16 & 255}.{low >> 8 & 255}.{low & 255}"
    return str(ipaddress.IPv6Address(high << 64 | low))


def distinct(column: npt.NDArray[np.integer]) -> list[int]:
    """The values of a column, ascending. Nearly always there is one, and no need to sort."""
    if len(column) and (column == column[0]).all():
        return [int(column[0])]
    ordered = np.sort(column)  # np.unique would import numpy.ma, for longer than a small capture takes
    found: list[int] = ordered[np.append(ordered[1:] != ordered[:-1], True)[: len(ordered)]].tolist()
    return found
