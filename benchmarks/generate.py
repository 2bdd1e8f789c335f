"""Writes the benchmark's trace: N packets of pure SMTP, the same octets every time for the same N and seed.

    python -m benchmarks.generate /tmp/smtp.pcap --packets 500000

What the trace holds (a pcap file, Ethernet, microseconds, nothing but TCP port 25, every checksum right):

* Sessions of about 100 packets, a hundred new ones a second, so that several hundred are open at once and their packets
  are interleaved. IPv4, one in ten IPv6. Every connection has a real handshake (MSS, SACK permitted, timestamps, window
  scale), timestamps on every segment, its own round-trip time, and its own TTL on either side.
* A greeting, EHLO with an eight-line reply, MAIL, one or more RCPT (one session in four has several), DATA, a body, the dot,
  QUIT. Six in ten use PIPELINING. One in six delivers several messages. Bodies are lognormal with a median of 40 KB
  (``--median-body`` says another), sent in windows of ten segments, with an acknowledgement for every second one.
* One session in twelve says STARTTLS and goes on in TLS records: a ClientHello with SNI, a ServerHello of TLS 1.3, then
  application data of random octets.
* About one in ten goes wrong: a recipient refused with 550, a 421 after MAIL, the server's RST in the middle of a body, a client that
  falls silent and gets 421 after five minutes, a server whose reply to the dot never comes while the client's retransmissions
  stay unanswered, a close without QUIT.
* One body in eight has a segment that is lost beyond the capture and sent again, one in ten a pair out of order, each with
  duplicate acknowledgements (SACK).

The trace ends at exactly N packets, so the sessions open at that moment stay open. Only the standard library is needed,
and only the packets of open sessions are held in memory.
"""

from __future__ import annotations

import argparse
import heapq
import random
import struct
from collections.abc import Iterator
from pathlib import Path

from benchmarks.tcp import ACK, CLIENT, PSH, RST, SERVER, Connection

EPOCH_US = 1_700_000_000_000_000
SESSIONS_PER_SECOND = 100
MEDIAN_BODY = 40_000
SECOND = 1_000_000

Packet = tuple[int, int, bytes]
"""Time in microseconds, serial (keeps the order of equal times), frame."""


