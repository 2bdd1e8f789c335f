"""One captured packet -> the same packet as somebody else may see it: payload, addresses, padding, and the checksums over them.

Nothing changes its place or its length. The headers of TCP stay whatever the level; at level ``all`` addresses are replaced in every
header on the way to it, tunnels' outer ones among them, and in the options of all. Checksums are corrected from the innermost to the outermost by what
changed under them, so that each says as much as before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pcapdiag.capture.cursor import ETHERNET, ICMP, ICMPV6, IP_PROTOCOL, IPV4, IPV6, LINK_TYPE, TCP, UDP
from pcapdiag.capture.records import Layer
from pcapdiag.pseudonym import Level, Pseudonyms
from pcapdiag.slices import checksums, options
from pcapdiag.slices.addresses import station
from pcapdiag.slices.payload import Payload

IP_HEADERS = frozenset((IPV4, IPV6, IP_PROTOCOL + 4, IP_PROTOCOL + 41))
STATIONS = {
    LINK_TYPE + 1: ((0, 6), (6, 12)),
    ETHERNET: ((0, 6), (6, 12)),
    LINK_TYPE + 113: ((6, 12),),  # Linux cooked captures have room for eight octets; Ethernet's are six
    LINK_TYPE + 276: ((12, 18),),
}
"""Where link layers have their addresses."""
_ICMP_HEAD = 8
_EXTENSIONS = (0, 43, 60, 135)
_MPLS = 1
"""The class of the objects behind a quotation that name nobody (RFC 4950)."""
_QUOTED_LEAST = 4
"""Of the quoted TCP header: its ports."""


class _Ip(NamedTuple):
    """The places of an IP header."""

    at: int
    source: tuple[int, int]
    target: tuple[int, int]
    checksum: int | None

    @classmethod
    def of(cls, octets: bytes | bytearray, at: int) -> _Ip:
        if octets[at] >> 4 == 4:
            return cls(at, (at + 12, at + 16), (at + 16, at + 20), at + 10)
        return cls(at, (at + 8, at + 24), (at + 24, at + 40), None)

    def header_end(self, octets: bytes | bytearray) -> int:
        return self.at + ((octets[self.at] & 15) * 4 if self.checksum is not None else 40)


class Rewriter:
    """Rewrites the packets of chosen sessions."""

    def __init__(self, names: Pseudonyms, payload: Payload) -> None:
        self._names = names
        self._payload = payload

    def packet(
        self,
        captured: bytes,
        layers: Sequence[Layer],
        end: int,
        *,
        whole: bool,
        at: tuple[int, int],
        piece: tuple[int, bytes] = (0, b""),
    ) -> bytes:
        """The octets of a frame (or of an IP packet that was put together from fragments) with these headers.

        `end` is where its innermost IP packet ends, `whole` says that all of it was captured, `at` is (capture, frame).
        `piece` is what stands at a place of a frame that is a fragment.
        """
        if self._names.level is Level.NONE:
            return captured
        work = _Packet(captured, self._names)
        outer: list[_Ip] = []
        for layer in layers[:-1]:
            work.stations(layer)
            if layer.kind in IP_HEADERS:
                outer.append(work.addresses(layer.at))
        last, (place, octets) = layers[-1], piece
        work.new[place : place + len(octets)] = octets
        if last.kind == TCP and outer:
            self._segment(work, outer[-1], last.at, end, at)
            work.transport(outer[-1], last.at, end, last.at + 16, 6, whole=whole)
        elif last.kind in (ICMP, ICMPV6) and outer:
            self._quoting(work, last.at, end, at)
            work.transport(outer[-1], last.at, end, last.at + 2, 58 if last.kind == ICMPV6 else None, whole=whole)
        work.tunnels(layers, outer, end)
        work.new[end:] = bytes(len(work.new) - end)  # padding may hold whatever lay in memory
        return bytes(work.new)

    def _segment(self, work: _Packet, ip: _Ip, tcp: int, end: int, at: tuple[int, int]) -> None:
        """Replace the payload of a segment."""
        begin = tcp + (work.old[tcp + 12] >> 4) * 4
        work.tcp_options(tcp, end)
        if begin < end:
            work.new[begin:end] = self._payload.masked(
                work.endpoints(ip, tcp), work.old[tcp:begin], work.old[begin:end], at
            )

    def _quoting(self, work: _Packet, icmp: int, end: int, at: tuple[int, int]) -> None:
        """Replace what an ICMP error quotes of a segment (RFC 792, RFC 4443 2.4)."""
        begin = icmp + _ICMP_HEAD
        if end - begin < 20:
            return
        quote = _Ip.of(work.old, begin)
        tcp = _transport_at(work.old, quote, end)
        if quote.target[1] > end or tcp is None:
            work.new[begin:end] = bytes(end - begin)
            return
        work.addresses(begin)
        stop = min(end, begin + _length(work.old, quote))
        extensions = _extensions_at(work.old, icmp, begin)
        work.new[stop : extensions or end] = bytes(max(0, (extensions or end) - stop))
        if extensions is not None:
            work.interfaces(extensions, end)
        end = min(stop, extensions or end)
        work.tcp_options(tcp, end)
        if end - tcp >= 13:
            data = tcp + (work.old[tcp + 12] >> 4) * 4
            if data < end:
                header, payload = work.old[tcp:data], work.old[data:end]
                work.new[data:end] = self._payload.masked(work.endpoints(quote, tcp), header, payload, at)
        if end - tcp >= 18:
            work.fix(tcp + 16, tcp, end, work.address_change(quote))


def _length(octets: bytes, ip: _Ip) -> int:
    """Of an IP packet, by its header; where it says nothing, as long as can be."""
    if ip.checksum is not None:
        return int.from_bytes(octets[ip.at + 2 : ip.at + 4]) or 0x10000
    return int.from_bytes(octets[ip.at + 4 : ip.at + 6]) + 40


def _extensions_at(octets: bytes, icmp: int, begin: int) -> int | None:
    """RFC 4884: behind a quotation whose length is told there are extensions, not more of the segment."""
    six = octets[begin] >> 4 == 6
    length = octets[icmp + 4] * 8 if six else octets[icmp + 5] * 4
    told = octets[icmp] in ((1, 3) if six else (3, 11, 12))
    return begin + length if told and length >= 128 and begin + length <= len(octets) else None


def _transport_at(octets: bytes, ip: _Ip, end: int) -> int | None:
    """Where the quoted TCP header begins; None where no ports and sequence number of TCP were quoted."""
    at = ip.header_end(octets)
    if ip.checksum is not None:
        protocol = octets[ip.at + 9]
    else:
        protocol = octets[ip.at + 6]
        while protocol in (*_EXTENSIONS, 44) and at + 8 <= end:
            size = 8 if protocol == 44 else (octets[at + 1] + 1) * 8
            protocol, at = octets[at], at + size
    return at if protocol == 6 and at + _QUOTED_LEAST <= end else None


class _Packet:
    """A packet before and after."""

    def __init__(self, captured: bytes, names: Pseudonyms) -> None:
        self.old = captured
        self.new = bytearray(captured)
        self._names = names
        self._all = names.level is Level.ALL

    def stations(self, layer: Layer) -> None:
        """Replace the addresses of a link layer."""
        if self._all:
            for begin, end in STATIONS.get(layer.kind, ()):
                place = slice(layer.at + begin, layer.at + end)
                self.new[place] = station(self.old[place], self._names)

    def addresses(self, at: int) -> _Ip:
        """Replace the addresses of an IP header, and correct its checksum."""
        ip = _Ip.of(self.old, at)
        if self._all and ip.target[1] <= len(self.old):
            for begin, end in (ip.source, ip.target):
                self.new[begin:end] = self._names.packed(self.old[begin:end])
            self._replace(options.of_ip(self.old, at, ip.header_end(self.old)))
            if ip.checksum is not None:
                self.fix(ip.checksum, at, ip.header_end(self.old), 0)
        return ip

    def tcp_options(self, tcp: int, end: int) -> None:
        """Replace addresses in the options of a TCP header, as far as it is there."""
        if self._all and end - tcp > 20:
            self._replace(options.of_tcp(self.old, tcp, min(end, tcp + (self.old[tcp + 12] >> 4) * 4)))

    def interfaces(self, begin: int, end: int) -> None:
        """What a router says of its interfaces behind a quotation (RFC 5837): their addresses and names."""
        if not self._all or end - begin < 4:
            return
        at = begin + 4
        while at + 4 <= end and (length := int.from_bytes(self.old[at : at + 2])) >= 4:
            if self.old[at + 2] != _MPLS:
                self.new[at + 4 : min(at + length, end)] = bytes(max(0, min(at + length, end) - at - 4))
            at += length
        if any(self.old[begin + 2 : begin + 4]):
            self.fix(begin + 2, begin, end, 0)

    def _replace(self, places: Iterable[options.Place]) -> None:
        for begin, end, is_address in places:
            told = self._names.packed(self.old[begin:end]) if is_address else bytes(max(0, end - begin))
            self.new[begin:end] = told

    def endpoints(self, ip: _Ip, tcp: int) -> tuple[bytes, bytes]:
        """Address and port of both ends, as captured."""
        return (
            self.old[slice(*ip.source)] + self.old[tcp : tcp + 2],
            self.old[slice(*ip.target)] + self.old[tcp + 2 : tcp + 4],
        )

    def address_change(self, ip: _Ip) -> int:
        """By how much the sum of its addresses changed."""
        place = slice(ip.source[0], ip.target[1])
        return checksums.total(bytes(self.new[place])) - checksums.total(self.old[place])

    def transport(self, ip: _Ip, at: int, end: int, field: int, protocol: int | None, *, whole: bool) -> None:
        """Correct the checksum of TCP, UDP or ICMP; `protocol` is the number in the pseudo-header, where one counts."""
        if field + 2 > end:
            return
        checksum = int.from_bytes(self.old[field : field + 2])
        length = min(_length(self.old, ip) - (at - ip.at), end - at) if whole else _length(self.old, ip) - (at - ip.at)
        change = self.address_change(ip) if protocol is not None else 0
        addresses = checksums.total(self.old[ip.source[0] : ip.target[1]]) + protocol if protocol is not None else 0
        pseudo = addresses + length if protocol is not None else 0
        right = whole and checksums.is_right(checksums.total(self.old[at:end]) + pseudo)
        if not right and protocol == 6 and checksum and checksum in (_folded(pseudo), _folded(addresses)):
            # Offload: the sum of the pseudo-header alone, with the length or without.
            partial = checksums.FULL - checksums.updated(checksums.FULL - checksum, 0, change % checksums.FULL)
            self.new[field : field + 2] = partial.to_bytes(2)
            return
        if checksum == 0 and not right:  # not filled in, or (UDP, RFC 768) none at all
            return
        self.fix(field, at, end, change)
        if protocol == 17 and not any(self.new[field : field + 2]):
            self.new[field : field + 2] = (
                b"\xff\xff"  # RFC 768: "If the computed checksum is zero, it is transmitted as all ones"
            )

    def fix(self, field: int, begin: int, end: int, beside: int) -> None:
        """Correct the checksum in `field` by what changed from `begin` to `end`, and by `beside`.

        Checksums stand at even places of what they cover.
        """
        place = slice(field, field + 2)
        checksum = int.from_bytes(self.old[place])
        before = checksums.total(self.old[begin:field]) + checksums.total(self.old[field + 2 : end])
        after = checksums.total(bytes(self.new[begin:field])) + checksums.total(bytes(self.new[field + 2 : end]))
        self.new[place] = checksums.updated(
            checksum, before % checksums.FULL, (after + beside) % checksums.FULL
        ).to_bytes(2)

    def tunnels(self, layers: Sequence[Layer], outer: Sequence[_Ip], end: int) -> None:
        """Correct the checksums of the headers around: UDP, and GRE with a checksum (RFC 2784 2.1)."""
        ips = {ip.at: ip for ip in outer}
        around: list[tuple[Layer, _Ip]] = []
        ip: _Ip | None = None
        for layer in layers[:-1]:
            ip = ips.get(layer.at, ip) if layer.kind in IP_HEADERS else ip
            if ip is not None and layer.kind in (UDP, IP_PROTOCOL + 47):
                around.append((layer, ip))
        for layer, its in reversed(around):
            if layer.kind == UDP:
                length = int.from_bytes(self.old[layer.at + 4 : layer.at + 6])
                stop = min(layer.at + length, len(self.old)) if length >= 8 else end
                self.transport(its, layer.at, stop, layer.at + 6, 17, whole=stop == layer.at + length)
            elif self.old[layer.at] & 0x80:
                self.fix(layer.at + 4, layer.at, max(end, layer.at + 8), 0)


def _folded(total: int) -> int:
    """A sum as a partial checksum holds it."""
    return total % checksums.FULL or checksums.FULL
