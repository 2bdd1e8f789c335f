"""Captures made hostile: flipped octets, cuts, splices, lengths that lie, random pcapng blocks, broken segments.

Everything is decided by the `random.Random` that is handed in: a seed is a test case.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from random import Random

LIES = (0, 1, 3, 0x7F, 0xFF, 0xFFFF, 0x10000, 0x40000, 0x40001, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFC, 0xFFFFFFFF)
WORDS = (
    *(
        b"220 mx ESMTP\r\n",
        b"250-",
        b"250 ok\r\n",
        b"354 go\r\n",
        b"421 4.3.2 bye\r\n",
        b"QUIT\r\n",
        b"DATA\r\n",
        b"\r\n.\r\n",
    ),
    *(
        b"BDAT 18446744073709551615 LAST\r\n",
        b"BDAT -1\r\n",
        b"STARTTLS\r\n",
        b"AUTH PLAIN AGEAYg==\r\n",
        b"EHLO \xff\x00\r\n",
    ),
    *(
        b"\x16\x03\x01\xff\xff\x01",
        b"\x15\x03\x03\x00\x02\x02\x28",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 9 10\r\n",
        b"\x1b]0;x\x07",
    ),
    *(b"MAIL FROM:<a@b> SIZE=99999999999999999999\r\n", b"RCPT TO:<", b"999 \r\n", b"\r\n\r\n0123", b"\x00" * 40),
)
"""What an SMTP or TLS parser may stumble over."""

Mutation = Callable[[bytearray, Random, Sequence[bytes]], None]


def flip(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    for _ in range(random.choice((1, 2, 8, 64))):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def cut(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    del data[random.randrange(len(data)) :]


def drop(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    at = random.randrange(len(data))
    del data[at : at + random.choice((1, 4, 16, 200))]


def repeat(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    at = random.randrange(len(data))
    data[at:at] = data[at : at + random.choice((4, 60, 1000))] * random.choice((1, 3, 50))


def splice(data: bytearray, random: Random, others: Sequence[bytes]) -> None:
    other = random.choice(others)
    at = random.randrange(len(other))
    start = random.randrange(len(data))
    data[start : start + random.choice((0, 100))] = other[at : at + random.choice((16, 300, 3000))]


def lie(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    """A length, an offset, a checksum or a sequence number: whatever stands there."""
    form = random.choice(("<I", ">I", "<H", ">H"))
    size = struct.calcsize(form)
    if len(data) > size:
        at = random.randrange(len(data) - size)
        struct.pack_into(form, data, at, random.choice(LIES) & (256**size - 1))


def say(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    """Words in the place of others: lengths of packets stay right."""
    word = random.choice(WORDS)
    at = random.randrange(len(data))
    data[at : at + len(word)] = word[: max(len(data) - at, 1)]


def block(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    """A pcapng block of any kind, with or without honest lengths."""
    kind = random.choice((1, 2, 3, 4, 5, 6, 10, 0x0A0D0D0A, 0x80000001, 0xBAD, random.getrandbits(32)))
    body = random.randbytes(random.choice((0, 4, 8, 12, 20, 32, 100)))
    length = random.choice((len(body) + 12, len(body) + 12, random.choice(LIES)))
    order = random.choice("<>")
    made = struct.pack(f"{order}II", kind, length) + body + struct.pack(f"{order}I", length)
    at = random.randrange(0, len(data), 4)
    data[at:at] = made


MUTATIONS: tuple[Mutation, ...] = (flip, cut, drop, repeat, splice, lie, lie, say, say, block)


def mutated(seeds: Sequence[bytes], random: Random) -> bytes:
    """One of the seeds after one to six mutations; never empty."""
    data = bytearray(random.choice(seeds))
    for _ in range(random.randint(1, 6)):
        random.choice(MUTATIONS)(data, random, seeds)
        if not data:
            data += random.choice(seeds)
    return bytes(data[: 1 << 20])


def as_pcapng(pcap: bytes, random: Random) -> bytes:
    """The packets of a little-endian pcap as pcapng, with one interface; a seed of another format from the same scene."""
    order = random.choice("<>")

    def made(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        return struct.pack(f"{order}II", kind, len(body) + 12) + body + struct.pack(f"{order}I", len(body) + 12)

    out = made(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1))
    out += made(1, struct.pack(f"{order}HHI", struct.unpack_from("<I", pcap, 20)[0] & 0xFFFF, 0, 0))
    at = 24
    while at + 16 <= len(pcap):
        seconds, micros, caplen, wirelen = struct.unpack_from("<IIII", pcap, at)
        clock = seconds * 1_000_000 + micros
        head = struct.pack(f"{order}IIIII", 0, clock >> 32, clock & 0xFFFFFFFF, caplen, wirelen)
        out += made(6, head + pcap[at + 16 : at + 16 + caplen])
        at += 16 + caplen
    return out
