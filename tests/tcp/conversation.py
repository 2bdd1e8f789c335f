"""Conversations written as text, made into `PacketTable`s: what the tests of the TCP room read like.

    C SYN                       S SYN (acknowledges by itself)       C ACK
    S data 220 mail.example     CR LF is added                       C octets 3000
    C FIN       S RST           S data+FIN 221 Bye
    +1.5 C ACK                  1.5 s after the line before (0.01 s otherwise)
    C data QUIT | ttl=63 id=7 win=0 seq=+100 ack=-5 ts=12 iface=1 lost
    again [0.001] [| ttl=62]    the frame before, captured once more
    resend 2 [| id=99]          line 2 (from 1) sent again

`seq=` and `ack=` shift by that much; `seq==` and `ack==` set the header's value; `lost` is sent and not captured; `noack` clears
the ACK flag. Every side has its own IP ID counter and a timestamp clock of 1,000 Hz, unless `Talk` is told otherwise.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field, replace

import numpy as np

from pcapdiag.capture.table import ACK, FIN, MAPPED, PSH, RST, SYN, IcmpError, PacketTable

CLIENT, SERVER = "192.0.2.10", "198.51.100.25"
START_NS = 1_000_000_000_000_000_000
_MASK = 0xFFFFFFFF


@dataclass(frozen=True)
class Frame:
    """One captured segment."""

    time_ns: int
    src: str
    dst: str
    srcport: int
    dstport: int
    seq: int
    ack: int
    flags: int
    payload: bytes = b""
    options: bytes = b""
    window: int = 500
    ttl: int = 64
    ip_id: int = 1
    tsval: int = -1
    tsecr: int = -1
    interface: int = 0
    snap: int = 1 << 20
    number: int = 0
    line: int = 0


@dataclass
class End:
    """What one side will send next."""

    address: str
    port: int
    isn: int
    ttl: int
    ip_id: int
    clock: int
    seq: int = 0
    syn: bool = False
    tsrecent: int = 0

    def __post_init__(self) -> None:
        self.seq = self.isn


@dataclass
class Talk:
    """Turns lines into frames."""

    client_port: int = 40000
    server_port: int = 25
    client_isn: int = 1000
    server_isn: int = 5_000_000
    timestamps: bool = True
    ids: bool = True
    client: str = CLIENT
    server: str = SERVER
    start_ns: int = START_NS
    mss: int = 1460
    scale: int = 7
    snap: int = 1 << 20
    frames: list[Frame] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.now = self.start_ns
        self.ends = {
            "C": End(self.client, self.client_port, self.client_isn, 64, 100, 7_000_000),
            "S": End(self.server, self.server_port, self.server_isn, 57, 30_000, 900_000),
        }

    def say(self, text: str) -> Talk:
        """Add lines."""
        for number, line in enumerate(text.strip().splitlines(), 1):
            if line.strip() and not line.strip().startswith("#"):
                self._line(line.strip(), number)
        return self

    def _line(self, line: str, number: int) -> None:
        said, _, extra = line.partition(" | ")
        changes = extra.split()
        words = said.split(" ")
        step = 0.01
        if words[0].startswith("+"):
            step = float(words.pop(0))
        if words[0] == "again":
            later = float(words[1]) if len(words) > 1 else 0.0005
            last = self.frames[-1]
            self._capture(replace(last, time_ns=last.time_ns + round(later * 1e9)), changes)
            return
        self.now += round(step * 1e9)
        if words[0] == "resend":
            old = next(frame for frame in self.frames if frame.line == int(words[1]))
            self._capture(replace(old, time_ns=self.now, ip_id=old.ip_id + 50 if self.ids else 0, line=number), changes)
            return
        self._sent(words[0], words[1], " ".join(words[2:]), changes, number)

    def _sent(self, who: str, what: str, rest: str, changes: list[str], number: int) -> None:
        me, peer = self.ends[who], self.ends["S" if who == "C" else "C"]
        payload, flags, options = b"", ACK, b""
        if "data" in what:
            payload, flags = rest.encode() + b"\r\n", ACK | PSH
        elif "octets" in what:
            count = int(rest)
            payload = bytes((me.seq + at) % 251 for at in range(count))
        if "SYN" in what:
            flags = SYN | (ACK if peer.syn else 0)
            options = bytes([2, 4]) + self.mss.to_bytes(2, "big") + bytes([1, 3, 3, self.scale, 4, 2])
            me.syn = True
        if "FIN" in what:
            flags |= FIN
        if "RST" in what:
            flags = RST if "noack" in changes else RST | ACK
        if "noack" in changes:
            flags &= ~ACK
        tsval = me.clock + (self.now - self.start_ns) // 1_000_000 if self.timestamps else -1
        frame = Frame(
            self.now, me.address, peer.address, me.port, peer.port, me.seq, peer.seq if flags & ACK else 0, flags,
            payload, options, 64_000 if flags & SYN else 500, me.ttl, me.ip_id if self.ids else 0,
            tsval, (peer.clock if flags & ACK else 0) if self.timestamps else -1, snap=self.snap, line=number,
        )  # fmt: skip
        if self.ids:
            me.ip_id += 1
        aside = any(change.startswith(("seq=", "aside")) for change in changes)
        if not aside:
            me.seq = (me.seq + len(payload) + bool(flags & SYN) + bool(flags & FIN)) & _MASK
        if "lost" not in changes:
            self._capture(frame, changes)

    def _capture(self, frame: Frame, changes: list[str]) -> None:
        names = {"ttl": "ttl", "id": "ip_id", "win": "window", "ts": "tsval", "iface": "interface", "snap": "snap"}
        for change in changes:
            name, _, value = change.partition("=")
            if name in ("seq", "ack"):
                shifted = int(value[1:]) if value.startswith("=") else getattr(frame, name) + int(value)
                frame = replace(frame, **{name: shifted & _MASK})
            elif name in names:
                frame = replace(frame, **{names[name]: int(value)})
            elif name == "text":
                frame = replace(frame, payload=value.encode().ljust(len(frame.payload), b"_"))
        self.frames.append(replace(frame, number=len(self.frames) + 1))


def talk(text: str, **settings: object) -> list[Frame]:
    """The frames of one conversation."""
    return Talk(**settings).say(text).frames  # type: ignore[arg-type]


def table(frames: list[Frame], until_ns: int | None = None, icmp: tuple[IcmpError, ...] = ()) -> PacketTable:
    """One batch of the frames, in the given order."""
    octets, places = bytearray(), []
    for frame in frames:
        options = frame.options
        if frame.tsval >= 0:
            options += bytes([1, 1, 8, 10]) + (frame.tsval & _MASK).to_bytes(4, "big") + bytes(4)
        options += bytes([1]) * (-len(options) % 4)
        ip_at = len(octets) + 14
        tcp_at = ip_at + 20
        octets += bytes(14 + 20 + 20) + options + frame.payload[: frame.snap]
        places.append((ip_at, tcp_at, tcp_at + 20 + len(options)))

    def column(values: list[int], kind: str) -> np.ndarray:  # type: ignore[type-arg]
        return np.array(values, dtype=kind)

    def address(texts: list[str]) -> np.ndarray:  # type: ignore[type-arg]
        numbers = [ipaddress.ip_address(text) for text in texts]
        pairs = [
            (0, MAPPED | int(number)) if number.version == 4 else (int(number) >> 64, int(number) & (1 << 64) - 1)
            for number in numbers
        ]
        return np.array(pairs, dtype=np.uint64).reshape(-1, 2)

    return PacketTable(
        octets=bytes(octets),
        until_ns=max((frame.time_ns for frame in frames), default=0) if until_ns is None else until_ns,
        capture=column([0] * len(frames), "u2"),
        frame_number=column([frame.number for frame in frames], "i8"),
        time_ns=column([frame.time_ns for frame in frames], "i8"),
        interface=column([frame.interface for frame in frames], "u2"),
        outgoing=column([-1] * len(frames), "i1"),
        frame_len=column([54 + len(frame.payload) for frame in frames], "i4"),
        src=address([frame.src for frame in frames]),
        dst=address([frame.dst for frame in frames]),
        ttl=column([frame.ttl for frame in frames], "u1"),
        ip_id=column([-1 if ":" in frame.src else frame.ip_id & 0xFFFF for frame in frames], "i4"),
        dont_fragment=column([1] * len(frames), "?"),
        srcport=column([frame.srcport for frame in frames], "u2"),
        dstport=column([frame.dstport for frame in frames], "u2"),
        seq=column([frame.seq for frame in frames], "u4"),
        ack=column([frame.ack for frame in frames], "u4"),
        flags=column([frame.flags for frame in frames], "u1"),
        window=column([frame.window for frame in frames], "u2"),
        seg_len=column([len(frame.payload) for frame in frames], "i4"),
        payload_at=column([place[2] for place in places], "i8"),
        payload_len=column([min(len(frame.payload), frame.snap) for frame in frames], "i4"),
        ip_at=column([place[0] for place in places], "i8"),
        tcp_at=column([place[1] for place in places], "i8"),
        tsval=column([frame.tsval for frame in frames], "i8"),
        tsecr=column([frame.tsecr for frame in frames], "i8"),
        icmp=icmp,
    )
