"""The cable between two hosts, in user space: frames go in at one end, and come out at the other a little later.

A cable stands for a stretch of network. It has a length (a delay each way, so that there is a round-trip time) and a
number of routers on it (so that the TTL tells where a frame comes from), and faults: the frames that a fault is about
are dropped, held, sent twice, overtaken by the next one, or changed.
"""

import heapq
import itertools
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from .journal import Journal
from .network import Host
from .packets import Segment, parse, routed

SOL_PACKET, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING = 263, 15, 23
VNET_HEADER = 10  # virtio_net_hdr: segments that a host leaves to the hardware to cut stay whole on the way
ALL_PROTOCOLS = 3
MAX_FRAME = 1 << 17

Toward = Literal["client", "server"]
Matches = Callable[[Segment], bool]


def carries(octets: bytes) -> Matches:
    """Segments with these octets in them."""
    return lambda segment: octets in segment.payload


def has_flags(flags: int) -> Matches:
    return lambda segment: segment.flags & flags == flags


def has_octets(segment: Segment) -> bool:
    return bool(segment.payload)


def any_segment(segment: Segment) -> bool:
    return True


def behind(octets: int) -> Matches:
    """Segments behind so many octets of their direction."""
    passed = 0

    def matches(segment: Segment) -> bool:
        nonlocal passed
        passed += len(segment.payload)
        return passed > octets

    return matches


@dataclass(slots=True)
class Fault:
    """What becomes of the frames that match, `times` of them."""

    action: Literal["drop", "die", "hold", "duplicate", "swap", "rewrite"]
    toward: Toward
    matches: Matches
    times: int
    seconds: float = 0.0
    change: Callable[[bytes], bytes] = bytes
    done: int = 0


@dataclass(order=True, slots=True)
class Underway:
    due: float
    number: int
    toward: Toward = field(compare=False)
    frame: bytes = field(compare=False)


class Cable:
    """Between `with` and its end frames are carried, by one thread."""

    def __init__(
        self, name: str, carrier: Host, ends: tuple[str, str], journal: Journal, *, delay_s: float, hops: int
    ) -> None:
        self.name, self.hops = name, hops
        self._carrier, self._ends, self._delay_s, self._journal = carrier, ends, delay_s, journal
        self._dead: set[Toward] = set()
        self._faults: list[Fault] = []
        self._underway: list[Underway] = []
        self._held_for_swap: dict[Toward, bytes] = {}
        self._numbers = itertools.count()
        self._stop_read, self._stop_write = os.pipe()
        self._thread = threading.Thread(target=self._carry, name=f"cable {name}", daemon=True)

    # --- faults -------------------------------------------------------------------------------------------------------

    def dies(self, toward: Toward | None = None) -> None:
        """From now on nothing comes through: in one direction, or in both."""
        self._dead |= {toward} if toward else {"client", "server"}
        self._journal.write(self.name, "dies", toward=toward or "both")

    def dies_with(self, toward: Toward, matches: Matches) -> Fault:
        """From the frame that matches on, itself included, nothing comes through in its direction."""
        return self._add(Fault("die", toward, matches, times=1))

    def revives(self) -> None:
        self._dead.clear()
        self._journal.write(self.name, "revives")

    def drop(self, toward: Toward, matches: Matches = any_segment, times: int = 1) -> Fault:
        return self._add(Fault("drop", toward, matches, times))

    def hold(self, toward: Toward, matches: Matches, seconds: float, times: int = 1) -> Fault:
        return self._add(Fault("hold", toward, matches, times, seconds))

    def duplicate(self, toward: Toward, matches: Matches, times: int = 1) -> Fault:
        return self._add(Fault("duplicate", toward, matches, times))

    def swap(self, toward: Toward, matches: Matches, times: int = 1) -> Fault:
        """The next frame of that direction overtakes the one that matches."""
        return self._add(Fault("swap", toward, matches, times))

    def rewrite(self, toward: Toward, matches: Matches, change: Callable[[bytes], bytes], times: int = 1) -> Fault:
        """`change` gets the whole frame; checksums are its business (see packets.build)."""
        return self._add(Fault("rewrite", toward, matches, times, change=change))

    def _add(self, fault: Fault) -> Fault:
        self._faults.append(fault)
        self._journal.write(self.name, f"will {fault.action}", toward=fault.toward, times=fault.times)
        return fault

    # --- carrying -----------------------------------------------------------------------------------------------------

    def __enter__(self) -> "Cable":
        with self._carrier.inside():
            near, far = (_open(end) for end in self._ends)
        self._sockets: dict[Toward, socket.socket] = {"client": near, "server": far}
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        os.write(self._stop_write, b".")
        self._thread.join(timeout=5)
        for end in self._sockets.values():
            end.close()
        os.close(self._stop_read)
        os.close(self._stop_write)

    def _carry(self) -> None:
        toward_of: dict[int, Toward] = {
            self._sockets["client"].fileno(): "server",  # what comes in at the client's end goes toward the server
            self._sockets["server"].fileno(): "client",
        }
        poll = select.poll()
        for descriptor in (self._stop_read, *toward_of):
            poll.register(descriptor, select.POLLIN)
        while True:
            self._deliver()
            wait_ms = (self._underway[0].due - time.monotonic()) * 1000 if self._underway else 1000
            for descriptor, _ in poll.poll(max(wait_ms, 0.1)):
                if descriptor == self._stop_read:
                    return
                toward = toward_of[descriptor]
                source = self._sockets["server" if toward == "client" else "client"]
                self._take(toward, source.recv(MAX_FRAME))

    def _deliver(self) -> None:
        while self._underway and self._underway[0].due <= time.monotonic():
            item = heapq.heappop(self._underway)
            if item.toward not in self._dead:
                self._sockets[item.toward].send(item.frame)

    def _take(self, toward: Toward, received: bytes) -> None:
        """A frame came in: the first fault that is about it says what becomes of it."""
        header, frame = received[:VNET_HEADER], routed(received[VNET_HEADER:], self.hops)
        if frame is None or toward in self._dead:
            return
        fault = self._fault_about(toward, frame)
        action = fault.action if fault else None
        if action == "die":
            self.dies(toward)
            return
        if fault and action == "rewrite":
            frame = fault.change(frame)
        if action == "swap":
            self._held_for_swap[toward] = header + frame
        elif action != "drop":
            self._send(toward, header + frame, later=fault.seconds if fault else 0.0)
            if action == "duplicate":
                self._send(toward, header + frame)
            if held := self._held_for_swap.pop(toward, b""):
                self._send(toward, held)

    def _fault_about(self, toward: Toward, frame: bytes) -> Fault | None:
        segment = parse(frame)
        for fault in self._faults:
            if segment and fault.done < fault.times and fault.toward == toward and fault.matches(segment):
                fault.done += 1
                self._journal.write(
                    self.name, fault.action, toward=toward, octets=len(segment.payload), flags=segment.flags
                )
                return fault
        return None

    def _send(self, toward: Toward, frame: bytes, later: float = 0.0) -> None:
        due = time.monotonic() + self._delay_s + later
        heapq.heappush(self._underway, Underway(due, next(self._numbers), toward, frame))


def _open(end: str) -> socket.socket:
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    raw.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    raw.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    raw.bind((end, ALL_PROTOCOLS))
    return raw
