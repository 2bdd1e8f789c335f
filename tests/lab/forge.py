"""A device on the router that speaks in other hosts' names: it watches a connection, and forges resets and FINs.

What it forges it says in the journal, with all that could betray it: the TTL, the IP ID, the timestamps, the sequence
number. It sends straight onto the cable, past the router's own stack.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from .journal import Journal
from .network import Host, LabError
from .packets import ACK, FIN, PSH, RST, Segment, build, parse
from .wire import ALL_PROTOCOLS, Toward

Clock = Literal["none", "fresh", "stale"]
Aim = Literal["exact", "inside the window", "outside the window"]
PACKET_OUTGOING = 4
STALE_MS = 60_000
OUTSIDE = 1 << 30
WINDOW_STEP = 100


class Forger:
    """It knows the last segment of each host, as it left the router; `resets` and `ends` are made after that pattern."""

    def __init__(self, router: Host, journal: Journal) -> None:
        self._journal = journal
        self._last: dict[Toward, tuple[Segment, float]] = {}
        self._stopped = threading.Event()
        with router.inside():
            self._sockets: dict[Toward, socket.socket] = {"client": _open("near"), "server": _open("far")}
        self._threads = [
            threading.Thread(target=self._watch, args=(toward,), name=f"forger {toward}", daemon=True)
            for toward in self._sockets
        ]

    def __enter__(self) -> "Forger":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(timeout=2)
        for watched in self._sockets.values():
            watched.close()

    def resets(
        self,
        toward: Toward,
        *,
        ttl: int | None = None,
        ip_id: int | None = None,
        clock: Clock = "none",
        aim: Aim = "exact",
        flags: int = RST | ACK,
        window: int | None = None,
    ) -> Segment:
        """A reset to that host in the other's name. Without `ttl` it bears the TTL of the host it pretends to be."""
        return self._forge("reset", toward, flags, ttl, ip_id, clock, aim, window)

    def ends(
        self,
        toward: Toward,
        *,
        ttl: int | None = None,
        ip_id: int | None = None,
        clock: Clock = "fresh",
        aim: Aim = "exact",
    ) -> Segment:
        """A FIN to that host in the other's name."""
        return self._forge("fin", toward, FIN | ACK, ttl, ip_id, clock, aim, None)

    def says(self, toward: Toward, octets: bytes, *, ttl: int | None = None, clock: Clock = "fresh") -> Segment:
        """Octets to that host in the other's name: what a device answers instead of the server."""
        return self._forge("octets", toward, PSH | ACK, ttl, None, clock, "exact", None, octets)

    def _forge(
        self,
        what: str,
        toward: Toward,
        flags: int,
        ttl: int | None,
        ip_id: int | None,
        clock: Clock,
        aim: Aim,
        window: int | None,
        octets: bytes = b"",
    ) -> Segment:
        if toward not in self._last:
            raise LabError(f"the forger saw nothing on its way to the {toward}, so it has no pattern")
        pattern, seen = self._last[toward]
        forged = replace(
            pattern,
            seq=pattern.next_seq + {"exact": 0, "inside the window": WINDOW_STEP, "outside the window": OUTSIDE}[aim],
            ack=self._acknowledged_by(toward, pattern),
            flags=flags,
            window=pattern.window if window is None else window,
            ttl=pattern.ttl if ttl is None else ttl,
            ip_id=pattern.ip_id + 1 if ip_id is None else ip_id,
            timestamps=_clock(pattern, clock, time.monotonic() - seen),
            payload=octets,
        )
        self._sockets[toward].send(build(forged))
        if octets:
            self._last[toward] = (
                replace(forged, ttl=pattern.ttl),
                time.monotonic(),
            )  # what it says next comes behind them
        details = {"toward": toward, "ttl": forged.ttl, "copied_ttl": ttl is None, "ip_id": forged.ip_id}
        self._journal.write("forger", f"forges {what}", **details, clock=clock, aim=aim, flags=flags)
        return forged

    def _acknowledged_by(self, toward: Toward, pattern: Segment) -> int:
        """All that the receiver has said so far."""
        other: Toward = "server" if toward == "client" else "client"
        return self._last[other][0].next_seq if other in self._last else pattern.ack

    def _watch(self, toward: Toward) -> None:
        """Segments that leave the router in one direction. A repeated one does not set the pattern back."""
        while not self._stopped.is_set():
            with contextlib.suppress(TimeoutError):
                for segment in self._passing(toward):
                    before = self._last.get(toward)
                    if (
                        before is None
                        or segment.flags & 2
                        or (segment.next_seq - before[0].next_seq) % (1 << 32) < 1 << 31
                    ):
                        self._last[toward] = segment, time.monotonic()

    def _passing(self, toward: Toward) -> Iterator[Segment]:
        frame, address = self._sockets[toward].recvfrom(1 << 16)
        segment = parse(frame) if address[2] == PACKET_OUTGOING else None
        if segment and not segment.flags & RST:
            yield segment


def _clock(pattern: Segment, clock: Clock, passed_s: float) -> tuple[int, int] | None:
    """Linux counts milliseconds in its timestamps (RFC 7323); a forger can go on counting, or not."""
    if clock == "none" or pattern.timestamps is None:
        return None
    value, echo = pattern.timestamps
    moved = int(passed_s * 1000) if clock == "fresh" else -STALE_MS
    return (value + moved) % (1 << 32), echo


def _open(device: str) -> socket.socket:
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
    raw.bind((device, ALL_PROTOCOLS))
    raw.settimeout(0.2)
    return raw
