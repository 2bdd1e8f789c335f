"""TCP as an observer beside the server sees it: frames with sequence numbers, options and checksums in order."""

from __future__ import annotations

import random
import struct

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
CLIENT, SERVER = 0, 1
WINDOW_SEGMENTS = 10


def checksum(octets: bytes) -> int:
    """RFC 1071: 2^16 is 1 modulo 65535, so the ones' complement sum is a remainder of the octets read as one number."""
    if len(octets) % 2:
        octets += b"\0"
    return -int.from_bytes(octets, "big") % 65535


class Connection:
    """One TCP connection as an observer beside the server sees it; `now` is the clock, `packets` what was seen."""

    def __init__(self, rng: random.Random, start_us: int, number: int) -> None:
        self.rng = rng
        self.now = start_us
        self.start = start_us
        self.packets: list[tuple[int, bytes]] = []
        self.rtt = round(rng.lognormvariate(10.3, 0.7))  # median 30 ms
        self.v6 = rng.random() < 0.1
        self.mss = 1428 if self.v6 else 1448
        host = 1 + number % 60_000
        if self.v6:
            prefix = bytes.fromhex("20010db8000000000000000000")
            self.addresses = (prefix + b"\x01" + struct.pack("!H", host), prefix + bytes((0xFF, 0, 1 + number % 4)))
        else:
            self.addresses = (bytes((198, 18, host >> 8, host & 255)), bytes((198, 51, 100, 1 + number % 4)))
        self.ports = (1024 + (number * 7919) % 64_000, 25)
        self.ttl = (rng.choice((45, 50, 52, 57, 113)), 64)
        self.ip_id = [rng.randrange(65536), rng.randrange(65536)]
        self.sent = [rng.getrandbits(32), rng.getrandbits(32)]
        self.received = [0, 0]
        self.clock = [rng.getrandbits(31), rng.getrandbits(31)]
        self.heard = [0, 0]
        macs = (b"\x02\0\0\0\0\x01", b"\x02\0\0\0\0\x02")
        kind = b"\x86\xdd" if self.v6 else b"\x08\x00"
        self.ethernet = (macs[1] + macs[0] + kind, macs[0] + macs[1] + kind)

    # --- segments

    def emit(
        self,
        side: int,
        flags: int,
        payload: bytes = b"",
        *,
        seq: int | None = None,
        options: bytes | None = None,
        sack: bytes = b"",
    ) -> None:
        """Writes one segment at `now`; does not move the sequence numbers."""
        tsval = (self.clock[side] + (self.now - self.start) // 1000) & 0xFFFFFFFF
        if options is None:
            options = struct.pack("!BBBBII", 1, 1, 8, 10, tsval, self.heard[side]) + sack
        self.heard[1 - side] = tsval
        number = self.sent[side] if seq is None else seq
        ack = self.received[side] if flags & ACK else 0
        length = 20 + len(options) + len(payload)
        header = struct.pack(
            "!HHIIBBHHH",
            *self.ports[:: -1 if side else 1],
            number & 0xFFFFFFFF,
            ack & 0xFFFFFFFF,
            (20 + len(options)) << 2,
            flags,
            501,
            0,
            0,
        )
        src, dst = self.addresses[side], self.addresses[1 - side]
        total = checksum(src + dst + struct.pack("!HH", 6, length) + header + options + payload)
        segment = header[:16] + struct.pack("!H", total) + header[18:] + options + payload
        self.packets.append((self.now, self.ethernet[side] + self._ip(side, length, src + dst) + segment))

    def _ip(self, side: int, length: int, addresses: bytes) -> bytes:
        if self.v6:
            return struct.pack("!IHBB", 6 << 28, length, 6, self.ttl[side]) + addresses
        self.ip_id[side] = (self.ip_id[side] + 1) & 0xFFFF
        header = (
            struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, self.ip_id[side], 0x4000, self.ttl[side], 6, 0) + addresses
        )
        return header[:10] + struct.pack("!H", checksum(header)) + header[12:]

    def send(self, side: int, payload: bytes, flags: int = ACK | PSH) -> None:
        """One segment in order, and received."""
        self.emit(side, flags, payload)
        self.sent[side] += len(payload) + bool(flags & (SYN | FIN))
        self.received[1 - side] = self.sent[side]

    def ack(self, side: int) -> None:
        self.wait(40)
        self.emit(side, ACK)

    def wait(self, us: int) -> None:
        self.now += us

    def open(self) -> None:
        for side, flags in ((CLIENT, SYN), (SERVER, SYN | ACK)):
            tsval = self.clock[side]
            mss = self.mss + 12
            options = struct.pack("!BBHBBBBIIBBBB", 2, 4, mss, 4, 2, 8, 10, tsval, self.heard[side], 1, 3, 3, 7)
            self.emit(side, flags, options=options)
            self.heard[1 - side] = tsval
            self.sent[side] += 1
            self.received[1 - side] = self.sent[side]
            self.wait(60)
        self.wait(self.rtt)
        self.emit(CLIENT, ACK)

    def close(self, first: int) -> None:
        self.send(first, b"", ACK | FIN)
        self.wait(self.rtt if first == SERVER else 60)
        self.send(1 - first, b"", ACK | FIN)
        self.wait(self.rtt if first == CLIENT else 60)
        self.emit(first, ACK)

    def stream(self, side: int, octets: bytes) -> None:
        """Many segments, in windows, with an acknowledgement for every second one and perhaps a loss or a disorder."""
        starts = list(range(0, len(octets), self.mss))
        lost = self.rng.randrange(len(starts)) if self.rng.random() < 0.12 else -1
        late = self.rng.randrange(len(starts)) if self.rng.random() < 0.10 else -1
        index = unacknowledged = 0
        while index < len(starts):
            piece = octets[starts[index] : starts[index] + self.mss]
            flags = ACK | PSH if index == len(starts) - 1 else ACK
            if index == late and index + 1 < len(starts):
                self._swapped(side, piece, octets[starts[index + 1] : starts[index + 1] + self.mss])
                index += 2
                continue
            if index == lost:  # seen here, lost behind us: the same octets once more
                self.emit(side, flags, piece)
                self.wait(200_000 + self.rtt)
            self.send(side, piece, flags)
            index += 1
            unacknowledged += 1
            self.wait(12)
            if unacknowledged == 2:
                self.ack(1 - side)
                unacknowledged = 0
            if index % WINDOW_SEGMENTS == 0:
                self.wait(self.rtt)

    def _swapped(self, side: int, first: bytes, second: bytes) -> None:
        base = self.sent[side]
        left, right = base + len(first), base + len(first) + len(second)
        self.emit(side, ACK, second, seq=left)
        self.wait(40)
        self.emit(1 - side, ACK, sack=struct.pack("!BBBBII", 1, 1, 5, 10, left & 0xFFFFFFFF, right & 0xFFFFFFFF))
        self.wait(100)
        self.emit(side, ACK, first)
        self.sent[side] = right
        self.received[1 - side] = right
        self.ack(1 - side)
