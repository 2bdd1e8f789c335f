"""Links, encapsulations and IP, against frames that scapy builds: TCP is found under all of them."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from scapy.compat import raw
from scapy.contrib.erspan import ERSPAN_I, ERSPAN_II, ERSPAN_III
from scapy.contrib.geneve import GENEVE
from scapy.contrib.mpls import MPLS
from scapy.contrib.tzsp import TZSP, TZSPTagEnd, TZSPTagPadding
from scapy.layers.dot11 import Dot11, RadioTap
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror, TCPerror, fragment
from scapy.layers.inet6 import (
    ICMPv6PacketTooBig,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    fragment6,
)
from scapy.layers.l2 import GRE, LLC, SNAP, CookedLinux, Dot1AD, Dot1Q, Dot3, Ether
from scapy.layers.ppp import PPP, PPPoE
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw

from tests.capture.capture_files import START, TICK_NS, ethernet, ipv4, pcap, read, segment

A, B, A6, B6 = "192.0.2.1", "198.51.100.25", "2001:db8::1", "2001:db8::25"
SEGMENT = TCP(
    sport=40000, dport=25, seq=12345, flags="PA", options=[("NOP", None), ("NOP", None), ("Timestamp", (7, 8))]
)
V4 = IP(src=A, dst=B, ttl=61) / SEGMENT / Raw(b"EHLO x\r\n")
V6 = IPv6(src=A6, dst=B6, hlim=61) / SEGMENT / Raw(b"EHLO x\r\n")
OUTER = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src="203.0.113.1", dst="203.0.113.2", ttl=9)
INNER = Ether(src="02:00:00:00:00:03", dst="02:00:00:00:00:04") / V4
E = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")


def _exthdr(last: Packet) -> Packet:
    return E / IPv6(src=A6, dst=B6, hlim=61) / IPv6ExtHdrHopByHop() / IPv6ExtHdrRouting() / IPv6ExtHdrDestOpt() / last


ON_ETHERNET: dict[str, Packet | bytes] = {
    "plain": E / V4,
    "ipv6": E / V6,
    "vlan": E / Dot1Q(vlan=5) / V4,
    "qinq": E / Dot1AD(vlan=5) / Dot1Q(vlan=6) / V6,
    "snap": Dot3(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / LLC() / SNAP() / V4,
    "options": E / IP(src=A, dst=B, ttl=61, options=b"\x01\x01\x01\x01") / SEGMENT / Raw(b"EHLO x\r\n"),
    "extension headers": _exthdr(SEGMENT / Raw(b"EHLO x\r\n")),
    "atomic fragment": E / IPv6(src=A6, dst=B6, hlim=61) / IPv6ExtHdrFragment(id=3) / SEGMENT / Raw(b"EHLO x\r\n"),
    "pppoe": E / PPPoE(sessionid=1) / PPP() / V4,
    "mpls": E / MPLS(label=16, s=0, ttl=4) / MPLS(label=17, s=1, ttl=4) / V4,
    "mpls pseudowire": raw(E / MPLS(label=17, s=1, ttl=4)) + bytes(4) + raw(INNER),
    "vxlan": OUTER / UDP(dport=4789) / VXLAN(vni=4) / INNER,
    "geneve": OUTER / UDP(dport=6081) / GENEVE(vni=4) / INNER,
    "gre": OUTER / GRE() / V4,
    "gre with key and sequence": OUTER / GRE(key_present=1, seqnum_present=1, chksum_present=1) / V6,
    "erspan i": OUTER / GRE(proto=0x88BE) / ERSPAN_I() / INNER,
    "erspan ii": OUTER / GRE(proto=0x88BE, seqnum_present=1) / ERSPAN_II() / INNER,
    "erspan iii": OUTER / GRE(proto=0x22EB, seqnum_present=1) / ERSPAN_III() / INNER,
    "ipip": OUTER / V4,
    "6in4": OUTER / V6,
    "4in6": E / IPv6(src="2001:db8::a", dst="2001:db8::b", nh=4) / V4,
    "tzsp": OUTER / UDP(dport=37008) / TZSP() / TZSPTagPadding() / TZSPTagEnd() / INNER,
    "vxlan in gre in vlan": E / Dot1Q(vlan=5) / IP() / GRE() / IP() / UDP(dport=4789) / VXLAN() / INNER,
}
LINKS: dict[str, tuple[int, Packet | bytes]] = {
    "raw 12": (12, V4),
    "raw 101": (101, V6),
    "ipv4": (228, V4),
    "ipv6": (229, V6),
    "null": (0, struct.pack("<I", 2) + raw(V4)),
    "null, big-endian, ipv6 of Darwin": (0, struct.pack(">I", 30) + raw(V6)),
    "loop": (108, struct.pack(">I", 2) + raw(V4)),
    "sll": (113, CookedLinux(proto=0x0800) / V4),
    "sll2": (276, struct.pack(">HHIHBB8s", 0x86DD, 0, 2, 1, 4, 6, b"") + raw(V6)),
    "ppp": (9, b"\xff\x03\x00\x21" + raw(V4)),
    "ppp, compressed": (9, b"\x21" + raw(V4)),
    "ppp in hdlc": (50, b"\xff\x03\x00\x57" + raw(V6)),
    "cisco hdlc": (104, b"\x0f\x00\x08\x00" + raw(V4)),
    "enc": (109, bytes(12) + raw(V4)),
    "pflog": (117, bytes([61]) + bytes(63) + raw(V4)),
    "radiotap": (127, RadioTap() / Dot11(type=2, addr1="02:00:00:00:00:01") / LLC() / SNAP() / V4),
}


def _check(path: Path, link: int, packet: Packet | bytes) -> None:
    octets = packet if isinstance(packet, bytes) else raw(packet)
    path.write_bytes(pcap([octets, octets], link=link))
    got = read(path)
    assert [row.frame for row in got.rows] == [1, 2]
    row = got.rows[0]
    assert (row.src, row.dst) in ((A, B), (A6, B6))
    assert (row.sport, row.dport, row.seq, row.seg_len, row.payload) == (40000, 25, 12345, 8, b"EHLO x\r\n")
    assert (row.ttl, row.tsval, row.tsecr) == (61, 7, 8)


@pytest.mark.parametrize("name", ON_ETHERNET)
def test_encapsulations(tmp_path: Path, name: str) -> None:
    _check(tmp_path / "a", 1, ON_ETHERNET[name])


@pytest.mark.parametrize("name", LINKS)
def test_links(tmp_path: Path, name: str) -> None:
    _check(tmp_path / "a", *LINKS[name])


@pytest.mark.parametrize("name", ON_ETHERNET)
def test_cut_anywhere_nothing_breaks(tmp_path: Path, name: str) -> None:
    """Every snap length: no error, never more payload than was captured, and the true length when TCP's header is there."""
    whole = raw(ON_ETHERNET[name])
    path = tmp_path / "a"
    path.write_bytes(pcap([whole[:cut] for cut in range(len(whole) + 1)], wirelen=len(whole)))
    got = read(path)
    assert {row.seg_len for row in got.rows} == {8}
    assert [len(row.payload) for row in got.rows][-9:] == list(range(9))


