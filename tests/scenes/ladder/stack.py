"""One end of a conversation, and the headers that its operating system would write.

`tcp` decides what is sent and when; here a segment in stream offsets becomes an IP packet with the options, window and
identification that Linux, a modern Windows or NT 4 put there, and with whatever the ladder says is unusual.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

from . import wire
from .language import FLAGS, Conversation, Host, Step

FIN, SYN, RST, PSH, ACK = (FLAGS[name] for name in ("FIN", "SYN", "RST", "PSH", "ACK"))


@dataclass(frozen=True)
class Segment:
    """What travels, in stream offsets: SYN stands at -1, the first octet at 0."""

    from_client: bool
    offset: int
    ack: int
    flags: int
    payload: bytes
    stale: bool = False

    @property
    def end(self) -> int:
        return self.offset + len(self.payload) + bool(self.flags & SYN) + bool(self.flags & FIN)


@dataclass
class Stack:
    """One end of one conversation."""

    host: Host
    port: int
    isn: int
    clock_ms: int
    ip_id: int
    next: int = -1
    heard_ack: int = -1
    """The highest offset that the other end is known to have acknowledged."""
    expected: int = -1
    ahead: list[tuple[int, int]] = field(default_factory=list)
    """Ranges received beyond a hole, newest first (RFC 2018 section 4)."""
    history: list[Segment] = field(default_factory=list)
    unacknowledged: int = 0
    recent_ms: int = 0
    """TSval of the other end that is echoed."""
    window: int | None = None
    synchronized: bool = False
    gone: bool = False
    """No socket any more: what comes draws a bare reset."""
    closed: bool = False
    """FIN sent by close(): new data cannot be read by anybody."""
    fin_received: bool = False
    passive: bool = False
    refused_us: int | None = None
    """When it last refused an acknowledgement of what it had not sent."""

    @classmethod
    def of(cls, conversation: Conversation, client: bool) -> Stack:
        """A fresh one, its numbers drawn from its address and port: random to look at, the same every time."""
        host = conversation.client if client else conversation.server
        port = conversation.client_port if client else conversation.server_port
        seed = (host.address, port, conversation.number)
        return cls(host, port, _draw("isn", *seed), _draw("clock", *seed) // 2, _draw("id", *seed) & 0x7FFF)

    def raw(self, offset: int) -> int:
        """The sequence number of a place in this side's stream."""
        return (self.isn + 1 + offset) % 2**32


def _draw(*parts: object) -> int:
    return zlib.crc32("|".join(map(str, parts)).encode())


# --- What both ends agreed on in their SYNs --------------------------------------------------------------------------


def _ends(conversation: Conversation) -> tuple[Host, Host]:
    return conversation.client, conversation.server


def _mss(host: Host) -> int:
    return host.mss or (1440 if ":" in host.address else 1460)


def _timestamps(conversation: Conversation) -> bool:
    return all(host.stack == "linux" and host.timestamps for host in _ends(conversation))


def _scaled(conversation: Conversation) -> bool:
    return all(host.stack != "nt4" for host in _ends(conversation))


def _sack(conversation: Conversation) -> bool:
    return all(host.stack != "nt4" and host.sack for host in _ends(conversation))


def segment_size(conversation: Conversation) -> int:
    """Octets of a full segment (RFC 9293 section 3.7.1: options count against the MSS)."""
    return min(map(_mss, _ends(conversation))) - (12 if _timestamps(conversation) else 0)


# --- Headers ---------------------------------------------------------------------------------------------------------


class Packer:
    """Segments -> IP packets. Keeps the counters of hosts that count IP identifications for all sockets together."""

    def __init__(self) -> None:
        self._host_ids: dict[str, int] = {}

    def pack(self, step: Step, stack: Stack, other: Stack, segment: Segment, tsval: int) -> bytes:
        """The packet of a segment from `stack` (or in its name) to `other`."""
        answers_syn = bool(segment.flags & RST and segment.flags & ACK and not stack.synchronized)
        bare = answers_syn or segment.flags & (RST | ACK) == RST
        octets = wire.tcp_segment(
            (stack.host.address, stack.port),
            (other.host.address, other.port),
            seq=0 if answers_syn else stack.raw(segment.offset),
            ack=other.raw(segment.ack) if segment.flags & ACK else 0,
            flags=segment.flags,
            window=_window(step, stack, segment, bare),
            options=b"" if bare else _options(step, stack, other, segment, tsval),
            payload=segment.payload,
        )
        ttl = int(step.odd.get("ttl", stack.host.ttl))
        ip_id = self._identification(step, stack, segment, bare)
        return wire.packet(stack.host.address, other.host.address, 6, octets, ttl=ttl, ip_id=ip_id)

    def _identification(self, step: Step, stack: Stack, segment: Segment, bare: bool) -> int:
        """Linux counts per socket, and answers without one with 0; Windows counts per host."""
        if "id" in step.odd:
            return int(step.odd["id"])
        if "forged" in step.odd:
            return 0
        if stack.host.stack != "linux":
            count = self._host_ids.get(stack.host.address, _draw("id", stack.host.address) & 0x7FFF)
            self._host_ids[stack.host.address] = (count + 1) & 0xFFFF
            return count
        if bare or segment.flags & (SYN | ACK) == SYN | ACK:
            return 0
        stack.ip_id = (stack.ip_id + 1) & 0xFFFF
        return stack.ip_id


def _window(step: Step, stack: Stack, segment: Segment, bare: bool) -> int:
    if "window" in step.odd:
        return int(step.odd["window"])
    if bare:
        return 0
    if stack.window is not None:
        return stack.window
    if segment.flags & SYN or not _scaled(step.conversation):  # RFC 7323 section 2.2: never scaled in a SYN
        return {"linux": 64240, "windows": 64240, "nt4": 8760}[stack.host.stack]
    return {"linux": 502, "windows": 1026}[stack.host.stack]


def _options(step: Step, stack: Stack, other: Stack, segment: Segment, tsval: int) -> bytes:
    """In the order in which Linux writes them."""
    conversation, forged, syn = step.conversation, "forged" in step.odd, bool(segment.flags & SYN)
    stamps = _timestamps(conversation) and step.odd.get("timestamps", "none" if forged else "") != "none"
    out = b""
    if syn:
        out += b"\x02\x04" + int(step.odd.get("mss", _mss(stack.host))).to_bytes(2, "big")
        if _sack(conversation):
            out += b"\x04\x02" if stamps else b"\x01\x01\x04\x02"
    if stamps:
        echo = 0 if segment.flags & (SYN | ACK) == SYN else stack.recent_ms
        out += b"\x08\x0a" if syn else b"\x01\x01\x08\x0a"
        out += tsval.to_bytes(4, "big") + echo.to_bytes(4, "big")
    if syn and _scaled(conversation):
        out += b"\x01\x03\x03" + (b"\x07" if stack.host.stack == "linux" else b"\x08")
    if stack.ahead and _sack(conversation) and not forged:
        blocks = stack.ahead[:3]  # what fits beside timestamps (RFC 2018 section 3)
        out += b"\x01\x01\x05" + bytes([2 + 8 * len(blocks)])
        out += b"".join(other.raw(edge).to_bytes(4, "big") for span in blocks for edge in span)
    return out
