"""Which capture format an input is, by its first octets, and the reader for it."""

from __future__ import annotations

from pcapdiag.capture import pcap, pcapng
from pcapdiag.capture.frames import FrameReader, Window
from pcapdiag.capture.inflate import MAGIC as COMPRESSIONS
from pcapdiag.errors import NotACapture, UnsupportedLinkType

FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"snoop\0\0\0", "Solaris snoop"),
    (b"RTSS", "Microsoft Network Monitor 1"),
    (b"GMBU", "Microsoft Network Monitor 2"),
    (b"TRSNIFF data", "NetXray/Sniffer"),
    (b"XCP\0", "Cinco NetXRay"),
    (b"\x7fver", "Accellent/Savvius packet file"),
    (b"btsnoop\0", "btsnoop"),
    (b"ViSuAlNeTwOrKs", "Visual Networks"),
    (b"\x54\x52\x00\x64", "iptrace 1"),
    (b"iptrace 1.0", "AIX iptrace 1"),
    (b"iptrace 2.0", "AIX iptrace 2"),
)
"""Formats of other programs that tshark reads."""


def reader_for(window: Window, path: str) -> FrameReader:
    head = window.head(16)
    if head[:4] in pcap.MAGIC:
        return pcap.PcapReader(window, path)
    if head[:4] == b"\x0a\x0d\x0d\x0a":
        return pcapng.PcapngReader(window, path)
    for magic, name in FOREIGN:
        if head.startswith(magic):
            raise UnsupportedLinkType(path, f"is a {name} file, which tshark can read: --engine tshark")
    raise NotACapture(path, _what(head, window.damage))


def _what(head: bytes, damage: str | None) -> str:
    if damage:
        return damage
    if not head:
        return "is empty"
    if any(head.startswith(magic) for magic, _ in COMPRESSIONS):
        return "is compressed twice; uncompress it once"
    if all(32 <= octet < 127 or octet in b"\t\r\n" for octet in head):
        return "is text, no capture (pcap or pcapng)"
    return f"is no capture (pcap or pcapng): it begins {head[:8].hex(' ')}"
