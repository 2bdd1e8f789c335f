"""One session full of secrets, and the many ways in which its octets get into a capture more than once.

Packets are made by scapy, checksums and all. `VARIANTS` turn the segments of the session into frames, each with another kind of copy,
cut or encapsulation; whatever they do, nothing of `SECRETS` may be left in a slice.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from socket import inet_aton
from typing import Any

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_RR, IPOption_Timestamp, fragment
from scapy.layers.inet6 import HBHOptUnknown, ICMPv6DestUnreach, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrRouting
from scapy.layers.l2 import GRE, CookedLinux, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw
from scapy.utils import checksum

from tests.capture.capture_files import START, block, interface, option, pcap, section

CLIENT, SERVER, ROUTER = "192.0.2.10", "198.51.100.25", "203.0.113.77"
CLIENT_PORT = 40321
ISN = {"C": 0xFFFFFE00, "S": 1_000_000}
"""The client's numbers wrap inside the session."""

PLAIN = base64.b64encode(b"\0olga.kuznetsova\0correct-horse-battery")
LOGIN = base64.b64encode(b"staple-and-paperclip")
BODY = (
    b"From: Hercule <hercule@poirot.example>\r\nSubject: The mysterious affair\r\n\r\nMeet me at midnight behind the orangery.\r\n"
    b"..leading dot, stuffed\r\n..\r\nBring the confidential dossier\nwith a bare line feed.\r\nQUIT said nobody.\r\n"
    + b"Attachment0123456789 "
    * 90
)
SECRETS = [
    *(
        b"hercule",
        b"mysterious",
        b"midnight",
        b"orangery",
        b"stuffed",
        b"confidential",
        b"dossier",
        b"Attachment",
        b"nobody",
    ),
    *(PLAIN, PLAIN[4:20], LOGIN, b"olga.kuznetsova", b"correct-horse", b"paperclip"),
    *(b"agatha.christie", b"arthur.hastings", b"miss.lemon", b"japp", b"loginname"),
]
HOSTS = [
    b"styles.example",
    b"poirot",
    bytes(map(int, CLIENT.split("."))),
    bytes(map(int, SERVER.split("."))),
    CLIENT.encode(),
]

