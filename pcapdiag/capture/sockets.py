"""Packet sockets: opened by scapy, made ready for weeks, bound again when their interface comes back.

Opening takes the privilege (CAP_NET_RAW); everything after it does not, so `SocketFeed` is opened first, and `run` belongs
to a process that may have given its privileges up.
"""

from __future__ import annotations

import ctypes
import errno
import math
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from pcapdiag.capture.frames import FrameBlock
from pcapdiag.capture.interfaces import ANY, LINKS, RAW_IP, interfaces
from pcapdiag.capture.kernelfilter import attach
from pcapdiag.capture.linknames import link_name
from pcapdiag.capture.slots import COUNT, PACKET_AUXDATA, Devices, Slots
from pcapdiag.errors import LiveCaptureDenied, LiveError
from pcapdiag.model import Note

ALL_PROTOCOLS = 3
"""ETH_P_ALL"""
SOL_PACKET, ADD_MEMBERSHIP, STATISTICS, PROMISCUOUS = 263, 1, 6, 1
SO_RCVBUFFORCE, SO_TIMESTAMPNS = 33, 35
BUFFER = 64 << 20
"""Octets asked for; the kernel counts about 2 KiB for a small packet."""
LEAST_BUFFER = 32 << 20
WAIT_MS = 100
RETRY_S = 0.5
MARGIN_NS = 5_000_000
"""Between a frame's time stamp and its place in the socket's queue lies at most so much."""
LAST_WORDS_S = 1.0
"""After `stop`, so long at most is taken in what still comes."""
ROUND = 1 << 22
"""Octets taken from one socket before the next one has its turn."""

Put = Callable[[FrameBlock], None]


class _Tap:
    """One socket."""

    def __init__(self, name: str, compiled: bytes) -> None:
        self.name = name
        self.down = False
        self.dropped = 0
        self.retry_at = 0.0
        self._opened = _open(name)  # scapy closes the socket when its object goes
        self.socket: socket.socket = self._opened.ins
        attach(self.socket, compiled)
        self.buffer = _enlarge(self.socket)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.bind()

    def bind(self) -> None:
        """To the interface that has the name now. Raises `OSError` when there is none."""
        index = 0 if self.name == ANY else socket.if_nametoindex(self.name)
        _bind(self.socket, index)
        if index:
            self.socket.setsockopt(SOL_PACKET, ADD_MEMBERSHIP, struct.pack("iHH8s", index, PROMISCUOUS, 0, b""))

    def count_drops(self) -> None:
        """Add up what the kernel counted since the last call."""
        _, dropped = struct.unpack("II", self.socket.getsockopt(SOL_PACKET, STATISTICS, 8))
        self.dropped += dropped

    def close(self) -> None:
        self._opened.close()


