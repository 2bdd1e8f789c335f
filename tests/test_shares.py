"""Work shared among processes: answers in order, failures told, nothing left behind; and the same analysis as in one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from itertools import count, islice
from pathlib import Path

import pytest

from pcapdiag.analysis import KeepDialogue
from pcapdiag.errors import CaptureError, PcapdiagError, UsageError
from pcapdiag.pipeline import DEFAULT_PORTS, MOST_PROCESSES, WORTH_SHARING, analyze, worthwhile
from pcapdiag.report import json as json_report
from pcapdiag.selection import Filter, select
from pcapdiag.shares import HANDFUL, Elsewhere

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

    @pytest.mark.parametrize("place", [0, 5, 400])
    def test_what_fails_there_is_raised_here_where_it_failed(self, numbers: Elsewhere[range], place: int) -> None:
        answers = numbers.ask(partial(fails_at, place))
        whole_handfuls = place // HANDFUL * HANDFUL
        assert list(islice(answers, whole_handfuls)) == list(range(whole_handfuls))
        with pytest.raises(PcapdiagError, match=f"no {place}"):
            list(answers)
        assert next(numbers.ask(partial(times, 1))) == 0

    def test_a_thing_that_could_not_be_made(self) -> None:
        there = Elsewhere(unreadable)
        for _ in range(2):
            with pytest.raises(PcapdiagError, match=r"a\.pcap: cannot be read"):
                list(there.ask(endless))
        there.close()

    def test_a_process_that_was_killed_is_said_and_not_waited_for(self, numbers: Elsewhere[range]) -> None:
        for _ in range(2):
            with pytest.raises(PcapdiagError, match=r"ended from outside .*; --processes 1 does without"):
                list(numbers.ask(dies))

    @pytest.mark.skipif(os.name != "posix", reason="asks ps")
    @pytest.mark.parametrize("how", ["", "os._exit(9)", "os.kill(os.getpid(), 9)"])
    def test_no_process_outlives_the_one_that_asked(self, how: str) -> None:
        program = (
            "import os, sys; from functools import partial; from pcapdiag.shares import Elsewhere\n"
            "there = Elsewhere(partial(range, 9))\n"
            "from tests.test_shares import endless\n"
            "print(next(there.ask(endless)), there._process.pid, flush=True)\n" + how
        )
        ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
        first, pid = ran.stdout.split()
        assert first == "0"
        assert has_ended(int(pid))


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

    def test_a_pipe_cannot_be_read_twice(self) -> None:
        with pytest.raises(UsageError, match="cannot share standard input"):
            analyze(["-"], processes=2)


def test_only_a_large_input_is_worth_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    assert worthwhile(None) == worthwhile(WORTH_SHARING - 1) == 1
    assert worthwhile(WORTH_SHARING) == MOST_PROCESSES
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    assert worthwhile(WORTH_SHARING) == 1