def test_endless_encapsulation_ends(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(pcap([ethernet(b"\0\1\x81\0" * 10000, 0x8100), ethernet(ipv4(segment()))]))
    assert [row.frame for row in read(path).rows] == [2]


def test_trailer_is_no_payload(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(pcap([ethernet(ipv4(segment(payload=b"")) + bytes(6))]))
    assert read(path).rows[0].seg_len == 0


def test_total_length_zero_is_offload(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(pcap([ethernet(ipv4(segment(payload=b"y" * 60000), length=0))]))
    assert read(path).rows[0].seg_len == 60000


@pytest.mark.parametrize(
    ("options", "clocks"),
    [
        (b"\x01\x01\x08\x0a\0\0\0\5\0\0\0\6", (5, 6)),
        (b"\x08\x0a\0\0\0\5\0\0\0\6\x01\x01", (5, 6)),
        (b"\x02\x04\x05\xb4\x04\x02\x08\x0a\0\0\0\5\0\0\0\6\x01\x03\x03\x07", (5, 6)),
        (b"\x01\x01\x05\x0a\0\0\0\5\0\0\0\6", (-1, -1)),
        (b"\x05\x00\x08\x0a\0\0\0\5\0\0\0\6", (-1, -1)),
        (b"\x00\x01\x08\x0a\0\0\0\5\0\0\0\6", (-1, -1)),
        (b"\x08\x0b\0\0\0\5\0\0\0\6\0\0", (-1, -1)),
        (b"", (-1, -1)),
    ],
)
def test_timestamps(tmp_path: Path, options: bytes, clocks: tuple[int, int]) -> None:
    path = tmp_path / "a"
    path.write_bytes(pcap([ethernet(ipv4(segment(options=options)))]))
    row = read(path).rows[0]
    assert (row.tsval, row.tsecr) == clocks


def test_ports(tmp_path: Path) -> None:
    """Either end, and the ident question that servers ask."""
    path = tmp_path / "a"
    pairs = [(25, 9), (9, 25), (9, 10), (113, 9), (587, 25), (9, 587)]
    path.write_bytes(pcap([ethernet(ipv4(segment(sport=s, dport=d))) for s, d in pairs]))
    got = read(path, ports=frozenset({25}))
    assert [row.frame for row in got.rows] == [1, 2, 4, 5]
    assert got.captures.infos()[0].smtp_packets == 3


def test_small_disorder_is_mended_and_a_set_clock_is_not(tmp_path: Path) -> None:
    second, base = 10**9, START * 10**9
    times = [0, 3 * TICK_NS, TICK_NS, 2 * second, 2 * second - 500 * TICK_NS, -100 * second, -99 * second]
    path = tmp_path / "a"
    path.write_bytes(pcap([ethernet(ipv4(segment(i))) for i in range(7)], times_ns=[base + time for time in times]))
    got = read(path)
    assert [row.frame for row in got.rows] == [1, 3, 2, 5, 4, 6, 7]
    assert got.codes == ["disorder"]
    assert got.captures.infos()[0].notes[0].frame == 6


def test_times_that_go_back_all_the_time_are_no_witness_of_the_order(tmp_path: Path) -> None:
    """Traces put together by scripts have one constant time for each direction: the file's order is the better witness."""
    base = START * 10**9
    times = [base + (2 * TICK_NS if i % 2 else 0) for i in range(12)]
    path = tmp_path / "a"
    path.write_bytes(pcap([ethernet(ipv4(segment(i))) for i in range(12)], times_ns=times))
    got = read(path)
    assert [row.frame for row in got.rows] == list(range(1, 13))
    assert [row.time_ns for row in got.rows] == [base] + [base + 2 * TICK_NS] * 11
    assert got.codes == ["disorder"]


def test_a_clock_that_runs_is_believed_however_often_frames_changed_places(tmp_path: Path) -> None:
    """Several queues or interfaces: every second frame stands behind the one that followed it."""
    path = tmp_path / "a"
    times = [START * 10**9 + (i ^ 1) * TICK_NS for i in range(12)]
    path.write_bytes(pcap([ethernet(ipv4(segment(i))) for i in range(12)], times_ns=times))
    got = read(path)
    assert [row.frame for row in got.rows] == [(i ^ 1) + 1 for i in range(12)]
    assert got.codes == []


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (0, 0, 2, 1)])
@pytest.mark.parametrize("six", [False, True])
def test_fragments_become_the_segment_of_the_completing_frame(
    tmp_path: Path, order: tuple[int, ...], six: bool
) -> None:
    body = SEGMENT / Raw(b"abcdefghij" * 100)
    if six:
        parts = fragment6(IPv6(src=A6, dst=B6, hlim=61) / IPv6ExtHdrFragment(id=9) / body, 500)
    else:
        parts = fragment(IP(src=A, dst=B, ttl=61, id=9) / body, 400)
    frames = [raw(E / parts[i]) for i in order] + [raw(E / V4)]
    path = tmp_path / "a"
    path.write_bytes(pcap(frames))
    got = read(path)
    assert [(row.frame, row.seg_len) for row in got.rows] == [(len(order), 1000), (len(order) + 1, 8)]
    assert got.rows[0].payload == b"abcdefghij" * 100


def test_fragmented_tunnel(tmp_path: Path) -> None:
    parts = fragment(IP(src="203.0.113.1", dst="203.0.113.2", id=4) / UDP(dport=4789) / VXLAN() / INNER, 40)
    path = tmp_path / "a"
    path.write_bytes(pcap([raw(E / part) for part in parts]))
    assert [(row.frame, row.payload) for row in read(path).rows] == [(len(parts), b"EHLO x\r\n")]


def test_first_fragment_cut_by_the_snap_length_is_read_as_it_is(tmp_path: Path) -> None:
    parts = fragment(IP(src=A, dst=B, id=9) / SEGMENT / Raw(b"z" * 3000), 1400)
    path = tmp_path / "a"
    path.write_bytes(pcap([raw(E / part)[:96] for part in parts], wirelen=1414))
    assert [(row.frame, row.seg_len) for row in read(path).rows] == [(1, 1400 - 32)]


def test_a_flood_of_fragments_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "a"
    frames = (ethernet(ipv4(bytes(1400), ident=i & 0xFFFF, fragment=0x2001)) for i in range(20000))
    path.write_bytes(pcap(frames))
    got = read(path)
    assert got.rows == []
    assert got.codes == ["fragments"]


def test_icmp_errors(tmp_path: Path) -> None:
    """Only those that quote TCP of a wanted port; they stand before the row that comes after them."""
    router = E / IP(src="203.0.113.9", dst=A)
    quote = raw(V4)[:28]
    frames = [
        raw(E / V4),
        raw(router / ICMP(type=3, code=13) / Raw(quote)),
        raw(E / V4),
        raw(router / ICMP(type=3, code=4, nexthopmtu=1400) / Raw(quote)),
        raw(router / ICMP(type=8) / Raw(quote)),
        raw(router / ICMP(type=3, code=3) / IPerror(src=A, dst=B, proto=6) / TCPerror(sport=1, dport=80)),
        raw(OUTER / GRE() / IP(src="203.0.113.9", dst=A) / ICMP(type=11) / Raw(quote[:24])),
        raw(E / IPv6(src="2001:db8::9", dst=A6) / ICMPv6PacketTooBig(mtu=1280) / Raw(raw(V6)[:60])),
    ]
    path = tmp_path / "a"
    path.write_bytes(pcap(frames))
    got = read(path, ports=frozenset({25}))
    seen = [
        (e.frame_number, e.row, e.sender, e.version, e.type, e.code, e.mtu, e.src, e.dstport, e.seq) for e in got.icmp
    ]
    assert seen == [
        (2, 1, "203.0.113.9", 4, 3, 13, None, A, 25, 12345),
        (4, 2, "203.0.113.9", 4, 3, 4, 1400, A, 25, 12345),
        (7, 2, "203.0.113.9", 4, 11, 0, None, A, 25, None),
        (8, 2, "2001:db8::9", 6, 2, 0, 1280, A6, 25, 12345),
    ]
