"""The interfaces of this host: those of the network namespace we are in (/sys may show those of another one)."""

from __future__ import annotations

import difflib
import socket
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from pcapdiag.capture.linknames import link_name
from pcapdiag.errors import LiveError, NoSuchInterface

ANY = "any"
"""All interfaces, those that come later too."""
IFF_UP = 1
SIOCGIFFLAGS, SIOCGIFHWADDR = 0x8913, 0x8927
LOOPBACK = 772
"""ARPHRD_LOOPBACK: frames with an Ethernet header of zeros."""
RAW_IP = 101

LINKS = {1: 1, LOOPBACK: 1, 512: RAW_IP, 519: RAW_IP, 768: RAW_IP, 769: RAW_IP, 776: RAW_IP, 0xFFFE: RAW_IP}
"""ARPHRD_ (linux/if_arp.h) -> LINKTYPE_: Ethernet and loopback; PPP, rawip, tunnels, SIT and TUN, whose packets the kernel
hands over from the IP header on."""


@dataclass(frozen=True, slots=True)
class Interface:
    """One of them."""

    name: str
    hardware: int
    """ARPHRD_ number."""
    up: bool

    @property
    def link(self) -> int | None:
        """LINKTYPE_ number; None where our own sockets know nothing to do with it."""
        return LINKS.get(self.hardware)

    @property
    def says(self) -> str:
        """Half a sentence for a list."""
        kind = f"link type {self.hardware} of Linux, only with --via dumpcap" if self.link is None else self._kind
        return f"{kind}, {'up' if self.up else 'down'}"

    @property
    def _kind(self) -> str:
        return "loopback" if self.hardware == LOOPBACK else link_name(self.link or 0)


def interfaces() -> list[Interface]:
    """All of them, by name."""
    if sys.platform != "linux":
        raise LiveError(
            "live capture needs Linux; elsewhere pipe a capture: tcpdump -U -w - port 25 | pcapdiag analyze -"
        )
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for _, name in socket.if_nameindex():
            with suppress(OSError):  # it went meanwhile
                found.append(_interface(any_socket.fileno(), name))
    return sorted(found, key=lambda each: each.name)


def _interface(descriptor: int, name: str) -> Interface:
    """netdevice(7): the flags, and the family of the hardware address, which is the ARPHRD_ number."""
    from fcntl import ioctl  # noqa: PLC0415 - not everywhere

    asked = struct.pack("16s24x", name.encode())
    (flags,) = struct.unpack_from("H", ioctl(descriptor, SIOCGIFFLAGS, asked), 16)
    (hardware,) = struct.unpack_from("H", ioctl(descriptor, SIOCGIFHWADDR, asked), 16)
    return Interface(name, hardware, bool(flags & IFF_UP))


def must_exist(names: Sequence[str]) -> None:
    """Raises `NoSuchInterface` for the first that does not, with those that do."""
    there = [each.name for each in interfaces()]
    for name in names:
        if name != ANY and name not in there:
            near = difflib.get_close_matches(name, [*there, ANY], n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}? There" if near else "there"
            raise NoSuchInterface(f"there is no interface {name}: {hint} are {', '.join(there)}, and {ANY} for all")
