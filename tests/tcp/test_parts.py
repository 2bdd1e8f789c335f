"""The small parts: sequence numbers, options, reassembly, clocks, hosts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcapdiag.model import Moment
from pcapdiag.tcp.grouping import group
from pcapdiag.tcp.hosts import HostLedger
from pcapdiag.tcp.options import sack_blocks, syn_options
from pcapdiag.tcp.reassembly import Piece, Reassembly
from pcapdiag.tcp.runs import MIN_ROWS, find
from pcapdiag.tcp.seq import distance, offset_near
from tests.tcp.conversation import CLIENT, START_NS, table, talk


@pytest.mark.parametrize(
    ("later", "earlier", "far"),
    [(5, 3, 2), (3, 5, -2), (0, 0xFFFFFFFF, 1), (0xFFFFFFFF, 0, -1), (0x80000000, 0, -(1 << 31))],
)
def test_distance(later: int, earlier: int, far: int) -> None:
    assert distance(later, earlier) == far


@given(st.integers(0, 1 << 40), st.integers(0, 0xFFFFFFFF), st.integers(-(1 << 30), 1 << 30))
def test_offsets_come_back(offset: int, base: int, drift: int) -> None:
    assert offset_near((base + offset) & 0xFFFFFFFF, base, offset + drift) == offset


@pytest.mark.parametrize(
    ("octets", "mss", "scale", "sack"),
    [
        (bytes([2, 4, 5, 180, 1, 3, 3, 7, 4, 2]), 1460, 7, True),
        (bytes([3, 3, 99]), None, 14, False),
        (bytes([2, 4, 5]), None, None, False),
        (bytes([2, 0, 3, 3]), None, None, False),
        (bytes([0, 2, 4, 5, 180]), None, None, False),
        (b"", None, None, False),
        (bytes([2, 4, 5, 180, 4, 2, 8, 10, *range(8), 1, 3, 3, 7]), 1460, 7, True),
        (bytes([2, 4, 5, 180, 4, 2, 8, 10, *range(8), 1, 3, 3, 99]), 1460, 14, True),
        (bytes([2, 4, 5, 180, 4, 2, 8, 10, *range(8), 1, 1, 3, 3]), 1460, None, True),
    ],
)
def test_syn_options(octets: bytes, mss: int | None, scale: int | None, sack: bool) -> None:
    found = syn_options(octets)
    assert (found.mss, found.window_scale, found.sack_permitted) == (mss, scale, sack)


@given(st.binary(max_size=40))
def test_no_options_raise(octets: bytes) -> None:
    syn_options(octets)
    sack_blocks(octets)


def test_sack_blocks() -> None:
    assert sack_blocks(bytes([1, 1, 5, 18, 0, 0, 0, 5, 0, 0, 0, 9, 0, 0, 1, 0, 0, 0, 2, 0])) == ((5, 9), (256, 512))


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=30), st.integers(0, 255))
def test_reassembly_is_a_map_of_octets(pieces: list[tuple[int, int]], seed: int) -> None:
    """Against the obvious: a dictionary in which the first copy of an octet stays."""
    at = Moment(0, 0, 1)
    reassembly, truth = Reassembly(), dict[int, int]()
    for number, (offset, length) in enumerate(pieces):
        octets = bytes((seed + number + place) % 256 for place in range(length))
        new, conflict = reassembly.add(Piece(offset, offset + length, octets, at, 0))
        clash = any(truth.get(offset + place, octet) != octet for place, octet in enumerate(octets))
        fresh = {offset + place: octet for place, octet in enumerate(octets) if offset + place not in truth}
        assert new == len(fresh)
        assert conflict == clash
        truth |= fresh
    joined = {piece.offset + place: octet for piece in reassembly.pieces for place, octet in enumerate(piece.octets)}
    assert joined == truth
    assert reassembly.octets == len(truth)


def test_hosts_know_only_the_past() -> None:
    hosts = HostLedger()
    batch = table(talk("C SYN\nS SYN\n+5 C ACK | ttl=9\n+10 C RST | ttl=200"))
    hosts.feed(batch, group(batch))
    begin, later, end = Moment(START_NS, 0, 0), Moment(START_NS + 10**9, 0, 3), Moment(START_NS + 60 * 10**9, 0, 9)
    assert hosts.ttls(CLIENT, later) == {64}
    assert hosts.ttls(CLIENT, end) == {64, 9}
    assert hosts.alive_since(CLIENT, later, end)
    assert not hosts.alive_since(CLIENT, Moment(START_NS + 6 * 10**9, 0, 5), end)
    assert hosts.alive_since(CLIENT, begin, later)
    assert hosts.ttls("203.0.113.1", end) == frozenset()


def test_an_orderly_conversation_is_one_run() -> None:
    """From SYN to the acknowledged FINs nothing of it is left for the walk."""
    batch = table(talk("C SYN\nS SYN\nC ACK\nS data 220 hi\nC data QUIT\nS data 221 Bye\nS FIN\nC FIN\nS ACK"))
    found = find(batch, group(batch), MIN_ROWS, 10**9)
    (run,) = found.runs
    assert (run.begin, run.end, run.opens, run.closes) == (0, 9, True, True)
    assert not found.left.any()


def test_a_long_pause_after_a_fin_ends_the_run() -> None:
    """What comes then may belong to another connection between the same ends."""
    batch = table(talk("C SYN\nS SYN\nC ACK\nS data 220 hi\nC data QUIT\nS FIN\n+6 C FIN\nS ACK"))
    (run,) = find(batch, group(batch), MIN_ROWS, 5 * 10**9).runs
    assert (run.begin, run.end) == (0, 6)
