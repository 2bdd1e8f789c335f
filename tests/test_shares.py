"""Work shared among processes: answers in order, failures told, nothing left behind; and the same analysis as in one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, islice
from operator import attrgetter
from pathlib import Path
from typing import NoReturn

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.packet import Raw
from scapy.utils import rdpcap, wrpcap

from pcapdiag.analysis import KeepDialogue
from pcapdiag.errors import CaptureError, PcapdiagError, UsageError
from pcapdiag.pipeline import DEFAULT_PORTS, MOST_PROCESSES, WORTH_SHARING, analyze, worthwhile
from pcapdiag.report import json as json_report
from pcapdiag.selection import Filter, select
from pcapdiag.shares import AHEAD, HANDFUL, OCTETS, Elsewhere, HelperFailed

CAPTURES = [str(path) for path in sorted(Path("captures").glob("*/capture.pcap"))]


@pytest.fixture
def numbers() -> Iterator[Elsewhere[range]]:
    there = Elsewhere(partial(range, 1000))
    yield there
    there.close()


def times(factor: int, numbers: range) -> Iterator[int]:
    return (factor * number for number in numbers)


def endless(_: object) -> Iterator[int]:
    return count()


def fails_at(place: int, numbers: range) -> Iterator[int]:
    for number in numbers:
        if number == place:
            raise PcapdiagError(f"no {place}")
        yield number


def dies(_: object) -> Iterator[int]:
    os.kill(os.getpid(), signal.SIGTERM)
    yield 1


def heavy(count: int, _: object) -> Iterator[bytes]:
    """Answers of more octets than a socket holds."""
    return (bytes(100_000) for _ in range(count))


def long_question(ballast: bytes, numbers: range) -> Iterator[int]:
    yield len(ballast)


def not_for_travel(_: object) -> Iterator[object]:
    yield lambda: None


class Odd(Exception):
    """An exception that cannot be made again from its text."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


found: list[int] = []
"""What `counting` found, in the process in which it runs."""


def counting(octets: int, _: object) -> Iterator[bytes]:
    for number in count():
        found.append(number)
        yield bytes(octets)


def how_far(_: object) -> Iterator[int]:
    yield len(found)


def fails_oddly(_: object) -> Iterator[int]:
    raise Odd(1, 2)
    yield 0


def interrupted(_: int) -> NoReturn:
    raise KeyboardInterrupt


def takes_an_hour() -> range:
    time.sleep(3600)
    return range(0)


def unreadable() -> range:
    raise CaptureError("a.pcap", "cannot be read")


