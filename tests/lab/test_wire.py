"""The cable, between two pairs of sockets instead of network devices: what comes out, in which order, and when."""

import contextlib
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from . import wire
from .journal import Journal
from .network import Host
from .packets import ACK, FIN, PSH, Segment, build, parse
from .wire import VNET_HEADER, Cable, any_segment, behind, carries, has_flags, has_octets

DELAY_S = 0.02
WORD = Segment(
    "192.0.2.10", "198.51.100.25", 49152, 25, 1, 1, PSH | ACK, 501, 64, 7, None, b"one\r\n", bytes(12) + b"\x08\x00"
)  # fmt: skip


@dataclass
class Ends:
    """The hosts' sides of a cable."""

    cable: Cable
    journal: Journal
    client: socket.socket
    server: socket.socket

    def client_sends(self, *words: bytes, flags: int = PSH | ACK) -> None:
        for word in words:
            self.client.send(bytes(VNET_HEADER) + build(replace(WORD, payload=word, flags=flags)))

    def server_hears(self, within: float = 0.3) -> list[bytes]:
        return [segment.payload for segment in self.server_sees(within)]

    def server_sees(self, within: float = 0.3) -> list[Segment]:
        seen = []
        self.server.settimeout(within)
        with contextlib.suppress(TimeoutError):
            while segment := parse(self.server.recv(1 << 16)[VNET_HEADER:]):
                seen.append(segment)
        return seen


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ends]:
    pairs = {end: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for end in ("near end", "far end")}
    monkeypatch.setattr(wire, "_open", lambda end: pairs[end][0])
    monkeypatch.setattr(Host, "inside", contextlib.nullcontext)
    journal = Journal()
    with Cable("far", Host("carrier", "", "", ""), ("near end", "far end"), journal, delay_s=DELAY_S, hops=3) as cable:
        yield Ends(cable, journal, pairs["near end"][1], pairs["far end"][1])
    for _, host in pairs.values():
        host.close()


def test_frames_come_out_later_in_order_and_with_a_lower_ttl(ends: Ends) -> None:
    began = time.monotonic()
    ends.client_sends(b"one", b"two")
    first, second = ends.server_sees()
    assert (first.payload, second.payload) == (b"one", b"two")
    assert first.ttl == WORD.ttl - 3
    assert time.monotonic() - began >= DELAY_S


def test_both_directions(ends: Ends) -> None:
    ends.server.send(bytes(VNET_HEADER) + build(WORD))
    ends.client.settimeout(1)
    assert parse(ends.client.recv(1 << 16)[VNET_HEADER:]) == replace(WORD, ttl=61)


def test_dropped_once(ends: Ends) -> None:
    fault = ends.cable.drop("server", carries(b"two"))
    ends.client_sends(b"one", b"two", b"two")
    assert ends.server_hears() == [b"one", b"two"]
    assert fault.done == 1
    assert [event["action"] for event in ends.journal.events] == ["will drop", "drop"]


def test_duplicated(ends: Ends) -> None:
    ends.cable.duplicate("server", carries(b"one"))
    ends.client_sends(b"one", b"two")
    assert ends.server_hears() == [b"one", b"one", b"two"]


def test_overtaken_by_the_next(ends: Ends) -> None:
    ends.cable.swap("server", carries(b"one"))
    ends.client_sends(b"one", b"two", b"three")
    assert ends.server_hears() == [b"two", b"one", b"three"]


def test_held(ends: Ends) -> None:
    ends.cable.hold("server", carries(b"one"), seconds=0.1)
    ends.client_sends(b"one", b"two")
    assert ends.server_hears() == [b"two", b"one"]


def test_rewritten(ends: Ends) -> None:
    def shout(frame: bytes) -> bytes:
        segment = parse(frame)
        assert segment
        return build(replace(segment, payload=segment.payload.upper()))

    ends.cable.rewrite("server", has_octets, shout, times=2)
    ends.client_sends(b"one", b"two", b"three")
    assert ends.server_hears() == [b"ONE", b"TWO", b"three"]


def test_only_the_direction_that_is_meant(ends: Ends) -> None:
    ends.cable.drop("client", any_segment, times=9)
    ends.client_sends(b"one")
    assert ends.server_hears() == [b"one"]


def test_by_flags(ends: Ends) -> None:
    ends.cable.drop("server", has_flags(FIN))
    ends.client_sends(b"", flags=FIN | ACK)
    ends.client_sends(b"one")
    assert ends.server_hears() == [b"one"]


def test_dead_and_alive_again(ends: Ends) -> None:
    ends.cable.dies(toward="server")
    ends.client_sends(b"one")
    assert ends.server_hears() == []
    ends.cable.revives()
    ends.client_sends(b"two")
    assert ends.server_hears() == [b"two"]


def test_it_dies_with_a_frame_in_that_frames_direction(ends: Ends) -> None:
    ends.cable.dies_with("server", behind(4))
    ends.client_sends(b"1234")
    assert ends.server_hears() == [b"1234"]
    ends.client_sends(b"5", b"6")
    assert ends.server_hears() == []
    assert ends.journal.events[-1]["action"] == "dies"
    ends.server.send(bytes(VNET_HEADER) + build(WORD))
    assert ends.client.recv(1 << 16)
