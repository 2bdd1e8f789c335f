"""The interfaces of this host (of this network namespace), as Linux shows them below /sys/class/net."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pcapdiag.capture.linknames import link_name
from pcapdiag.errors import LiveError, NoSuchInterface

ANY = "any"
"""All interfaces, those that come later too."""
SYSTEM = Path("/sys/class/net")
IFF_UP = 1
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
    try:
        return [_interface(path) for path in sorted(SYSTEM.iterdir()) if (path / "type").exists()]
    except OSError as error:
        raise LiveError(
            f"the interfaces of this host cannot be listed ({SYSTEM}: {error.strerror}): live capture needs Linux; "
            "elsewhere pipe a capture: tcpdump -U -w - port 25 | pcapdiag analyze -"
        ) from error


def _interface(path: Path) -> Interface:
    flags, hardware = (path / "flags").read_text(), (path / "type").read_text()
    return Interface(path.name, int(hardware), bool(int(flags, 16) & IFF_UP))


def must_exist(names: Sequence[str]) -> None:
    """Raises `NoSuchInterface` for the first that does not, with those that do."""
    there = [each.name for each in interfaces()]
    for name in names:
        if name != ANY and name not in there:
            near = difflib.get_close_matches(name, [*there, ANY], n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise NoSuchInterface(
                f"there is no interface {name}: {hint}There are {', '.join(there)}, and {ANY} for all"
            )
