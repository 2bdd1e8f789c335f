"""A packet as tshark dissected it (JSON with raw octets, read by pyshark) -> one row of a `PacketTable`, or an `IcmpError`.

The values are Wireshark's own, not read again from the octets: that is what makes it a second opinion. Where packets
stand in packets (tunnels, mirrors), the innermost TCP counts, with the IP header that carries it.

What pyshark 0.6 makes of ``tshark -T json -x``: each protocol that occurs several times is one layer with
``duplicate_layers``; the octets of layer ``tcp`` are another layer ``tcp_raw`` that holds a list ``[hex, position, length,
bitmask, type]``, or a list of such lists; what an ICMP error quotes is a field of the layer ``icmp``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np

from pcapdiag.capture.capinfos import nanoseconds
from pcapdiag.capture.table import MAPPED, IcmpError, PacketTable

FIELDS = (
    *("frame", "frame.interface_id", "frame.packet_flags", "sll", "ip", "ipv6"),
    *("tcp", "tcp.options", "tcp.options.timestamp", "icmp", "icmpv6"),
)
"""What tshark is asked to print (``-j``); the names with a dot are subtrees."""

_ICMP_ERRORS = {"icmp": frozenset({3, 4, 5, 11, 12}), "icmpv6": frozenset({1, 2, 3, 4})}


class Row(NamedTuple):
    """One TCP segment; fields as the columns of `PacketTable`, `octets` are its IP header, TCP header and payload."""

    time_ns: int
    frame_number: int
    interface: int
    outgoing: int
    frame_len: int
    src: tuple[int, int]
    dst: tuple[int, int]
    ttl: int
    ip_id: int
    dont_fragment: bool
    srcport: int
    dstport: int
    seq: int
    ack: int
    flags: int
    window: int
    seg_len: int
    tsval: int
    tsecr: int
    octets: bytes
    tcp_at: int
    payload_at: int


class IncompleteError(Exception):
    """tshark did not find all of a TCP header: cut by the snap length, or malformed."""


class Layers:
    """The layers of one pyshark packet by name."""

    def __init__(self, packet: Any) -> None:
        self._by_name: dict[str, Any] = {layer.layer_name: layer for layer in packet.layers}
        self.frame = packet.frame_info
        self.names: list[str] = str(field(packet.frame_info, "frame.protocols")).split(":")
        self.number = int(packet.number)
        self.time_ns = _epoch_ns(str(packet.sniff_timestamp))
        self.length = int(packet.length)

    def innermost(self, name: str) -> Any:
        """The last layer of that name, None when there is none outside of ICMP quotations."""
        layer = self._by_name.get(name)
        return layer.duplicate_layers[-1] if layer is not None and layer.duplicate_layers else layer

    def raw(self, name: str) -> tuple[bytes, int]:
        """Octets of the innermost layer of that name, and where they stand in the frame (or in what was reassembled)."""
        layer = self._by_name.get(f"{name}_raw")
        if layer is None:
            raise IncompleteError
        if not isinstance(layer.value, str):  # a list of lists: the layer occurs several times
            position = layer.duplicate_layers[-1].duplicate_layers[0].value
            return bytes.fromhex(layer.duplicate_layers[-1].value), int(position)
        return bytes.fromhex(layer.value), int(layer.duplicate_layers[0].value)

    def network(self, transport: str) -> str:
        """``ip`` or ``ipv6``: what carries the last `transport` outside of ICMP quotations."""
        names = self.names
        for quoting in _ICMP_ERRORS:
            if quoting in names:
                names = names[: names.index(quoting) + 1]
        last = len(names) - names[::-1].index(transport) if transport in names else 0
        return next((name for name in reversed(names[:last]) if name in ("ip", "ipv6")), "")


def field(layer: Any, name: str) -> Any:
    """A field by its full name, such as ``tcp.seq``; of several the first. Raises `IncompleteError` when there is none."""
    try:
        value = layer.get_field(name)
    except AttributeError as error:
        raise IncompleteError from error
    return value[0] if isinstance(value, list) else value


def optional(layer: Any, *names: str) -> Any:
    """A field down a path of subtrees; None when it is not there."""
    try:
        for name in names:
            layer = field(layer, name)
    except IncompleteError:
        return None
    return layer


def tcp_row(layers: Layers) -> Row:
    """The row of a packet whose innermost protocol is TCP. Raises `IncompleteError`."""
    tcp, network = layers.innermost("tcp"), layers.network("tcp")
    ip = layers.innermost(network)
    if tcp is None or ip is None:
        raise IncompleteError
    ip_header, _ = layers.raw(network)
    tcp_header, tcp_position = layers.raw("tcp")
    seg_len = int(field(tcp, "tcp.len"))
    payload = _payload(layers, tcp, tcp_header, tcp_position, seg_len)
    tsval, tsecr = _timestamps(tcp)
    v4 = network == "ip"
    return Row(
        time_ns=layers.time_ns,
        frame_number=layers.number,
        interface=int(optional(layers.frame, "frame.interface_id") or 0),
        outgoing=_outgoing(layers),
        frame_len=layers.length,
        src=address(str(field(ip, f"{network}.src"))),
        dst=address(str(field(ip, f"{network}.dst"))),
        ttl=int(field(ip, "ip.ttl" if v4 else "ipv6.hlim")),
        ip_id=int(field(ip, "ip.id"), 0) if v4 else -1,
        dont_fragment=bool(ip_header[6] & 0x40) if v4 else True,
        srcport=int(field(tcp, "tcp.srcport")),
        dstport=int(field(tcp, "tcp.dstport")),
        seq=int(field(tcp, "tcp.seq")),
        ack=int(field(tcp, "tcp.ack")),
        flags=int(field(tcp, "tcp.flags"), 0) & 0xFF,
        window=int(field(tcp, "tcp.window_size_value")),
        seg_len=seg_len,
        tsval=tsval,
        tsecr=tsecr,
        octets=ip_header + tcp_header + payload,
        tcp_at=len(ip_header),
        payload_at=len(ip_header) + len(tcp_header),
    )


def _payload(layers: Layers, tcp: Any, header: bytes, at: int, seg_len: int) -> bytes:
    """Taken from the frame, because Wireshark shows the payload of some segments (of a RST) only as text; where the
    segment was reassembled from fragments it does not stand in the frame, and the field is all there is."""
    frame, _ = layers.raw("frame")
    if frame[at : at + len(header)] == header:
        return frame[at + len(header) : at + len(header) + seg_len]
    shown = optional(tcp, "tcp.payload")
    return bytes.fromhex(str(shown).replace(":", ""))[:seg_len] if shown is not None else b""


def _timestamps(tcp: Any) -> tuple[int, int]:
    option = optional(tcp, "tcp.options_tree", "tcp.options.timestamp_tree")
    if option is None:
        return -1, -1
    tsval = optional(option, "tcp.options.timestamp.tsval")
    tsecr = optional(option, "tcp.options.timestamp.tsecr")
    return (-1, -1) if tsval is None or tsecr is None else (int(tsval), int(tsecr))


def _outgoing(layers: Layers) -> int:
    """The direction as the capture itself recorded it: SLL's packet type, else pcapng's packet flags."""
    sll = layers.innermost("sll")
    kind = optional(sll, "sll.pkttype") if sll is not None else None
    if kind is not None:
        return {0: 0, 4: 1}.get(int(kind), -1)  # https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL.html
    direction = optional(layers.frame, "frame.packet_flags_tree", "frame.packet_flags_direction")
    return {"0x00000001": 0, "1": 0, "0x00000002": 1, "2": 1}.get(str(direction), -1)


def icmp_error(layers: Layers, capture: int) -> IcmpError | None:
    """The error of a packet that quotes a TCP segment; None for other ICMP. Raises `IncompleteError`."""
    name = next((name for name in _ICMP_ERRORS if name in layers.names), "")
    icmp, ip = layers.innermost(name), layers.innermost(layers.network(name))
    if icmp is None or ip is None:
        return None
    kind, code = int(field(icmp, f"{name}.type")), int(field(icmp, f"{name}.code"))
    quoted_tcp = optional(icmp, "tcp")
    quoted_name = next((n for n in ("ip", "ipv6") if optional(icmp, n) is not None), "")
    if kind not in _ICMP_ERRORS[name] or quoted_tcp is None or not quoted_name:
        return None
    quoted_ip = field(icmp, quoted_name)
    seq, mtu = optional(quoted_tcp, "tcp.seq"), optional(icmp, f"{name}.mtu")
    return IcmpError(
        row=0,
        time_ns=layers.time_ns,
        capture=capture,
        frame_number=layers.number,
        sender=canonical(str(field(ip, f"{layers.network(name)}.src"))),
        version=4 if name == "icmp" else 6,
        type=kind,
        code=code,
        mtu=None if mtu is None else int(mtu),
        src=canonical(str(field(quoted_ip, f"{quoted_name}.src"))),
        dst=canonical(str(field(quoted_ip, f"{quoted_name}.dst"))),
        srcport=int(field(quoted_tcp, "tcp.srcport")),
        dstport=int(field(quoted_tcp, "tcp.dstport")),
        seq=None if seq is None else int(seq),
    )


def canonical(text: str) -> str:
    """RFC 5952 text of an address as tshark prints it."""
    return str(ipaddress.ip_address(text))


def address(text: str) -> tuple[int, int]:
    """High and low 64 bits of an address, IPv4 mapped."""
    value = int(parsed := ipaddress.ip_address(text))
    return (0, MAPPED | value) if parsed.version == 4 else (value >> 64, value & 0xFFFFFFFFFFFFFFFF)


def _epoch_ns(text: str) -> int:
    """``frame.time_epoch``: seconds, from some versions of tshark on an ISO time."""
    if "T" not in text:
        return nanoseconds(text)
    whole, _, fraction = text.rstrip("Z").partition(".")
    return nanoseconds(f"{int(datetime.fromisoformat(whole + '+00:00').timestamp())}.{fraction or 0}")


def table(rows: Sequence[Row], errors: Sequence[IcmpError], capture: int, until_ns: int) -> PacketTable:
    """The batch of these rows, which stand in the order in which they are wanted."""
    columns: Mapping[str, Sequence[Any]] = dict(zip(Row._fields, zip(*rows, strict=True), strict=True)) if rows else {}

    def column(name: str, kind: type[np.generic]) -> Any:
        return np.array(columns.get(name, ()), kind)

    lengths = np.array([len(row.octets) for row in rows], np.int64)
    at = np.cumsum(lengths) - lengths
    payload_at = column("payload_at", np.int64)
    return PacketTable(
        octets=b"".join(row.octets for row in rows),
        until_ns=until_ns,
        capture=np.full(len(rows), capture, np.uint16),
        frame_number=column("frame_number", np.int64),
        time_ns=column("time_ns", np.int64),
        interface=column("interface", np.uint16),
        outgoing=column("outgoing", np.int8),
        frame_len=column("frame_len", np.int32),
        src=column("src", np.uint64).reshape(len(rows), 2),
        dst=column("dst", np.uint64).reshape(len(rows), 2),
        ttl=column("ttl", np.uint8),
        ip_id=column("ip_id", np.int32),
        dont_fragment=column("dont_fragment", np.bool_),
        srcport=column("srcport", np.uint16),
        dstport=column("dstport", np.uint16),
        seq=column("seq", np.uint32),
        ack=column("ack", np.uint32),
        flags=column("flags", np.uint8),
        window=column("window", np.uint16),
        seg_len=column("seg_len", np.int32),
        payload_at=at + payload_at,
        payload_len=(lengths - payload_at).astype(np.int32),
        ip_at=at,
        tcp_at=at + column("tcp_at", np.int64),
        tsval=column("tsval", np.int64),
        tsecr=column("tsecr", np.int64),
        icmp=tuple(errors),
    )
