"""What Wireshark's ``capinfos`` says about a capture file, before tshark dissects it.

It is asked first because it reads every format that tshark reads in a fraction of the time, and because its messages
tell apart what tshark's exit status does not: no capture at all, cut short, damaged.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from pcapdiag.errors import CaptureError, NotACapture, UnsupportedLinkType
from pcapdiag.model import Note

_T = TypeVar("_T")

_IN_USE = re.compile(r"^ {2,}(\S.*) \(\d+\)$", re.MULTILINE)
"""One line of "Encapsulation in use by packets", which a file with several kinds of link gets."""
_SNAPLEN = re.compile(r"^Packet size limit: +file hdr: (\d+) bytes", re.MULTILINE)
_PACKETS_READ = re.compile(r"after reading (\d+) packets? from")
_FORMATS = {"nsecpcap": "nanosecond pcap", "modpcap": "modified pcap"}
"""wiretap's names of the flavours of pcap -> those of our own reader."""
_LINK_TYPES = {
    "ether": "EN10MB",
    "linux-sll": "LINUX_SLL",
    "linux-sll2": "LINUX_SLL2",
    "rawip": "RAW",
    "rawip4": "IPV4",
    "rawip6": "IPV6",
    "null": "NULL",
    "loop": "LOOP",
    "ppp": "PPP",
    "chdlc": "C_HDLC",
    "ieee-802-11": "IEEE802_11",
    "ieee-802-11-radiotap": "IEEE802_11_RADIOTAP",
    "ieee-802-11-prism": "IEEE802_11_PRISM",
    "frelay": "FRELAY",
    "tr": "IEEE802_5",
    "fddi": "FDDI",
    "Ethernet": "EN10MB",
    "Linux cooked-mode capture v1": "LINUX_SLL",
    "Linux cooked-mode capture v2": "LINUX_SLL2",
    "Raw IP": "RAW",
    "NULL/Loopback": "NULL",
}
"""wiretap's encapsulation, short or in words -> its name at https://www.tcpdump.org/linktypes.html, where the two differ."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A capture file as ``capinfos`` counts it."""

    format: str
    link_types: tuple[str, ...]
    packets: int | None
    """None: capinfos could not tell."""
    snaplen: int | None
    first_time_ns: int | None
    last_time_ns: int | None
    notes: tuple[Note, ...]


def file_facts(capinfos: str | None, path: str) -> FileFacts:
    """Ask ``capinfos`` (its path; None where it is not installed) about the file at `path`.

    Raises `NotACapture` for a file that Wireshark does not recognise, `UnsupportedLinkType` for one whose kind of link
    it does not know, `CaptureError` for one that cannot be opened.
    """
    if capinfos is None:
        note = Note("no-capinfos", "capinfos is not installed, so the number of packets is the last frame number seen")
        return FileFacts("capture", (), None, None, None, None, (note,))
    # -M machine readable, -K without comments: they may hold lines that look like ours. No -I for the same reason, and
    # because it lists all interfaces once per section: a small file can make that gigabytes.
    command = [capinfos, "-M", "-K", "-t", "-E", "-c", "-l", "-a", "-e", "-S", path]
    try:
        run = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise CaptureError(path, f"capinfos cannot be run: {error}") from error
    says = [line.strip() for line in run.stderr.splitlines() if line.strip()]
    if "Number of packets:" in run.stdout:
        return _facts(run.stdout, says)
    if any("An error occurred after reading" in line for line in says):
        # A damaged file gets no report at all, but it was recognised, and tshark reads it up to the damage.
        notes = _notes(says)
        return FileFacts("capture", (), notes[0].frame if notes else None, None, None, None, notes)
    raise _refusal(path, says)


def _facts(report: str, says: list[str]) -> FileFacts:
    fields: dict[str, str] = {}
    for line in report.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip(), value.strip())
    snaplen = _SNAPLEN.search(report)
    link_types = _IN_USE.findall(report) or [fields.get("File encapsulation", "unknown")]
    return FileFacts(
        format=_format(fields.get("File type", "capture")),
        link_types=tuple(_LINK_TYPES.get(name, name.upper().replace("-", "_")) for name in link_types),
        packets=_optional(int, fields, "Number of packets"),
        snaplen=int(snaplen[1]) if snaplen else None,
        first_time_ns=_optional(nanoseconds, fields, "First packet time"),
        last_time_ns=_optional(nanoseconds, fields, "Last packet time"),
        notes=_notes(says),
    )


def _format(file_type: str) -> str:
    """``nsecpcap (gzip compressed)`` -> ``gzip nanosecond pcap``."""
    kind, _, compression = file_type.partition(" (")
    kind = _FORMATS.get(kind, kind)
    return f"{compression.split(' ')[0]} {kind}" if compression else kind


def _optional(parse: Callable[[str], _T], fields: Mapping[str, str], name: str) -> _T | None:
    try:
        return parse(fields[name])
    except (KeyError, ValueError):
        return None


def _notes(says: list[str]) -> tuple[Note, ...]:
    """capinfos complains in up to three lines: how far it came, what is wrong, and in brackets the details."""
    text = " ".join(says)
    read = _PACKETS_READ.search(text)
    frame = int(read[1]) if read else None
    behind = "" if frame is None else f" after frame {frame}"
    if "cut short" in text:
        return (Note("truncated", f"the file is cut short{behind}", frame),)
    if "damaged or corrupt" in text:
        details = re.search(r"damaged or corrupt\.?\s*\((.*)\)", text)
        return (Note("damaged", f"the file is damaged{behind}" + (f": {details[1]}" if details else ""), frame),)
    return ()


def _refusal(path: str, says: list[str]) -> CaptureError:
    text = " ".join(says)
    if "isn't a capture file" in text:
        return NotACapture(path, "not a capture file in any format that Wireshark knows")
    if "network type" in text or "isn't supported" in text or "encapsulation" in text:
        return UnsupportedLinkType(path, f"Wireshark cannot read it: {text.removeprefix('capinfos: ')}")
    return CaptureError(path, text.removeprefix("capinfos: ") or "capinfos said nothing about it")


def nanoseconds(seconds: str) -> int:
    """``1594955843.766171`` -> 1594955843766171000, without the rounding of a float."""
    whole, _, fraction = seconds.partition(".")
    return int(whole) * 1_000_000_000 + (-1 if whole.startswith("-") else 1) * int(fraction.ljust(9, "0")[:9])
