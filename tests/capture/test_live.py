"""Live capture without an interface: the filter as libpcap understands it, batches and their clock, and what is bounded."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from pcapdiag.capture.frames import TAIL, FrameBlock
from pcapdiag.capture.interfaces import interfaces, must_exist
from pcapdiag.capture.kernelfilter import expression, program
from pcapdiag.capture.live import LiveCapture
from pcapdiag.errors import FilterRefused, LiveError, NoSuchInterface
from pcapdiag.model import Note


def frames(times: list[int], octets: int = 60) -> FrameBlock:
    """Frames of zeros, as a socket gives them: without numbers."""
    count = len(times)
    return FrameBlock(
        np.zeros(count * octets + TAIL, np.uint8), np.zeros(count, np.int64), np.arange(count, dtype=np.int64) * octets,
        np.full(count, octets), np.full(count, octets), np.array(times, np.int64), np.zeros(count, np.uint16),
        np.ones(count, np.int32), np.zeros(count, np.int8),
    )  # fmt: skip


class Feed:
    """Hands over what a test wants."""

    format, names, link_types, notes, down = "live", ("eth0",), ("EN10MB",), (), ()
    dropped: int | None = 3

    def __init__(self, story: Callable[[Feed, Callable[[FrameBlock], None], Callable[[int], None]], None]) -> None:
        self._story = story
        self.stopped = threading.Event()
        self.closed = False

    def run(self, put: Callable[[FrameBlock], None], clock: Callable[[int], None]) -> None:
        self._story(self, put, clock)

    def stop(self) -> None:
        self.stopped.set()

    def close(self) -> None:
        self.closed = True


def test_frames_of_several_sockets_are_numbered_in_time_order_and_silence_moves_the_clock() -> None:
    def story(feed: Feed, put: Callable[[FrameBlock], None], clock: Callable[[int], None]) -> None:
        put(frames([30, 40]))
        put(frames([10, 20]))
        clock(50)
        feed.stopped.wait(10)

    feed = Feed(story)
    capture = LiveCapture(feed, frozenset({25}))
    capture.start()
    batches = capture.batches()
    first, second = next(batches), next(batches)
    assert first.frames is not None
    assert first.frames.time_ns.tolist() == [10, 20, 30, 40]
    assert first.frames.frame_number.tolist() == [1, 2, 3, 4]
    assert second.frames is None
    assert (len(second.table), second.table.until_ns) == (0, 50)
    capture.stop()
    list(batches)
    info = capture.info()
    assert (info.packets, info.dropped_by_capture, info.first_time_ns, info.last_time_ns) == (4, 3, 10, 40)
    assert Note("dropped", "the capturing system lost 3 packets") in info.notes
    assert feed.closed


def test_what_waits_is_bounded_and_nothing_of_it_is_lost() -> None:
    count, octets = 400, 1 << 20
    most = 0

    def story(feed: Feed, put: Callable[[FrameBlock], None], clock: Callable[[int], None]) -> None:
        for number in range(count):
            put(frames([number], octets))

    capture = LiveCapture(Feed(story), None)
    capture.start()
    time.sleep(0.5)
    for _ in capture.batches():
        most = max(most, capture.waiting)
    assert capture.packets == count
    assert most <= (128 << 20) + 2 * octets


def test_a_set_clock_is_told_and_times_go_on_from_there(monkeypatch: pytest.MonkeyPatch) -> None:
    hour = 3600 * 10**9
    offset = [0]
    monkeypatch.setattr("pcapdiag.capture.live._offset_ns", lambda: offset[0])

    def story(feed: Feed, put: Callable[[FrameBlock], None], clock: Callable[[int], None]) -> None:
        put(frames([2 * hour]))
        clock(2 * hour)
        time.sleep(0.4)
        offset[0] = -hour
        put(frames([hour + 5]))
        clock(hour + 5)
        time.sleep(0.4)
        offset[0] += 10**8  # slewed, not set

    capture = LiveCapture(Feed(story), None)
    capture.start()
    told = [(batch.clock_set_ns, batch.table.until_ns) for batch in capture.batches()]
    assert [each for each in told if each[0]] == [(-hour, hour + 5)]
    assert told[0] == (0, 2 * hour)
    assert told[-1][1] == hour + 5


def test_what_ends_the_feed_is_raised() -> None:
    def story(feed: Feed, put: Callable[[FrameBlock], None], clock: Callable[[int], None]) -> None:
        put(frames([1]))
        raise OSError(5, "Input/output error")

    capture = LiveCapture(Feed(story), None)
    capture.start()
    with pytest.raises(LiveError, match="Input/output error"):
        list(capture.batches())
    assert capture.packets == 1


def test_leaving_early_ends_the_feed() -> None:
    def story(feed: Feed, put: Callable[[FrameBlock], None], clock: Callable[[int], None]) -> None:
        while not feed.stopped.is_set():
            put(frames([1], 1 << 20))

    feed = Feed(story)
    capture = LiveCapture(feed, None)
    capture.start()
    batches = capture.batches()
    next(batches)
    batches.close()
    assert feed.closed
    assert not capture._thread.is_alive()


class TestFilter:
    @pytest.mark.parametrize("ports", [frozenset({25}), frozenset(range(1000, 1020)), None])
    def test_it_compiles(self, ports: frozenset[int] | None) -> None:
        assert len(program(expression(ports))) % 8 == 0

    @pytest.mark.parametrize(
        ("text", "says"),
        [("tcp prt 25", "syntax error"), ("port 70000", "70000")],
    )
    def test_a_mistake_is_told_in_the_words_of_libpcap(self, text: str, says: str) -> None:
        with pytest.raises(FilterRefused, match=says):
            program(text)

    def test_too_many_ports_are_too_much(self) -> None:
        with pytest.raises(FilterRefused, match="name fewer ports"):
            program(expression(frozenset(range(1, 400))))


class TestInterfaces:
    def test_the_loopback_interface_is_there(self) -> None:
        (loopback,) = [each for each in interfaces() if each.name == "lo"]
        assert loopback.says.startswith("loopback")

    def test_a_wrong_name_is_told_with_the_right_ones(self) -> None:
        with pytest.raises(
            NoSuchInterface, match=r"there is no interface l0: did you mean lo\? There are .*lo.*, and any for all"
        ):
            must_exist(["any", "l0"])
