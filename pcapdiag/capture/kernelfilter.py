"""Which packets the kernel hands over: the filter for the mail ports, in tcpdump's language and compiled.

libpcap compiles for one link type; a socket on ``any`` meets several. So each expression is compiled twice, with an Ethernet
header and without one, and a few instructions in front choose by the packet's own device. What every packet on the loopback
device passes twice, going out and coming in, is taken once.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterable

from pcapdiag.capture.columns import IDENT
from pcapdiag.capture.interfaces import LOOPBACK
from pcapdiag.errors import FilterRefused

ETHERNET, RAW = 1, 12
"""DLT_ numbers, which libpcap's compiler takes."""
SNAPLEN = 262144

Instruction = tuple[int, int, int, int]
"""code, jt, jf, k (linux/filter.h)."""

_LOAD, _JUMP, _JUMP_IF, _RETURN = 0x20, 0x05, 0x15, 0x06
_AUXILIARY = 0xFFFFF000
_PACKET_TYPE, _HARDWARE_TYPE = _AUXILIARY + 4, _AUXILIARY + 28
_OUTGOING = 4
_MOST = 4096
"""BPF_MAXINSNS"""


def expression(ports: Iterable[int] | None) -> str:
    """Mail and what belongs to it: TCP of these ports and ident, ICMP errors that quote TCP, fragments (whose ports only
    their first one knows), IPv6 with extension headers; with up to two VLAN tags in front. None: all TCP."""
    tcp = "tcp" if ports is None else " or ".join(f"tcp port {port}" for port in (*sorted(ports), IDENT))
    one = " or ".join(
        (
            tcp,
            "(ip[6:2] & 0x3fff != 0 and (ip proto 6 or ip proto 1))",
            "(icmp and icmp[17] == 6 and (icmp[0] == 3 or icmp[0] == 4 or icmp[0] == 11 or icmp[0] == 12))",
            "(ip6 and (ip6[6] == 44 or ip6[6] == 43 or ip6[6] == 60 or ip6[6] == 51))",
            "(ip6[6] == 58 and ip6[40] < 128)",
        )
    )
    # Behind `vlan` libpcap looks four octets further on, for the rest of the expression.
    return f"{one} or (vlan and ({one} or (vlan and ({one}))))"


def program(text: str) -> bytes:
    """The expression compiled for any device: instructions as SO_ATTACH_FILTER takes them. Raises `FilterRefused`."""
    framed = _compiled(text, ETHERNET)
    try:
        bare = _compiled(_without_vlan(text), RAW)
    except FilterRefused:
        bare = [(_RETURN, 0, 0, 0)]  # it asks for a link header, and these packets have none
    choose: list[Instruction] = [
        (_LOAD, 0, 0, _HARDWARE_TYPE),
        (_JUMP_IF, 2, 0, LOOPBACK),
        (_JUMP_IF, 4, 0, ETHERNET),
        (_JUMP, 0, 0, 4 + len(framed)),
        (_LOAD, 0, 0, _PACKET_TYPE),
        (_JUMP_IF, 0, 1, _OUTGOING),
        (_RETURN, 0, 0, 0),
        (_JUMP, 0, 0, 0),
    ]
    whole = [*choose, *framed, *bare]
    if len(whole) > _MOST:
        raise FilterRefused(
            f"the capture filter takes {len(whole)} instructions, and the kernel takes {_MOST}: name fewer ports"
        )
    return b"".join(struct.pack("=HBBI", *each) for each in whole)


def attach(socket: object, compiled: bytes) -> None:
    """Give the kernel the filter of a socket."""
    instructions = ctypes.create_string_buffer(compiled)
    address = struct.pack("@HP", len(compiled) // 8, ctypes.addressof(instructions))
    socket.setsockopt(1, 26, address)  # type: ignore[attr-defined]  # SOL_SOCKET, SO_ATTACH_FILTER


def _without_vlan(text: str) -> str:
    """Packets without a link header have no VLAN tags, and libpcap refuses to look for them."""
    head, found, _ = text.partition(" or (vlan and (")
    return head if found else text


def _compiled(text: str, link: int) -> list[Instruction]:
    from scapy.arch.common import compile_filter, free_filter  # noqa: PLC0415
    from scapy.error import Scapy_Exception  # noqa: PLC0415

    try:
        compiled = compile_filter(text, linktype=link)
    except ImportError as error:
        raise FilterRefused(
            "the capture filter cannot be compiled without libpcap: install it (Debian: apt install libpcap0.8)"
        ) from error
    except Scapy_Exception as error:
        why = str(error).rpartition("(")[2].rstrip(")") or str(error)
        raise FilterRefused(
            f"the capture filter {text!r} has a mistake: {why} (man pcap-filter tells the language)"
        ) from error
    try:
        rows = [compiled.bf_insns[at] for at in range(compiled.bf_len)]
        # What passes, passes whole.
        return [(row.code, row.jt, row.jf, SNAPLEN if row.code == _RETURN and row.k else row.k) for row in rows]
    finally:
        free_filter(compiled)