SAID: list[tuple[str, bytes]] = [
    ("C", b"PROXY TCP4 192.0.2.10 198.51.100.25 40321 25\r\n"),
    ("S", b"220 mx.styles.example ESMTP Postfix\r\n"),
    ("C", b"EHLO relay.poirot.example\r\n"),
    ("S", b"250-mx.styles.example\r\n250-PIPELINING\r\n250-XCLIENT NAME ADDR LOGIN\r\n250-AUTH PLAIN LOGIN\r\n250 CHUNKING\r\n"),
    ("C", b"XCLIENT NAME=pc.poirot.example ADDR=192.0.2.10 LOGIN=loginname\r\n"),
    ("S", b"220 mx.styles.example ESMTP Postfix\r\n"),
    ("C", b"AUTH PLAIN " + PLAIN + b"\r\n"),
    ("S", b"535 5.7.8 Error: authentication of olga.kuznetsova failed: " + PLAIN[:24] + b"...\r\n"),
    ("C", b"AUTH LOGIN\r\n"),
    ("S", b"334 UGFzc3dvcmQ6\r\n"),
    ("C", LOGIN + b"\r\n"),
    ("S", b"235 2.7.0 Authentication successful\r\n"),
    ("C", b"MAIL FROM:<agatha.christie@poirot.example> SIZE=2100 AUTH=agatha.christie+40poirot.example ENVID=japp\r\n"
          b"RCPT TO:<arthur.hastings@styles.example> NOTIFY=NEVER ORCPT=rfc822;arthur.hastings+40styles.example\r\n"
          b"RCPT TO:<@hop.example:miss.lemon@styles.example>\r\nDATA\r\n"),
    ("S", b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n550 5.1.1 <miss.lemon@styles.example>: Recipient miss.lemon unknown\r\n354 End with .\r\n"),
    ("C", BODY[:700]),
    ("C", BODY[700:1400]),
    ("C", BODY[1400:] + b"\r\n.\r\n"),
    ("S", b"250 2.0.0 Ok: queued as 4F2K1x0Zqz1Yk\r\n"),
    ("C", b"MAIL FROM:<agatha.christie@poirot.example>\r\nRCPT TO:<arthur.hastings@styles.example>\r\nBDAT 61 LAST\r\n"
          b"orangery\r\n.\r\nmidnight in binary \x00\x01\x02 confidential dossier\r\n" + b"japp\r\n\r\n"),
    ("S", b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n"),
]  # fmt: skip
"""The server never answers the last chunk, and resets."""


@dataclass(frozen=True)
class Seg:
    """One segment of the session."""

    who: str
    offset: int
    """Of its payload in that side's stream."""
    ack: int
    payload: bytes
    flags: str = "PA"
    ttl: int = 0
    ident: int = 0


def session(said: list[tuple[str, bytes]] = SAID) -> list[Seg]:
    """Handshake, what was said, and the server's reset."""
    sent = {"C": 0, "S": 0}
    out = [Seg("C", -1, -1, b"", "S"), Seg("S", -1, 0, b"", "SA"), Seg("C", 0, 0, b"", "A")]
    for who, octets in said:
        other = "S" if who == "C" else "C"
        out.append(Seg(who, sent[who], sent[other], octets))
        sent[who] += len(octets)
    out.append(Seg("C", sent["C"], sent["S"], b"", "A"))
    out.append(Seg("S", sent["S"], sent["C"], b"", "RA"))
    return [replace(each, ident=100 + number) for number, each in enumerate(out)]


def ip(seg: Seg, *, six: bool = False) -> Any:
    """The IP packet of a segment."""
    ends = (CLIENT, CLIENT_PORT), (SERVER, 25)
    (src, sport), (dst, dport) = ends if seg.who == "C" else ends[::-1]
    other = "S" if seg.who == "C" else "C"
    ack = 0 if seg.ack < 0 and "A" not in seg.flags else (ISN[other] + 1 + seg.ack) % 2**32
    tcp = TCP(
        sport=sport, dport=dport, seq=(ISN[seg.who] + 1 + seg.offset) % 2**32, ack=ack, flags=seg.flags, window=501
    )
    ttl = seg.ttl or (64 if seg.who == "C" else 52)
    if six:
        return IPv6(src=f"2001:db8::{src}", dst=f"2001:db8::{dst}", hlim=ttl) / tcp / Raw(seg.payload)
    return IP(src=src, dst=dst, ttl=ttl, id=seg.ident, flags="DF") / tcp / Raw(seg.payload)


def ether(packet: Any, seg: Seg) -> Any:
    a, b = "02:00:00:00:00:0a", "02:00:00:00:00:19"
    return Ether(src=a if seg.who == "C" else b, dst=b if seg.who == "C" else a) / packet


def routed(packet: Any) -> Any:
    """Between routers. Without both addresses scapy would ask the network for them."""
    return Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / packet


def plain(seg: Seg) -> bytes:
    return bytes(ether(ip(seg), seg))


def _part(seg: Seg, begin: int, end: int, ident: int = 0) -> Seg:
    return replace(seg, offset=seg.offset + begin, payload=seg.payload[begin:end], ident=seg.ident + 1000 + ident)


def resent() -> Iterator[bytes]:
    """Everything again, cut elsewhere, before it is answered."""
    for seg in session():
        yield plain(seg)
        if len(seg.payload) > 20:
            yield plain(_part(seg, 7, len(seg.payload), 1))
            yield plain(_part(seg, 0, 11, 2))


def conflicting() -> Iterator[bytes]:
    """A body segment and a command again, with other secrets in them."""
    for seg in session():
        yield plain(seg)
        if b"RCPT" in seg.payload or b"midnight" in seg.payload:
            other = seg.payload.replace(b"hastings", b"orangery").replace(b"midnight", b"dossier!")
            yield plain(replace(seg, payload=other, ident=seg.ident + 3000))


def disordered() -> Iterator[bytes]:
    """Body segments back to front."""
    segs = session()
    body = [number for number, seg in enumerate(segs) if seg.payload and seg.payload in BODY]
    for a, b in zip(body[::2], body[1::2], strict=False):
        segs[a], segs[b] = segs[b], segs[a]
    return map(plain, segs)


def mirrored() -> Iterator[bytes]:
    """Each packet twice, in two VLANs, the second one hop later."""
    for seg in session():
        yield plain(seg)
        packet = ip(replace(seg, ttl=(64 if seg.who == "C" else 52) - 1))
        yield bytes(routed(Dot1Q(vlan=12) / packet))


def quoted() -> Iterator[bytes]:
    """A router returns commands and text, in pieces and whole."""
    for seg in session():
        packet = ip(seg)
        yield bytes(ether(packet, seg))
        if b"MAIL" in seg.payload or b"midnight" in seg.payload or b"AUTH PLAIN" in seg.payload:
            for length in (28, 47, 128, 1500):
                quote = bytes(packet)[:length]
                yield bytes(routed(IP(src=ROUTER, dst=CLIENT) / ICMP(type=3, code=4, nexthopmtu=1400) / Raw(quote)))


def fragmented() -> Iterator[bytes]:
    """In fragments, some of them captured in disorder, one datagram never whole."""
    for seg in session():
        packet = ip(seg)
        packet.flags = 0
        pieces = [bytes(ether(each, seg)) for each in fragment(packet, 64)] if len(seg.payload) > 64 else [plain(seg)]
        yield from reversed(pieces) if seg.ident % 2 else pieces
        if b"midnight" in seg.payload:
            lost = ip(replace(seg, ident=seg.ident + 5000))
            lost.flags = 0
            yield from [bytes(ether(each, seg)) for each in fragment(lost, 64)][:-1]


def probing() -> Iterator[bytes]:
    """Keep-alives that repeat the octet before, a probe of one octet, and text behind a reset and in the padding."""
    segs = session()
    for seg in segs:
        if "R" in seg.flags:
            client = segs[-2]
            yield plain(replace(client, offset=client.offset - 1, payload=b"\n", flags="A", ident=9001))
            yield plain(replace(client, offset=client.offset - 1, payload=b"j", flags="A", ident=9002))
            yield plain(replace(seg, payload=b"reset: midnight in the orangery"))
            continue
        yield plain(seg) + (b"Attachment padding" if not seg.payload else b"")


def cut() -> Iterator[bytes]:
    """As a snap length of 130 leaves it: see `VARIANTS`."""
    return (plain(seg)[:130] for seg in session())


def midway() -> Iterator[bytes]:
    """From the middle of the first message on."""
    segs = session()
    first = next(number for number, seg in enumerate(segs) if seg.payload == BODY[700:1400])
    return map(plain, segs[first:])


def in_auth() -> Iterator[bytes]:
    """From a credential on."""
    segs = session()
    first = next(number for number, seg in enumerate(segs) if seg.payload.startswith(LOGIN))
    return map(plain, segs[first:])


def with_a_hole() -> Iterator[bytes]:
    """Without the segment that holds DATA, and without the one that ends the text."""
    return (plain(seg) for seg in session() if b"DATA" not in seg.payload and not seg.payload.endswith(b"\r\n.\r\n"))


def one_direction() -> Iterator[bytes]:
    return (plain(seg) for seg in session() if seg.who == "C")


def vxlan() -> Iterator[bytes]:
    for seg in session():
        yield bytes(
            routed(
                IP(src=ROUTER, dst="203.0.113.78") / UDP(sport=1234, dport=4789) / VXLAN(vni=7) / ether(ip(seg), seg)
            )
        )


def gre() -> Iterator[bytes]:
    for seg in session():
        yield bytes(routed(IP(src=ROUTER, dst="203.0.113.78") / GRE(chksum_present=1) / ip(seg)))


def cooked() -> Iterator[bytes]:
    for seg in session():
        yield bytes(CookedLinux(src=b"\2\0\0\0\0\x0a", lladdrlen=6, proto=0x0800) / ip(seg))


def raw() -> Iterator[bytes]:
    return (bytes(ip(seg)) for seg in session())


def six() -> Iterator[bytes]:
    for seg in session():
        packet = ip(seg, six=True)
        yield bytes(ether(packet, seg))
        if b"midnight" in seg.payload:
            yield bytes(
                routed(IPv6(src="2001:db8::77", dst=packet.src) / ICMPv6DestUnreach(code=3) / Raw(bytes(packet)[:1200]))
            )


def with_options() -> Iterator[bytes]:
    """Routes in IPv4's options, another way to the host in TCP's, and a router that names its interface (RFC 5837)."""
    routes = [
        IPOption_RR(routers=[CLIENT, "0.0.0.0"], pointer=8),
        IPOption_Timestamp(flg=1, internet_address=CLIENT, timestamp=1),
    ]
    for seg in session():
        packet = ip(seg)
        packet[IP].options = routes
        packet[TCP].options = [("NOP", None), ("NOP", None), (30, b"\x34\1" + inet_aton(CLIENT)), ("EOL", None)]
        yield bytes(ether(packet, seg))
        if b"midnight" in seg.payload:
            told = b"\0\1\0\0" + inet_aton(CLIENT) + b"\x0cto poirot\0\0"
            objects = b"\0\x08\1\1\0\x10\1\x40" + struct.pack(">HBB", 4 + len(told), 2, 0x0E) + told
            head = bytes([11, 0, 0, 0, 0, 32, 0, 0])  # RFC 4884: the quotation has 128 octets
            message = bytearray(head + bytes(packet)[:128] + b"\x20\0\0\0" + objects)
            message[138:140] = struct.pack(">H", checksum(bytes(message[136:])))
            message[2:4] = struct.pack(">H", checksum(bytes(message)))
            yield bytes(routed(IP(src=ROUTER, dst=CLIENT, proto=1) / Raw(bytes(message))))


def with_headers() -> Iterator[bytes]:
    """A way that was taken, in IPv6's routing header, and an option that nobody knows."""
    for seg in session():
        packet = ip(seg, six=True)
        way = IPv6ExtHdrRouting(type=0, segleft=0, addresses=[f"2001:db8::{CLIENT}"])
        unknown = IPv6ExtHdrDestOpt(options=[HBHOptUnknown(otype=0x1E, optdata=inet_aton(CLIENT) + b"styles.example")])
        yield bytes(ether(IPv6(src=packet.src, dst=packet.dst, hlim=packet.hlim) / way / unknown / packet[TCP], seg))


def offloaded() -> Iterator[bytes]:
    """Checksums that the network card was to fill in: the client's hold the pseudo-header alone, the server's are wrong."""
    for seg in session():
        octets = bytearray(plain(seg))
        if seg.who == "C":
            length = len(octets) - 34
            total = sum(struct.unpack(">4H", octets[26:34])) + 6 + length
            octets[50:52] = struct.pack(">H", (total & 0xFFFF) + (total >> 16))
        else:
            octets[50:52] = b"\x12\x34" if seg.ident % 2 else b"\0\0"
        yield bytes(octets)


VARIANTS: dict[str, Callable[[], Iterator[bytes]]] = {
    "once": lambda: map(plain, session()),
    **{each.__name__: each for each in (resent, conflicting, disordered, mirrored, quoted, fragmented, probing, cut)},
    **{
        each.__name__: each
        for each in (
            *(midway, in_auth, with_a_hole, one_direction, vxlan, gre, cooked, raw, six, offloaded),
            *(with_options, with_headers),
        )
    },
}
LINKS = {"cooked": 113, "raw": 101}


@cache
def capture(variant: str) -> bytes:
    """The pcap file of a variant, in nanoseconds."""
    frames = list(VARIANTS[variant]())
    times = [START * 10**9 + 10_000_000 * number + number for number in range(len(frames))]
    if variant == "cut":
        whole = [len(plain(seg)) for seg in session()]
        return b"".join(_records(frames, whole, times))
    return pcap(frames, nano=True, link=LINKS.get(variant, 1), times_ns=times)


def _records(frames: list[bytes], lengths: list[int], times: list[int]) -> Iterator[bytes]:
    yield struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 130, 1)
    for octets, length, time in zip(frames, lengths, times, strict=True):
        yield struct.pack("<IIII", *divmod(time, 10**9), len(octets), length) + octets


__all__ = ["SECRETS", "VARIANTS", "block", "capture", "interface", "option", "section", "session"]
