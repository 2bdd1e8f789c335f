"""The text of a ladder -> `Scene`: who took part, where the capture was taken, and the steps in order.

It refuses to know TCP: a step says who did what and when, and what is unusual about it. Everything usual (sequence
numbers, acknowledgements, checksums, clocks) is `tcp`'s business. ``captures/README.md`` describes the language.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from .content import named

FLAGS = {"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16}

_ARROWS = {
    # arrow: from the client?, captured?, arrives?
    "-->": (True, True, True),
    "--x": (True, True, False),
    "..>": (True, False, True),
    "..x": (True, False, False),
    "<--": (False, True, True),
    "x--": (False, True, False),
    "<..": (False, False, True),
    "x..": (False, False, False),
}
_STEP = re.compile(
    r"^\s{0,7}(?P<plus>\+?)(?P<time>\d*\.?\d+)\s+(?P<arrow>-->|--x|\.\.>|\.\.x|<--|x--|<\.\.|x\.\.)(?:\s+(?P<rest>.*))?$"
)
_OPEN = re.compile(r"^\s{0,7}(?P<plus>\+?)(?P<time>\d*\.?\d+)\s+(?P<what>open|(?:client|server) loses its state)$")
_CONNECTION = re.compile(
    r"^connection from port (?P<port>\d+)(?: of (?P<client>\S+))?(?: to (?P<server>\S+?)(?: port (?P<to>\d+))?)?(?P<again> again)?$"
)


class LadderError(ValueError):
    """A line of a ladder that cannot be understood."""


@dataclass(frozen=True)
class Host:
    """One machine, as seen from the capture point."""

    name: str
    address: str
    ttl: int = 64
    stack: str = "linux"
    """``linux``, ``windows`` or ``nt4``: which TCP options it offers, and how it counts IP identifications."""
    mss: int | None = None
    timestamps: bool = True
    sack: bool = True


@dataclass(frozen=True)
class Conversation:
    """One 4-tuple (its number tells two uses of the same one apart)."""

    number: int
    client: Host
    server: Host
    client_port: int
    server_port: int


@dataclass(frozen=True)
class Step:
    """Something that somebody did, timed at the capture point."""

    line: int
    at_us: int
    conversation: Conversation
    what: str
    """``segment``, ``icmp`` or ``forget``."""
    from_client: bool
    captured: bool = True
    arrives: bool = True
    flags: int = 0
    payload: bytes = b""
    odd: dict[str, str] = field(default_factory=dict)
    """What is unusual: ``{"ttl": "63"}``; words without a value have an empty one."""


@dataclass(frozen=True)
class Scene:
    """A ladder, understood."""

    story: str
    steps: tuple[Step, ...]
    begins_us: int
    client_us: int
    """From the client to the capture point, one way."""
    server_us: int
    snaplen: int
    settings: dict[str, str]
    """``twice``, ``only``, ``starts``, ``stops``."""


@dataclass
class _Reader:
    """Where the reading of a ladder stands."""

    hosts: dict[str, Host] = field(default_factory=dict)
    port: int = 25
    begins_us: int = 0
    vantage: str = "client"
    round_trip_us: int = 24000
    snaplen: int = 262144
    settings: dict[str, str] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    now_us: int = 0
    conversation: Conversation | None = None
    conversations: list[Conversation] = field(default_factory=list)

    @property
    def delays(self) -> tuple[int, int]:
        """One way from client and from server to the capture point, in microseconds."""
        one_way = self.round_trip_us // 2
        return {"client": (0, one_way), "server": (one_way, 0), "middle": (one_way // 3, one_way - one_way // 3)}[
            self.vantage
        ]


def parse(text: str) -> Scene:
    """Reads a ladder: a paragraph of prose, a paragraph about the hosts and the capture, and the steps."""
    lines = text.split("\n")
    story: list[str] = []
    number = 0
    while number < len(lines) and lines[number].strip():
        story.append(lines[number].strip())
        number += 1
    reader = _Reader(begins_us=_epoch_us("2024-05-14T09:30:00"))
    while number < len(lines) and not lines[number].strip():
        number += 1
    while number < len(lines) and lines[number].strip():
        _setting(reader, lines[number].strip(), number + 1)
        number += 1
    for index in range(number, len(lines)):
        _line(reader, lines[index].rstrip(), index + 1)
    if not reader.steps:
        raise LadderError("a ladder without steps")
    client_us, server_us = reader.delays
    return Scene(
        " ".join(story), tuple(reader.steps), reader.begins_us, client_us, server_us, reader.snaplen, reader.settings
    )


def _epoch_us(text: str) -> int:
    return int(datetime.fromisoformat(text + "+00:00").timestamp()) * 1_000_000


def _microseconds(seconds: str) -> int:
    return int(Decimal(seconds) * 1_000_000)


def _setting(reader: _Reader, line: str, number: int) -> None:
    """One line about the hosts or about the capture."""
    word, _, rest = line.partition(" ")
    if word in ("client", "server", "host"):
        name, _, described = rest.strip().partition(" ") if word == "host" else (word, "", rest)
        reader.hosts[name] = _host(name, described.split(), number)
    elif match := re.fullmatch(r"captured at the (client|server|middle), round trip (\d+) ms", line):
        reader.vantage, reader.round_trip_us = match[1], int(match[2]) * 1000
    elif match := re.fullmatch(r"port (\d+)", line):
        reader.port = int(match[1])
    elif match := re.fullmatch(r"begins (\S+)", line):
        reader.begins_us = _epoch_us(match[1])
    elif match := re.fullmatch(r"snaplen (\d+)", line):
        reader.snaplen = int(match[1])
    elif match := re.fullmatch(r"capture (starts|stops) at ([\d.]+)", line):
        reader.settings[match[1]] = match[2]
    elif match := re.fullmatch(r"only frames of the (client|server) were captured", line):
        reader.settings["only"] = match[1]
    elif match := re.fullmatch(r"every frame was captured twice, (\d+) us and one hop apart", line):
        reader.settings["twice"] = match[1]
    else:
        raise LadderError(f"line {number}: cannot understand the setting {line!r}")


def _host(name: str, words: list[str], number: int) -> Host:
    host = Host(name, words[0])
    rest = iter(words[1:])
    for word in rest:
        if word == "ttl":
            host = replace(host, ttl=int(next(rest)))
        elif word == "mss":
            host = replace(host, mss=int(next(rest)))
        elif word in ("linux", "windows", "nt4"):
            host = replace(host, stack=word)
        elif word == "no-timestamps":
            host = replace(host, timestamps=False)
        elif word == "no-sack":
            host = replace(host, sack=False)
        else:
            raise LadderError(f"line {number}: cannot understand {word!r} about a host")
    return host


def _line(reader: _Reader, line: str, number: int) -> None:
    """One line of the ladder proper."""
    if not line.strip() or line.lstrip().startswith("#"):
        return
    if match := _CONNECTION.match(line):
        _connection(reader, match, number)
    elif match := _OPEN.match(line):
        _open(reader, match, number)
    elif match := _STEP.match(line):
        _step(reader, match, number)
    elif line.startswith(" " * 8) and reader.steps and reader.steps[-1].what == "segment":
        reader.steps[-1] = replace(reader.steps[-1], payload=reader.steps[-1].payload + _octets(line.strip(), number))
    else:
        raise LadderError(f"line {number}: cannot understand {line!r}")


def _host_named(reader: _Reader, name: str, number: int) -> Host:
    if name not in reader.hosts:
        raise LadderError(f"line {number}: nobody is called {name!r}")
    return reader.hosts[name]


def _connection(reader: _Reader, match: re.Match[str], number: int) -> None:
    if match["again"]:
        known = [each for each in reader.conversations if each.client_port == int(match["port"])]
        if not known:
            raise LadderError(f"line {number}: no connection from port {match['port']} before this")
        reader.conversation = known[-1]
        return
    reader.conversation = Conversation(
        len(reader.conversations) + 1,
        _host_named(reader, match["client"] or "client", number),
        _host_named(reader, match["server"] or "server", number),
        int(match["port"]),
        int(match["to"] or reader.port),
    )
    reader.conversations.append(reader.conversation)


def _current(reader: _Reader, number: int) -> Conversation:
    if reader.conversation is None:
        reader.conversation = Conversation(
            1, _host_named(reader, "client", number), _host_named(reader, "server", number), 49152, reader.port
        )
    return reader.conversation


def _time(reader: _Reader, match: re.Match[str]) -> int:
    reader.now_us = _microseconds(match["time"]) + (reader.now_us if match["plus"] else 0)
    return reader.now_us


def _open(reader: _Reader, match: re.Match[str], number: int) -> None:
    """``open`` is the handshake up to SYN+ACK (the last ACK comes by itself)."""
    at, conversation = _time(reader, match), _current(reader, number)
    if match["what"] != "open":
        who = match["what"].split()[0] == "client"
        reader.steps.append(Step(number, at, conversation, "forget", who))
        return
    reader.steps.append(Step(number, at, conversation, "segment", True, flags=FLAGS["SYN"]))
    client_us, server_us = reader.delays
    reader.now_us = at + 2 * server_us + 150
    reader.steps.append(Step(number, reader.now_us, conversation, "segment", False, flags=FLAGS["SYN"] | FLAGS["ACK"]))
    reader.now_us += 2 * client_us


def _step(reader: _Reader, match: re.Match[str], number: int) -> None:
    at, conversation = _time(reader, match), _current(reader, number)
    from_client, captured, arrives = _ARROWS[match["arrow"]]
    rest = match["rest"] or ""
    flags, odd = 0, dict[str, str]()
    if rest.startswith("["):
        inside, _, rest = rest[1:].partition("]")
        flags, odd = _bracket(inside, number)
    payload = _octets(rest.strip(), number) if rest.strip() else b""
    what = "icmp" if "ICMP" in odd else "segment"
    times, gap = int(odd.pop("times", "1")), _microseconds(match["time"])
    for _ in range(times):
        reader.steps.append(
            Step(number, reader.now_us, conversation, what, from_client, captured, arrives, flags, payload, dict(odd))
        )
        gap *= 2
        reader.now_us += gap
    reader.now_us -= gap
    assert times > 1 or reader.now_us == at


def _bracket(inside: str, number: int) -> tuple[int, dict[str, str]]:
    """``RST, ACK, ttl 63`` -> flags, and what is unusual."""
    flags, odd = 0, dict[str, str]()
    for item in inside.split(","):
        word, _, value = item.strip().partition(" ")
        if word in FLAGS:
            flags |= FLAGS[word]
        elif word.isdigit() and value == "times":
            odd["times"] = word
        elif word in _ODD:
            odd[word] = value.strip()
        else:
            raise LadderError(f"line {number}: cannot understand {item.strip()!r}")
    return flags, odd


_ODD = {
    "again": "the oldest octets that were not acknowledged are sent once more; '6 times' doubles the pause each time",
    "even": "'even answered': with 'again', though it was acknowledged",
    "once": "one copy only, where every frame is captured twice",
    "forged": "its claimed sender never sent it; it fits what the receiver expects",
    "ttl": "not this side's usual TTL",
    "id": "IP identification",
    "window": "as in the header, from now on",
    "seq": "so many octets beyond the right place, such as +5000",
    "timestamps": "'none', or 'stale' (ten minutes old)",
    "mss": "of a SYN, none of its host's",
    "half": "of a FIN: 'half close', the sender still reads",
    "keep-alive": "an empty segment one octet back",
    "full": "'full lost': segments of full size do not arrive, smaller ones do",
    "segments": "of at most so many octets",
    "fragments": "cut into IP fragments of so many octets",
    "ICMP": "type/code",
    "from": "the device that sends the ICMP error",
    "mtu": "next-hop MTU of ICMP",
}


def _octets(text: str, number: int) -> bytes:
    """One line of the dialogue with its CRLF, or content named in braces."""
    if text.startswith("{") and text.endswith("}"):
        try:
            return named(text[1:-1])
        except ValueError as error:
            raise LadderError(f"line {number}: {error}") from error
    return text.encode("utf-8") + b"\r\n"
