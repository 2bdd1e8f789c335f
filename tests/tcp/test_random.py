"""Random conversations: the fast path against the walk, one batch against many, any order against the right one."""

from __future__ import annotations

import itertools
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pcapdiag.model import Side
from pcapdiag.tcp.connection import Connection
from tests.tcp.conversation import Frame, talk
from tests.tcp.listening import Listener, follow

LINES = (
    "C data EHLO x", "S data 250 ok", "C octets 1460", "C octets 1460", "C octets 300", "S octets 700", "S ACK", "C ACK",
    "S ACK | win=600", "C ACK | win=0", "+2 C data NOOP", "C octets 90 | lost", "S octets 80 | lost", "S ACK | ack=-1460",
    "C ACK | seq=-1 aside", "S RST | seq=+500 noack win=0 ts=-1", "C octets 40 | id=0", "S data 2 | snap=1", "S ACK | ts=4",
)  # fmt: skip
ENDS = ("", "S FIN\nC FIN\nS ACK", "C RST", "S RST\nC data x\nS RST | aside noack", "C FIN\nS data 221 x\nS FIN\nC ACK")


@st.composite
def conversations(draw: st.DrawFn) -> list[Frame]:
    """Ordinary stretches, odd lines between them, then frames swapped, repeated, copied and lost."""
    lines = ["C SYN", "S SYN", "C ACK", "S data 220 hi"]
    for line, again in draw(st.lists(st.tuples(st.sampled_from(LINES), st.integers(1, 9)), max_size=12)):
        lines += [line] * (again if " | " not in line else 1)
    settings = {
        "client_isn": draw(st.sampled_from((1000, 0xFFFFF000))),
        "timestamps": draw(st.booleans()),
        "ids": draw(st.booleans()),
        "mss": draw(st.sampled_from((1460, 536))),
    }
    frames = talk("\n".join([*lines, draw(st.sampled_from(ENDS))]), **settings)
    for place, kind in draw(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 4)), max_size=6)):
        at = place % len(frames)
        frame = frames[at]
        if kind == 0:
            frames.insert(at + 1, replace(frame, time_ns=frame.time_ns + 100_000, ttl=frame.ttl - 1))
        elif kind == 1:
            frames.insert(
                min(at + 3, len(frames)), replace(frame, time_ns=frame.time_ns + 25_000_000, ip_id=frame.ip_id + 9)
            )
        elif kind == 2 and at + 1 < len(frames):
            frames[at], frames[at + 1] = frames[at + 1], frames[at]
        elif kind == 3 and len(frames) > 4:
            del frames[at]
        elif kind == 4:
            frames = frames[:1] + [replace(frame, ip_id=7) for frame in frames[1:]]
    return [replace(frame, number=number) for number, frame in enumerate(frames, 1)]


Story = list[tuple[Connection, dict[Side, bytes], list[tuple[Side, int, int]]]]


def stories(ended: list[tuple[Connection, Listener]]) -> Story:
    return [
        (connection, heard.streams, sorted(heard.frames, key=lambda mark: (mark[0].value, *mark[1:])))
        for connection, heard in ended
    ]


@given(conversations())
def test_the_fast_path_changes_nothing(frames: list[Frame]) -> None:
    assert stories(follow([frames], fast=True)) == stories(follow([frames], fast=False))


@given(conversations(), st.lists(st.integers(0, 200), max_size=5))
def test_batches_change_nothing(frames: list[Frame], cuts: list[int]) -> None:
    edges = sorted({0, len(frames), *(cut % (len(frames) + 1) for cut in cuts)})
    batches = [frames[begin:end] for begin, end in itertools.pairwise(edges)]
    assert stories(follow(batches)) == stories(follow([frames]))


@given(conversations())
def test_the_side_that_speaks_later_has_been_heard(frames: list[Frame]) -> None:
    """No octets are handed out before the octets of the other side that their frame acknowledged."""
    for connection, heard in follow([frames]):
        needs = {
            segment.at.frame: (segment.side, segment.ack) for segment in connection.segments if segment.ack is not None
        }
        passed = {Side.CLIENT: 0, Side.SERVER: 0}
        half = {side: connection.half(side) for side in Side}
        marks = {(side, offset): frame for side, offset, frame in heard.frames}
        for side, offset, octets in heard.heard:
            frame = marks.get((side, offset))
            if frame in needs and isinstance(octets, bytes):
                needed = min(needs[frame][1] or 0, half[side.other].octets)
                assert passed[side.other] >= needed
            passed[side] = offset + (len(octets) if isinstance(octets, bytes) else 0)
            if not isinstance(octets, bytes):
                passed[side] = 1 << 40


SAID = """C SYN
S SYN
C ACK
S data 220 mail.example
C data EHLO client.example
S data 250 ok
C octets 900
C octets 800
C octets 700
S ACK
C data QUIT
S data 221 Bye
S FIN
C FIN
S ACK"""


@given(st.permutations(range(3, 12)), st.lists(st.integers(3, 11), max_size=6))
def test_any_order_gives_the_same_octets(order: list[int], repeated: list[int]) -> None:
    """Frames in any order, some of them sent again: every octet once, in order."""
    frames = talk(SAID)
    truth = follow([frames])[0][1].streams
    middle = [frames[at] for at in order] + [replace(frames[at], ip_id=frames[at].ip_id + 60) for at in repeated]
    mixed = [*frames[:3], *middle, *frames[12:]]
    mixed = [replace(frame, number=at, time_ns=frames[0].time_ns + at * 1_000_000) for at, frame in enumerate(mixed, 1)]
    ((connection, heard),) = follow([mixed])
    assert heard.streams == truth
    assert connection.half(Side.CLIENT).missing == connection.half(Side.SERVER).missing == 0