class SocketFeed:
    """Frames of some interfaces, as one stream."""

    format = "live"

    def __init__(self, names: Sequence[str], compiled: bytes) -> None:
        """Raises `LiveCaptureDenied` without CAP_NET_RAW, and `LiveError` for interfaces of link types not known here."""
        _must_be_known(names)
        self._taps: list[_Tap] = []
        try:
            for name in names:
                self._taps.append(_Tap(name, compiled))
        except PermissionError as error:
            self.close()
            raise LiveCaptureDenied(denied(names)) from error
        except OSError as error:
            self.close()
            raise LiveError(f"cannot capture on {' '.join(names)}: {error.strerror or error}") from error
        self._slots = Slots(Devices(LINKS, RAW_IP))
        self._interfaces: dict[int, int] = {}
        self._wake, self._woken = os.pipe()
        self._stop_by = math.inf
        self.names = tuple(names)
        self.link_types = tuple(dict.fromkeys(link_name(link) for link in _links(names)))

    @property
    def dropped(self) -> int:
        """Packets that the kernel had to drop because nobody took them in time."""
        return sum(tap.dropped for tap in self._taps)

    @property
    def notes(self) -> tuple[Note, ...]:
        small = [tap for tap in self._taps if tap.buffer < LEAST_BUFFER]
        if not small:
            return ()
        had = min(tap.buffer for tap in small) >> 10
        says = (
            f"the kernel gave the capture a buffer of {had} KiB only ({LEAST_BUFFER >> 20} MiB were asked for): start it as root, "
            f"give it CAP_NET_ADMIN, or set sysctl net.core.rmem_max={LEAST_BUFFER}"
        )
        return (Note("small-buffer", says),)

    @property
    def down(self) -> tuple[str, ...]:
        """Interfaces that are down or gone for now."""
        return tuple(tap.name for tap in self._taps if tap.down)

    def run(self, put: Put, clock: Callable[[int], None]) -> None:
        """Hand over frames until `stop`; `clock` hears until when nothing is left to come."""
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        for tap in self._taps:
            poll.register(tap.socket, select.POLLIN)
        while True:
            began_ns = time.time_ns()
            ready = dict(poll.poll(WAIT_MS))
            empty = True
            for tap in self._taps:
                if tap.down:
                    self._revive(tap, poll)
                elif tap.socket.fileno() in ready:
                    empty &= self._drain(tap, put, poll)
                tap.count_drops()
            if empty:
                clock(began_ns - MARGIN_NS)
            if self._wake in ready:
                self._stop_by = min(self._stop_by, time.monotonic() + LAST_WORDS_S)
                if empty or time.monotonic() > self._stop_by:
                    return

    def stop(self) -> None:
        """End `run` once what waits was handed over. May be called from any thread, and from a signal handler."""
        os.write(self._woken, b"x")

    def close(self) -> None:
        for tap in self._taps:
            tap.close()

    def _drain(self, tap: _Tap, put: Put, poll: select.poll) -> bool:
        """False when there may be more."""
        taken = 0
        try:
            while taken < ROUND:
                count = self._slots.receive(tap.socket.fileno())
                if count:
                    block = self._slots.block(count, self._interfaces)
                    taken += len(block.buffer)
                    put(block)
                if count < COUNT:
                    return True
        except OSError as error:
            if error.errno not in (errno.ENETDOWN, errno.ENXIO, errno.ENODEV):
                raise
            tap.down = True
            tap.retry_at = 0.0
            poll.unregister(tap.socket)
            return True
        return False

    def _revive(self, tap: _Tap, poll: select.poll) -> None:
        """An interface that was down gets its socket bound again, once it is there and up."""
        now = time.monotonic()
        if now < tap.retry_at:
            return
        tap.retry_at = now + RETRY_S
        try:
            if any(each.name == tap.name and each.up for each in interfaces()):
                tap.bind()
                tap.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                tap.down = False
                poll.register(tap.socket, select.POLLIN)
        except OSError:
            pass  # it went again


def _open(name: str) -> Any:
    """scapy's listening socket, not bound to a protocol yet: so nothing passes before the filter is there."""
    from scapy.arch.linux import L2ListenSocket  # noqa: PLC0415
    from scapy.config import conf  # noqa: PLC0415

    conf.logLevel = 40  # it warns of interfaces without an address, on standard error
    return L2ListenSocket(iface="lo" if name == ANY else name, type=0, promisc=False, nofilter=1)


def _enlarge(each: socket.socket) -> int:
    """Ask for a large receive buffer; how large it is now. With CAP_NET_ADMIN the system's limit does not count."""
    for option in (SO_RCVBUFFORCE, socket.SO_RCVBUF):
        try:
            # The kernel doubles the number "to allow space for bookkeeping overhead" (socket(7)).
            each.setsockopt(socket.SOL_SOCKET, option, BUFFER // 2)
            break
        except PermissionError:
            continue
    return each.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)


def _bind(each: socket.socket, index: int) -> None:
    """Python binds to names only, and none stands for all interfaces."""
    address = struct.pack("=HHiHBB8s", socket.AF_PACKET, socket.htons(ALL_PROTOCOLS), index, 0, 0, 0, b"")
    if ctypes.CDLL(None, use_errno=True).bind(each.fileno(), address, len(address)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _links(names: Sequence[str]) -> list[int]:
    return [each.link or RAW_IP for each in interfaces() if each.name in names or ANY in names]


def _must_be_known(names: Sequence[str]) -> None:
    for each in interfaces():
        if each.name in names and each.link is None:
            raise LiveError(f"the interface {each.name} is a {each.says}")


def denied(names: Sequence[str]) -> str:
    """What to do about a missing privilege."""
    python = os.path.realpath(sys.executable)
    return (
        f"capturing on {' '.join(names)} takes the capability CAP_NET_RAW: run it with sudo (root is given up at once), let "
        "systemd give it (AmbientCapabilities=CAP_NET_RAW), or give it to this Python, and thereby to all its scripts: "
        f"sudo setcap cap_net_raw+ep {python}"
    )