def text_pool(rng: random.Random) -> bytes:
    """1 MiB of lines as base64 mail parts have them, here and there one that is dot-stuffed."""
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    lines = []
    for number in range((1 << 20) // 78):
        line = bytes(rng.choices(alphabet, k=76))
        lines.append((b".." + line[2:] if number % 50 == 49 else line) + b"\r\n")
    return b"".join(lines)


class Pool:
    """What all sessions draw from, made once."""

    def __init__(self, rng: random.Random, median_body: int) -> None:
        self.text = text_pool(rng)
        self.noise = rng.randbytes(1 << 20)
        self.median_body = median_body

    def body(self, rng: random.Random, octets: int) -> bytes:
        """Whole lines of at least that many octets, without the terminator."""
        return self._cut(self.text, rng, octets // 78 + 1, 78)

    def records(self, rng: random.Random, octets: int) -> bytes:
        """TLS application data records of random octets."""
        whole, rest = divmod(octets, 16_000)
        sizes = [16_000] * whole + ([rest] if rest else [])
        return b"".join(
            b"\x17\x03\x03" + struct.pack("!H", size) + self._cut(self.noise, rng, size, 1) for size in sizes
        )

    @staticmethod
    def _cut(pool: bytes, rng: random.Random, count: int, unit: int) -> bytes:
        need = count * unit
        start = rng.randrange(len(pool) // unit) * unit
        taken = pool[start : start + need]
        while len(taken) < need:
            taken += pool[: need - len(taken)]
        return taken


class Conversation:
    """SMTP over a `Connection`: what RFC 5321 says, or one of the ways in which it goes wrong."""

    def __init__(self, rng: random.Random, pool: Pool, number: int, start_us: int) -> None:
        self.rng = rng
        self.pool = pool
        self.number = number
        self.tcp = Connection(rng, start_us, number)
        self.pipelining = rng.random() < 0.6
        self.server = f"mx{1 + number % 4}.example.net"

    def packets(self) -> list[tuple[int, bytes]]:
        tcp, chance = self.tcp, self.rng.random()
        tcp.open()
        tcp.wait(self.rng.randrange(500, 20_000))
        self.reply(f"220 {self.server} ESMTP Postfix")
        self.ask(f"EHLO mail{self.number % 60_000}.example.com", self.extensions())
        if chance < 0.085:
            self.secured()
        elif chance < 0.095:
            self.ask("MAIL FROM:<sender@example.com> SIZE=41000", "421 4.3.2 Service shutting down")
            tcp.close(SERVER)
        elif chance < 0.11:
            self.silent_client()
        elif chance < 0.13:
            self.envelope(1)
            self.ask("DATA", "354 End data with <CR><LF>.<CR><LF>")
            self.reset_in_body()
        elif chance < 0.14:
            self.message(answered=False)
        elif chance < 0.16:
            self.ask("MAIL FROM:<sender@example.com>", "250 2.1.0 Ok")
            self.ask(
                "RCPT TO:<nobody@example.net>",
                "550 5.1.1 <nobody@example.net>: Recipient address rejected: User unknown",
            )
            self.goodbye()
        else:
            self.messages(without_quit=chance < 0.18)
        return sorted(tcp.packets, key=lambda packet: packet[0])

    def extensions(self) -> str:
        words = [
            "SIZE 52428800",
            "VRFY",
            "ETRN",
            "STARTTLS",
            "ENHANCEDSTATUSCODES",
            "8BITMIME",
            "PIPELINING" if self.pipelining else "HELP",
        ]
        lines = [self.server, *words]
        return "\r\n".join(f"250{'-' if number < len(lines) - 1 else ' '}{line}" for number, line in enumerate(lines))

    def reply(self, text: str) -> None:
        self.tcp.send(SERVER, text.encode() + b"\r\n")
        self.tcp.wait(self.tcp.rtt)

    def ask(self, command: str, reply: str) -> None:
        self.tcp.send(CLIENT, command.encode() + b"\r\n")
        self.tcp.wait(self.rng.randrange(200, 5_000))
        self.reply(reply)

    def envelope(self, recipients: int) -> None:
        commands = [("MAIL FROM:<sender@example.com> SIZE=41000", "250 2.1.0 Ok")]
        commands += [(f"RCPT TO:<user{number}@example.net>", "250 2.1.5 Ok") for number in range(recipients)]
        if self.pipelining:
            self.ask("\r\n".join(command for command, _ in commands), "\r\n".join(reply for _, reply in commands))
        else:
            for command, reply in commands:
                self.ask(command, reply)

    def content(self) -> bytes:
        size = min(2_000_000, round(self.rng.lognormvariate(0, 0.8) * self.pool.median_body))
        head = f"From: sender@example.com\r\nTo: user@example.net\r\nSubject: message {self.number}\r\n\r\n"
        return head.encode() + self.pool.body(self.rng, size)

    def message(self, answered: bool = True) -> None:
        tcp = self.tcp
        self.envelope(1 if self.rng.random() < 0.75 else self.rng.randrange(2, 12))
        self.ask("DATA", "354 End data with <CR><LF>.<CR><LF>")
        tcp.stream(CLIENT, self.content() + (b".\r\n" if answered else b""))
        if answered:
            tcp.wait(self.rng.randrange(5_000, 300_000))
            self.reply(f"250 2.0.0 Ok: queued as {self.rng.getrandbits(40):010X}")
            return
        for retry in range(7):  # RFC 6298 section 5.5: the timer doubles
            tcp.emit(CLIENT, ACK | PSH, b".\r\n")
            tcp.wait(SECOND << retry)

    def messages(self, without_quit: bool) -> None:
        for _ in range(1 if self.rng.random() < 0.83 else self.rng.randrange(2, 5)):
            self.message()
        if without_quit:
            self.tcp.emit(CLIENT, ACK)
            self.tcp.close(CLIENT)
        else:
            self.goodbye()

    def goodbye(self) -> None:
        self.tcp.send(CLIENT, b"QUIT\r\n")
        self.tcp.wait(300)
        self.tcp.send(SERVER, b"221 2.0.0 Bye\r\n")
        self.tcp.wait(30)
        self.tcp.close(SERVER)

    def silent_client(self) -> None:
        self.tcp.ack(CLIENT)
        self.tcp.wait(300 * SECOND)
        self.reply(f"421 4.4.2 {self.server} Error: timeout exceeded")
        self.tcp.close(SERVER)

    def reset_in_body(self) -> None:
        """The server's program dies with unread input (RFC 2525 section 2.17): RST with ACK, in sequence."""
        self.tcp.stream(CLIENT, self.content()[: self.tcp.mss * self.rng.randrange(1, 20)])
        self.tcp.wait(50)
        self.tcp.emit(SERVER, RST | ACK)

    def secured(self) -> None:
        tcp, rng = self.tcp, self.rng
        self.ask("STARTTLS", "220 2.0.0 Ready to start TLS")
        tcp.send(CLIENT, client_hello(rng, self.server))
        tcp.wait(800)
        tcp.stream(SERVER, server_hello(rng) + b"\x14\x03\x03\0\x01\x01" + self.pool.records(rng, 3_200))
        tcp.wait(tcp.rtt)
        tcp.send(CLIENT, b"\x14\x03\x03\0\x01\x01" + self.pool.records(rng, 69))
        for octets, answer in ((50, 210), (60, 31), (60, 31), (23, 54)):
            tcp.wait(tcp.rtt)
            tcp.send(CLIENT, self.pool.records(rng, octets))
            tcp.wait(900)
            tcp.send(SERVER, self.pool.records(rng, answer))
        tcp.stream(CLIENT, self.pool.records(rng, len(self.content())))
        for side, octets in ((SERVER, 58), (CLIENT, 23), (SERVER, 32)):
            tcp.wait(tcp.rtt)
            tcp.send(side, self.pool.records(rng, octets))
        tcp.close(SERVER)


def handshake_record(kind: int, body: bytes) -> bytes:
    message = bytes((kind,)) + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + struct.pack("!H", len(message)) + message


def extension(kind: int, body: bytes) -> bytes:
    return struct.pack("!HH", kind, len(body)) + body


def client_hello(rng: random.Random, name: str) -> bytes:
    """RFC 8446 section 4.1.2, with server_name and supported_versions."""
    host = name.encode()
    extensions = extension(0, struct.pack("!HBH", len(host) + 3, 0, len(host)) + host)
    extensions += extension(43, b"\x04\x03\x04\x03\x03") + extension(51, b"\0\x24\0\x1d\0\x20" + rng.randbytes(32))
    body = b"\x03\x03" + rng.randbytes(32) + b"\x20" + rng.randbytes(32) + b"\0\x04\x13\x01\x13\x02" + b"\x01\0"
    return handshake_record(1, body + struct.pack("!H", len(extensions)) + extensions)


def server_hello(rng: random.Random) -> bytes:
    """RFC 8446 section 4.1.3, TLS 1.3 chosen."""
    extensions = extension(43, b"\x03\x04") + extension(51, b"\0\x1d\0\x20" + rng.randbytes(32))
    body = b"\x03\x03" + rng.randbytes(32) + b"\x20" + rng.randbytes(32) + b"\x13\x01\0"
    return handshake_record(2, body + struct.pack("!H", len(extensions)) + extensions)


def trace(packets: int, seed: int, median_body: int = MEDIAN_BODY) -> Iterator[Packet]:
    """The packets of all sessions in time order; a session is made when the clock reaches its start."""
    rng = random.Random(seed)
    pool = Pool(rng, median_body)
    waiting: list[Packet] = []
    start, session, serial, made = EPOCH_US, 0, 0, 0
    while made < packets or waiting:
        while made < packets and (not waiting or waiting[0][0] >= start):
            for time, frame in Conversation(rng, pool, session, start).packets():
                heapq.heappush(waiting, (time, serial, frame))
                serial += 1
            made = serial
            session += 1
            start += round(rng.expovariate(SESSIONS_PER_SECOND) * SECOND)
        yield heapq.heappop(waiting)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--packets", type=int, default=500_000)
    parser.add_argument("--seed", type=int, default=25)
    parser.add_argument(
        "--median-body", type=int, default=MEDIAN_BODY, metavar="OCTETS", help="half of the bodies are longer"
    )
    arguments = parser.parse_args()
    written = 0
    with arguments.path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1))
        for time, _, frame in trace(arguments.packets, arguments.seed, arguments.median_body):
            if written == arguments.packets:
                break
            file.write(struct.pack("<IIII", time // SECOND, time % SECOND, len(frame), len(frame)) + frame)
            written += 1
    print(f"{arguments.path}: {written} packets, {arguments.path.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
