"""The same packets in another guise: what must change no verdict, and what may only make it weaker.

A capture of a scene becomes a list of `Packet`s, a disguise makes another list of them, and a wrapping puts them into frames and a
file. Checksums are left as they were: nothing may be discarded for its checksum.
"""

from __future__ import annotations

import gzip
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from random import Random

from tests.capture.capture_files import enhanced, interface, section

ETHERNET, RAW, COOKED = 1, 101, 113
TCP, ERRORS = 6, {1: range(3, 13), 58: range(1, 5)}
"""Protocol numbers: TCP; ICMP and ICMPv6 with the types that quote a packet."""
SYN, RST, PUSH, FIN, ACK = 2, 4, 8, 1, 16
MAC = bytes.fromhex("020000000001020000000002")


@dataclass(frozen=True)
class Packet:
    """One IP packet."""

    time_ns: int
    header: bytes
    """Of IP."""
    tcp: bytes = b""
    """The header of TCP, or as much of it as an ICMP error quotes."""
    payload: bytes = b""

    @property
    def six(self) -> bool:
        return self.header[0] >> 4 == 6

    @property
    def octets(self) -> bytes:
        """With IP's length set."""
        behind = self.tcp + self.payload
        length = len(behind) if self.six else len(self.header) + len(behind)
        at = 4 if self.six else 2
        return self.header[:at] + struct.pack(">H", length) + self.header[at + 2 :] + behind

    @property
    def flow(self) -> bytes:
        """Addresses and ports, as sent."""
        return self.header[8:40] + self.tcp[:4] if self.six else self.header[12:20] + self.tcp[:4]

    @property
    def back(self) -> bytes:
        """`flow` of what the other side sends."""
        half = 16 if self.six else 4
        addresses, ports = self.flow[: 2 * half], self.flow[2 * half :]
        return addresses[half:] + addresses[:half] + ports[2:] + ports[:2]

    @property
    def number(self) -> int:
        """TCP's sequence number."""
        return struct.unpack(">I", self.tcp[4:8])[0]

    def field(self, at: int, octets: bytes) -> Packet:
        """With these octets in the IP header."""
        return replace(self, header=self.header[:at] + octets + self.header[at + len(octets) :])

    def tcp_field(self, at: int, octets: bytes) -> Packet:
        """With these octets in the TCP header, as far as there is one."""
        octets = octets[: max(0, len(self.tcp) - at)]
        return replace(self, tcp=self.tcp[:at] + octets + self.tcp[at + len(octets) :])


Packets = list[Packet]


def packet(octets: bytes, time_ns: int, quoted: bool = False) -> Packet:
    six = octets[0] >> 4 == 6
    size, protocol = (40, octets[6]) if six else ((octets[0] & 15) * 4, octets[9])
    header, behind = octets[:size], octets[size:]
    fragment = not six and struct.unpack(">H", octets[6:8])[0] & 0x3FFF
    if protocol != TCP or fragment:
        return Packet(time_ns, header, b"", behind)
    size = 8 if quoted else (behind[12] >> 4) * 4
    return Packet(time_ns, header, behind[:size], behind[size:])


def read(path: Path) -> Packets:
    """The packets of a scene's capture, which is Ethernet with microseconds."""
    octets, at, found = path.read_bytes(), 24, []
    while at < len(octets):
        seconds, micros, captured, length = struct.unpack("<IIII", octets[at : at + 16])
        assert captured == length, "a scene that was cut is no source"
        found.append(packet(octets[at + 30 : at + 16 + captured], seconds * 10**9 + micros * 1000))
        at += 16 + captured
    return found


# --- Disguises that change nothing -----------------------------------------------------------------------------------


def each(change: Callable[[Packet], Packet]) -> Callable[[Packets], Packets]:
    return lambda packets: [change(one) for one in packets]