class TestElsewhere:
    def test_answers_come_in_order(self, numbers: Elsewhere[range]) -> None:
        assert list(numbers.ask(partial(times, 2))) == [2 * number for number in range(1000)]

    def test_questions_do_not_disturb_one_another(self, numbers: Elsewhere[range]) -> None:
        two, three = numbers.ask(partial(times, 2)), numbers.ask(partial(times, 3))
        assert list(islice(two, 40)) == list(range(0, 80, 2))
        assert list(three) == list(range(0, 3000, 3))
        assert list(two) == list(range(80, 2000, 2))

    def test_one_that_is_dropped_costs_nothing_more(self, numbers: Elsewhere[range]) -> None:
        for _ in range(3):
            assert list(islice(numbers.ask(endless), 2 * HANDFUL + 1)) == list(range(2 * HANDFUL + 1))
        assert list(numbers.ask(partial(times, 1))) == list(range(1000))

    @pytest.mark.parametrize(("octets", "most"), [(1, (AHEAD + 1) * HANDFUL), (OCTETS, AHEAD + 1)])
    def test_so_many_are_found_ahead_and_no_more(self, numbers: Elsewhere[range], octets: int, most: int) -> None:
        next(answers := numbers.ask(partial(counting, octets)))
        far = [next(numbers.ask(how_far)) for _ in range(200)]
        assert far == sorted(far)
        assert most - HANDFUL <= far[-1] == far[-2] <= most
        next(answers)

    @pytest.mark.parametrize("place", [0, 5, 400])
    def test_what_fails_there_is_raised_here_where_it_failed(self, numbers: Elsewhere[range], place: int) -> None:
        answers = numbers.ask(partial(fails_at, place))
        assert list(islice(answers, place)) == list(range(place))
        with pytest.raises(PcapdiagError, match=f"no {place}"):
            next(answers)
        assert next(numbers.ask(partial(times, 1))) == 0

    def test_one_that_is_interrupted_while_it_is_asked(
        self, numbers: Elsewhere[range], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(numbers, "_next", interrupted)
            with pytest.raises(KeyboardInterrupt):
                next(numbers.ask(endless))
        assert list(numbers.ask(partial(times, 1))) == list(range(1000))

    def test_long_questions_and_long_answers_do_not_wait_for_one_another(self, numbers: Elsewhere[range]) -> None:
        dropped, kept = numbers.ask(partial(heavy, 200)), numbers.ask(partial(heavy, 200))
        assert len(next(dropped)) == len(next(kept)) == 100_000
        dropped.close()  # type: ignore[attr-defined]
        assert list(numbers.ask(partial(long_question, bytes(5_000_000)))) == [5_000_000]
        assert sum(1 for _ in kept) == 199

    def test_what_cannot_travel_is_told_in_words(self, numbers: Elsewhere[range]) -> None:
        with pytest.raises(HelperFailed, match=r"Can't pickle|cannot be pickled|Can't get local object"):
            list(numbers.ask(not_for_travel))
        with pytest.raises(HelperFailed, match="Odd: 1 and 2") as failed:
            list(numbers.ask(fails_oddly))
        assert "in fails_oddly" in failed.value.__notes__[0]
        assert next(numbers.ask(partial(times, 1))) == 0

    @pytest.mark.parametrize(
        ("make", "error", "says"),
        [
            (unreadable, PcapdiagError, r"^a\.pcap: cannot be read$"),
            (partial(range, "ten"), HelperFailed, "^TypeError: 'str' object cannot be interpreted as an integer"),
        ],
    )
    def test_a_thing_that_could_not_be_made(self, make: Callable[[], range], error: type[Exception], says: str) -> None:
        there = Elsewhere(make)
        for _ in range(2):
            with pytest.raises(error, match=says):
                list(there.ask(endless))
        there.close()

    @pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
    def test_however_processes_are_started(self, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
        context = multiprocessing.get_context(method)
        monkeypatch.setattr(multiprocessing, "Process", context.Process)  # type: ignore[attr-defined]
        there = Elsewhere(partial(range, 1000))
        assert list(there.ask(partial(times, 2))) == list(range(0, 2000, 2))
        there.close()

    def test_a_process_that_was_killed_is_said_and_not_waited_for(self, numbers: Elsewhere[range]) -> None:
        for _ in range(2):
            with pytest.raises(PcapdiagError, match=r"ended from outside .*; --processes 1 does without"):
                list(numbers.ask(dies))

    @pytest.mark.skipif(os.name != "posix", reason="asks ps")
    @pytest.mark.parametrize("how", ["", "os._exit(9)", "os.kill(os.getpid(), 9)"])
    @pytest.mark.parametrize(
        "doing", ["there = Elsewhere(partial(range, 9)); next(there.ask(endless))", "there = Elsewhere(takes_an_hour)"]
    )
    def test_no_process_outlives_the_one_that_asked(self, doing: str, how: str) -> None:
        program = (
            "import os, sys; from functools import partial; from pcapdiag.shares import Elsewhere\n"
            "from tests.test_shares import endless, takes_an_hour\n"
            f"{doing}\n"
            f"print(there._process.pid, flush=True)\n{how}"
        )
        ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
        assert has_ended(int(ran.stdout))


def has_ended(pid: int) -> bool:
    """Within some seconds; a zombie that nobody waits for has ended, too."""
    for _ in range(50):
        state = subprocess.run(
            ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
        ).stdout.strip()
        if not state or state.startswith("Z"):
            return True
        subprocess.run(["sleep", "0.1"], check=False)
    return False


class TestTheSameAnalysis:
    @pytest.mark.parametrize("keep", [KeepDialogue.ATTENTION, KeepDialogue.ALL])
    @pytest.mark.parametrize("ports", [DEFAULT_PORTS, None])
    def test_as_in_one_process(self, keep: KeepDialogue, ports: frozenset[int] | None) -> None:
        alone, shared = (
            "".join(json_report.render(analyze(CAPTURES, ports=ports, keep_dialogue=keep, processes=processes)))
            for processes in (1, 3)
        )
        assert shared == alone

    def test_of_a_selection(self) -> None:
        wanted = Filter(attention=True, server="198.51.100.0/24")
        alone, shared = (select(analyze(CAPTURES, processes=processes), wanted) for processes in (1, 2))
        assert "".join(json_report.render(shared)) == "".join(json_report.render(alone))
        assert [judged.id for judged in shared.sessions] == [judged.id for judged in alone.sessions]

    def test_ids_have_no_gaps_where_not_every_connection_is_mail(self) -> None:
        found = analyze(CAPTURES, ports=None)
        assert [judged.id for judged in found.sessions] == list(range(1, found.total + 1))

    def test_ids_do_not_follow_a_clock_that_was_set_back(self, tmp_path: Path) -> None:
        """Two sessions, more than a batch apart; the second one is stamped an hour earlier."""
        one, two = (rdpcap(f"captures/{name}/capture.pcap") for name in ("clean-delivery", "lmtp-clean"))
        filler = Ether() / IP(src="203.0.113.7", dst="203.0.113.8") / TCP(sport=4000, dport=25) / Raw(bytes(60_000))
        filler.time = one[-1].time
        for packet in two:
            packet.time = packet.time - two[0].time + one[0].time - 3600
        wrpcap(str(tmp_path / "back.pcap"), [*one, *[filler] * 400, *two])
        servers = [
            [judged.session.server for judged in analyze([str(tmp_path / "back.pcap")], processes=processes).sessions]
            for processes in (1, 2, 3)
        ]
        assert servers[0] == servers[1] == servers[2]

    @pytest.mark.parametrize("processes", [1, 2])
    def test_each_gives_those_that_exist(self, processes: int) -> None:
        analysis = analyze(CAPTURES, processes=processes)
        ids = attrgetter("id")
        assert list(analysis.sessions.each(ids, [5, -1, 0, 2, analysis.total + 1])) == [5, 2]
        some = select(analysis, Filter(ids=frozenset({2, 4}))).sessions
        assert list(some.each(ids)) == [2, 4]
        assert list(some.each(ids, [5, 4, 0])) == [4]

    def test_a_pipe_cannot_be_read_twice(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        writer = subprocess.Popen(["cat", CAPTURES[0]], stdout=(os.open(tmp_path / "pipe", os.O_RDWR)))
        with pytest.raises(UsageError, match="cannot share standard input or a pipe"):
            analyze([str(tmp_path / "pipe")], processes=2)
        assert writer.wait() == 0

    def test_less_than_one_process(self) -> None:
        with pytest.raises(UsageError, match="0 processes cannot do any work"):
            analyze(CAPTURES, processes=0)


def test_only_a_large_input_is_worth_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    assert worthwhile(None) == worthwhile(WORTH_SHARING - 1) == 1
    assert worthwhile(WORTH_SHARING) == MOST_PROCESSES
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    assert worthwhile(WORTH_SHARING) == 1


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts in /proc")
def test_analyses_leave_nothing_behind() -> None:
    """Not even one after the other in the same variable: a helper inherits the pipes of those before it."""

    def left() -> tuple[int, int]:
        return len(multiprocessing.active_children()), len(os.listdir("/proc/self/fd"))

    analysis = analyze(CAPTURES[:3], processes=2)
    before = left()
    for _ in range(4):
        analysis = analyze(CAPTURES[:3], processes=2)
    time.sleep(1)
    helpers, descriptors = left()
    assert helpers <= before[0] + 1
    assert descriptors <= before[1] + 2
    assert analysis.total


def test_who_gives_up_takes_the_others_along() -> None:
    def progress(done: int, total: int | None) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        analyze(CAPTURES, processes=2, progress=progress)
    for _ in range(100):
        if not multiprocessing.active_children():
            return
        time.sleep(0.1)
    pytest.fail(f"still there: {multiprocessing.active_children()}")