def everywhere(change: Callable[[Packet], Packet]) -> Callable[[Packets], Packets]:
    """In what ICMP errors quote, too."""

    def both(one: Packet) -> Packet:
        kinds = ERRORS.get(one.header[6 if one.six else 9], range(0))
        if not one.tcp and one.payload and one.payload[0] in kinds:
            quote = change(packet(one.payload[8:], 0, quoted=True))
            one = replace(one, payload=one.payload[:8] + quote.header + quote.tcp + quote.payload)
        return change(one)

    return each(both)


def other_addresses(one: Packet) -> Packet:
    """What a translator makes of them: other networks, so that what was the lower address is not always so any more."""
    at, size = (8, 16) if one.six else (12, 4)
    both = one.header[at : at + 2 * size]
    return one.field(at, b"".join(bytes(x ^ 0x1E for x in both[i : i + size]) for i in (0, size)))


def other_ports(one: Packet) -> Packet:
    """The client's port becomes a low one."""
    if len(one.tcp) < 8:
        return one
    ports = struct.unpack(">HH", one.tcp[:4])
    return one.tcp_field(0, struct.pack(">HH", *(port % 1000 + 1000 if port > 1023 else port for port in ports)))


def nearer_hosts_gone(one: Packet) -> Packet:
    """Three routers further away from both."""
    at = 7 if one.six else 8
    return one.field(at, bytes([one.header[at] - 3]))


def marked(one: Packet) -> Packet:
    """Congestion experienced (RFC 3168 section 5), and a class of service."""
    return one.field(0, bytes([0x62, one.header[1] | 0xB0]) if one.six else bytes([one.header[0], 0x2B]))


def wrapped(packets: Packets) -> Packets:
    """Both sides' sequence numbers pass 2^32 behind their first 40 octets."""
    shift: dict[bytes, int] = {}
    for one in packets:
        if one.tcp:
            shift.setdefault(one.flow, -40 - one.number)

    def moved(one: Packet) -> Packet:
        if not one.tcp:
            return one
        syn_refused = len(one.tcp) > 8 and one.tcp[13] & RST and one.number == 0
        if not syn_refused:
            one = one.tcp_field(4, struct.pack(">I", (one.number + shift.get(one.flow, 0)) % 2**32))
        if len(one.tcp) < 20 or not one.tcp[13] & ACK:
            return one
        return _sacks(_plus(one, 8, shift.get(one.back, 0)), shift.get(one.back, 0))

    return everywhere(moved)(packets)


def _plus(one: Packet, at: int, shift: int) -> Packet:
    return one.tcp_field(at, struct.pack(">I", (struct.unpack(">I", one.tcp[at : at + 4])[0] + shift) % 2**32))


def _sacks(one: Packet, shift: int) -> Packet:
    at = 20
    while at < len(one.tcp) and one.tcp[at]:
        size = 1 if one.tcp[at] == 1 else one.tcp[at + 1]
        for edge in range(at + 2, at + size, 4) if one.tcp[at] == 5 else ():
            one = _plus(one, edge, shift)
        at += size
    return one


def later(seconds: int) -> Callable[[Packets], Packets]:
    return each(lambda one: replace(one, time_ns=one.time_ns + seconds * 10**9))


def out_of_order(packets: Packets) -> Packets:
    """In the file, but for their times: as several queues of a network card deliver them."""
    found = list(packets)
    for i in range(0, len(found) - 1, 2):
        if found[i + 1].time_ns - found[i].time_ns < 500_000:
            found[i], found[i + 1] = found[i + 1], found[i]
    return found


def seen_twice(packets: Packets) -> Packets:
    """A mirror of both sides of a router: each packet again, 0.1 ms later and one hop on."""
    found = []
    for one in packets:
        at = 7 if one.six else 8
        copy = one.field(at, bytes([one.header[at] - 1]))
        found += [one, replace(copy, time_ns=one.time_ns + 100_000)]
    return sorted(found, key=lambda one: one.time_ns)


# --- Disguises of what was sent, not only of how it was seen ----------------------------------------------------------


def split(size: int) -> Callable[[Packets], Packets]:
    """Every segment in pieces, with IP IDs as the host would have counted."""

    def pieces(one: Packet) -> Packets:
        parts = [one.payload[i : i + size] for i in range(0, len(one.payload), size)] if one.tcp else []
        if len(parts) < 2:
            return [one]
        found = []
        for i, part in enumerate(parts):
            flags = one.tcp[13] if i == len(parts) - 1 else one.tcp[13] & ~(FIN | PUSH)
            piece = _plus(one.tcp_field(13, bytes([flags])), 4, i * size)
            found.append(replace(piece, payload=part, time_ns=one.time_ns + 1000 * i))
        return found

    return lambda packets: numbered([piece for one in packets for piece in pieces(one)])


def sent_again(packets: Packets) -> Packets:
    """A copy of each segment that did arrive, half-way to what comes next."""
    found = []
    for one, following in zip(packets, [*packets[1:], None], strict=True):
        found.append(one)
        if one.tcp and one.payload:
            until = following.time_ns if following else one.time_ns + 10**9
            found.append(replace(one, time_ns=one.time_ns + min(250_000_000, (until - one.time_ns) // 2)))
    return numbered(found)


def numbered(packets: Packets) -> Packets:
    """With IP IDs that count up for each host, but for those that are 0."""
    count: Counter[bytes] = Counter()
    found = []
    for one in packets:
        if not one.six and one.header[4:6] != b"\0\0":
            count[one.header[12:16]] += 1
            one = one.field(4, struct.pack(">H", 1000 + count[one.header[12:16]]))  # noqa: PLW2901
        found.append(one)
    return found


# --- Less than there was ----------------------------------------------------------------------------------------------


def without_one(packets: Packets) -> Packets:
    gone = Random(len(packets)).randrange(len(packets))
    return packets[:gone] + packets[gone + 1 :]


def without_its(share: float, begin: bool) -> Callable[[Packets], Packets]:
    """The first packets are missing, or the last."""

    def rest(packets: Packets) -> Packets:
        some = int(len(packets) * share)
        return packets[some:] if begin else packets[: len(packets) - some]

    return rest


def one_direction(client: bool) -> Callable[[Packets], Packets]:
    def mine(one: Packet) -> bool:
        return len(one.tcp) < 20 or (ip_address(one.tcp[2:4] + b"\0\0") == ip_address(b"\0\x19\0\0")) is client

    return lambda packets: [one for one in packets if mine(one)]


# --- Frames and files -------------------------------------------------------------------------------------------------


def _kind(one: Packet) -> bytes:
    return b"\x86\xdd" if one.six else b"\x08\x00"


def _outer(inner: bytes, protocol: int) -> bytes:
    """IPv4 between two ends of a tunnel, in Ethernet."""
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(inner), 7, 0, 9, protocol, 0)
    return MAC + b"\x08\x00" + head + ip_address("203.0.113.1").packed + ip_address("203.0.113.2").packed + inner


def plain(one: Packet) -> bytes:
    return MAC + _kind(one) + one.octets


def padded(one: Packet) -> bytes:
    """To Ethernet's 60 octets, and with a checksum of the frame behind it."""
    return plain(one).ljust(60, b"\0") + b"FCS!"


def two_tags(one: Packet) -> bytes:
    return MAC + b"\x88\xa8\0\5\x81\0\0\6" + _kind(one) + one.octets


def labelled(one: Packet) -> bytes:
    return MAC + b"\x88\x47" + struct.pack(">II", 16 << 12 | 4, 17 << 12 | 0x104) + one.octets


def dialled(one: Packet) -> bytes:
    body = (b"\0\x57" if one.six else b"\0\x21") + one.octets
    return MAC + b"\x88\x64\x11\0\0\1" + struct.pack(">H", len(body)) + body


def vxlan(one: Packet) -> bytes:
    inner = struct.pack(">II", 0x08000000, 4 << 8) + plain(one)
    return _outer(struct.pack(">HHHH", 50000, 4789, 8 + len(inner), 0) + inner, 17)


def erspan(one: Packet) -> bytes:
    return _outer(struct.pack(">HHIII", 0x1000, 0x88BE, 1, 0x10000001, 0) + plain(one), 47)


def tunnelled(one: Packet) -> bytes:
    return _outer(one.octets, 41 if one.six else 4)


def length_zero(one: Packet) -> bytes:
    """What segmentation offload leaves of IPv4's total length."""
    return plain(one) if one.six else MAC + b"\x08\x00" + one.field(2, b"\0\0").octets[:2] + b"\0\0" + one.octets[4:]


def cooked(one: Packet) -> bytes:
    return struct.pack(">HHHQ", 0, 1, 6, 0) + _kind(one) + one.octets


def raw(one: Packet) -> bytes:
    return one.octets


def pcap(
    packets: Packets,
    frame: Callable[[Packet], bytes] = plain,
    *,
    link: int = ETHERNET,
    order: str = "<",
    cut: int = 65535,
) -> bytes:
    """A file with nanoseconds; of each frame the first `cut` octets."""
    found = [struct.pack(order + "IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, cut, link)]
    for one in packets:
        octets = frame(one)
        seconds, rest = divmod(one.time_ns, 10**9)
        found.append(struct.pack(order + "IIII", seconds, rest, min(cut, len(octets)), len(octets)) + octets[:cut])
    return b"".join(found)


def pcapng(packets: Packets) -> bytes:
    blocks = [enhanced(plain(one), one.time_ns // 1000, ">") for one in packets]
    return section(">") + interface(">", link=ETHERNET) + b"".join(blocks)


def compressed(packets: Packets) -> bytes:
    return gzip.compress(pcap(packets), 1)


File = Callable[[Packets], bytes]


def _of(disguise: Callable[[Packets], Packets]) -> File:
    return lambda packets: pcap(disguise(packets))


def _in(frame: Callable[[Packet], bytes], link: int = ETHERNET) -> File:
    return lambda packets: pcap(packets, frame, link=link)


def _cut(octets: int) -> File:
    return lambda packets: pcap(packets, cut=octets)


SAME: dict[str, File] = {
    "big endian": lambda packets: pcap(packets, order=">"),
    "pcapng": pcapng,
    "compressed": compressed,
    "padding and frame check": _in(padded),
    "two tags": _in(two_tags),
    "MPLS": _in(labelled),
    "PPPoE": _in(dialled),
    "VXLAN": _in(vxlan),
    "ERSPAN": _in(erspan),
    "IP in IP": _in(tunnelled),
    "cooked": _in(cooked, COOKED),
    "raw IP": _in(raw, RAW),
    "IP length 0": _in(length_zero),
    "marked by routers": _of(each(marked)),
    "further away": _of(each(nearer_hosts_gone)),
    "addresses translated": _of(everywhere(other_addresses)),
    "ports translated": _of(everywhere(other_ports)),
    "sequence numbers wrap": _of(wrapped),
    "behind 2038": _of(later(20 * 365 * 86400)),
    "out of order in the file": _of(out_of_order),
}
"""Who dropped it, how, at which stage, with what impact, and how sure that is stays the same."""

ALIKE: dict[str, File] = {
    "seen twice": _of(seen_twice),
    "segments of 100 octets": _of(split(100)),
    "segments of 30 octets": _of(split(30)),
    "all sent again": _of(sent_again),
}
"""The strength may change with what else there is to see; the rest stays the same."""

LESS: dict[str, File] = {
    "68 octets of each frame": _cut(68),
    "96 octets of each frame": _cut(96),
    "256 octets of each frame": _cut(256),
    "one packet missing": _of(without_one),
    "the first tenth missing": _of(without_its(0.1, begin=True)),
    "the first half missing": _of(without_its(0.5, begin=True)),
    "the last tenth missing": _of(without_its(0.1, begin=False)),
    "the last third missing": _of(without_its(0.34, begin=False)),
    "the second half missing": _of(without_its(0.5, begin=False)),
    "only the client's packets": _of(one_direction(client=True)),
    "only the server's packets": _of(one_direction(client=False)),
}
"""Nobody may be accused of what an orderly end shows that nobody did."""
