"""When the watch says what, on a clock of our own: batches made by hand from a capture's frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pcapdiag import analyze
from pcapdiag.analysis import Judged, KeepDialogue
from pcapdiag.capture import open_captures
from pcapdiag.capture.live import LiveBatch
from pcapdiag.capture.table import PacketTable, silence
from pcapdiag.live.events import Ended, Event, Opened, Pulse
from pcapdiag.live.watch import Watch, is_drop
from pcapdiag.model import How
from pcapdiag.pipeline import DEFAULT_PORTS
from pcapdiag.report.json import session_object
from tests.tcp.conversation import table, talk

CAPTURES = Path(__file__).parents[2] / "captures" / "lab"
SECOND = 1_000_000_000


class Capture:
    """What the watch asks of a capture."""

    packets = 0
    dropped: int | None = 0
    waiting = 0
    down: tuple[str, ...] = ()


class Clock:
    """Feeds a watch and moves its clock."""

    def __init__(self) -> None:
        self.capture = Capture()
        self.watch = Watch(self.capture)  # type: ignore[arg-type]
        self.now_ns = 0

    def feed(self, batch: PacketTable) -> list[Event]:
        self.now_ns = batch.until_ns
        return list(self.watch.take(LiveBatch(batch, None)))

    def passes(self, seconds: float, step: float = 0.25) -> Iterator[tuple[float, Event]]:
        """Silence; what is said, and after how many seconds of it."""
        began = self.now_ns
        while self.now_ns < began + seconds * SECOND:
            self.now_ns += int(step * SECOND)
            for event in self.watch.take(LiveBatch(silence(self.now_ns), None)):
                yield (self.now_ns - began) / SECOND, event


def ends(events: Sequence[tuple[float, Event]]) -> list[tuple[float, bool, bool]]:
    return [(after, event.final, event.again) for after, event in events if isinstance(event, Ended)]


OPENING = "C SYN\nS SYN\nC ACK\nS data 220 mx.example.com ESMTP\nC data EHLO c\n"


def test_a_reset_is_told_at_once_and_again_after_five_seconds() -> None:
    clock = Clock()
    opened, *_ = clock.feed(table(talk(OPENING + "S RST")))
    assert isinstance(opened, Opened)
    told = list(clock.passes(20))
    assert ends(told) == [(0.25, False, False), (5.0, True, False)]
    assert all(is_drop(event.judged) for _, event in told if isinstance(event, Ended))
    assert len({event.judged.id for _, event in told if isinstance(event, Ended)}) == 1
    assert sum(isinstance(event, Pulse) for _, event in told) >= 19


def test_repetitions_make_the_linger_longer() -> None:
    """Two timeouts of a sender that doubles its own: 3 s have passed between the last two, the next come after 6 and 12 s."""
    frames = talk(OPENING + "C FIN\n+3 resend 6 | id=99")
    clock = Clock()
    clock.feed(table(frames[:-1]))
    assert [final for _, final, _ in ends(list(clock.passes(2.75)))] == [False]
    clock.feed(table(frames[-1:]))
    told = ends(list(clock.passes(30)))
    assert [final for _, final, _ in told] == [True]
    assert 12 <= told[0][0] <= 12.25


def test_an_open_session_is_told_after_a_minute_of_silence_and_given_up_after_half_an_hour() -> None:
    clock = Clock()
    clock.feed(table(talk(OPENING)))
    told = list(clock.passes(4000, step=5))
    assert [(final, again) for _, final, again in ends(told)] == [(False, False), (True, False)]
    (first, _, _), (last, _, _) = ends(told)
    assert 60 <= first <= 66
    assert 1800 <= last <= 1806
    assert len(clock.watch._tracker) == 0
    assert clock.watch._watched == {}


def test_a_syn_without_answer_is_given_up() -> None:
    clock = Clock()
    clock.feed(table(talk("C SYN\n+1 resend 1 | id=2\n+2 resend 1 | id=3\n+4 resend 1 | id=4")))
    told = [event for _, event in clock.passes(200) if isinstance(event, Ended)]
    assert [each.final for each in told] == [True]
    assert told[0].judged.verdict.how is How.TIMEOUT


def test_the_end_of_the_capture_tells_what_is_open_and_nothing_twice() -> None:
    clock = Clock()
    clock.feed(table(talk(OPENING + "S RST")))
    list(clock.passes(6))
    assert list(clock.watch.finish()) == []
    clock = Clock()
    clock.feed(table(talk(OPENING)))
    (last,) = clock.watch.finish()
    assert isinstance(last, Ended)
    assert last.final
    assert last.judged.verdict.how.value == "open"


def test_a_set_clock_ends_what_is_open_and_loses_nothing_after_it() -> None:
    clock = Clock()
    clock.feed(table(talk(OPENING)))
    hour = 3600 * SECOND
    later = table(talk(OPENING + "S RST"))
    back = replace(later, time_ns=later.time_ns - hour, until_ns=later.until_ns - hour)
    events = list(clock.watch.take(LiveBatch(back, None, clock_set_ns=-hour)))
    assert [event.judged.verdict.how.value for event in events if isinstance(event, Ended)] == ["open"]
    clock.now_ns = back.until_ns
    assert [final for _, final, _ in ends(list(clock.passes(10)))] == [False, True]


def test_drops_weaken_what_was_open_meanwhile_and_nothing_later() -> None:
    clock = Clock()
    clock.capture.dropped = 40
    clock.feed(table(talk(OPENING + "S RST")))
    during = [event for _, event in clock.passes(6) if isinstance(event, Ended)]
    assert any("40" in str(each.says) for each in during[-1].judged.verdict.against)
    later = table(talk(OPENING.replace("C SYN", "+9000 C SYN", 1) + "S RST"))
    clock.feed(later)
    after = [event for _, event in clock.passes(6) if isinstance(event, Ended)]
    assert not any("40" in str(each.says) for each in after[-1].judged.verdict.against)


@pytest.mark.parametrize(
    "name", sorted(path.name for path in CAPTURES.iterdir() if (path / "middle.pcap").exists())[::6]
)
def test_what_is_said_last_is_what_offline_analysis_says(name: str) -> None:
    """The lab's captures, cut into quarters of a second, with silence behind them."""
    path = CAPTURES / name / "middle.pcap"
    clock, last = Clock(), {}
    trace = next(iter(open_captures([str(path)], ports=DEFAULT_PORTS).traces))
    events: list[Event] = []
    for batch in trace.batches():
        for piece in cut(batch):
            events += clock.feed(piece)
    events += [event for _, event in clock.passes(1000, step=1)]
    events += list(clock.watch.finish())
    for event in events:
        if isinstance(event, Ended) and event.final:
            last[event.judged.id] = event.judged
    offline = {judged.id: judged for judged in analyze([str(path)], keep_dialogue=KeepDialogue.ALL).sessions}
    assert last.keys() == offline.keys()
    for number, judged in offline.items():
        if judged.verdict.how is not How.OPEN:  # else the silence behind the capture is news
            assert told(last[number]) == told(judged)


def told(judged: Judged) -> dict[str, Any]:
    """Without the rows of silence: the capture ends, and the watch waits."""
    told = session_object(judged)
    return told | {"dialogue": [row for row in told["dialogue"] if row["kind"] != "silence"]}


def cut(batch: PacketTable) -> Iterator[PacketTable]:
    """Batches of a quarter of a second each, as time goes on, and the clock of each."""
    columns = [name for name in batch.__slots__ if isinstance(getattr(batch, name), np.ndarray)]
    slot = (batch.time_ns - batch.time_ns[0]) // (SECOND // 4) if len(batch) else batch.time_ns
    for number in np.unique(slot).tolist():
        rows = np.flatnonzero(slot == number)
        until = int(batch.time_ns[rows[-1]])
        first, last = int(rows[0]), int(rows[-1]) + 1
        icmp = tuple(
            e._replace(row=e.row - first) for e in batch.icmp if first <= e.row < last or (e.row == len(batch) == last)
        )
        yield replace(batch, until_ns=until, icmp=icmp, **{name: getattr(batch, name)[rows] for name in columns})


def test_an_open_session_can_be_looked_at_and_goes_on_undisturbed() -> None:
    clock = Clock()
    frames = talk(OPENING + "S RST")
    opened, *_ = clock.feed(table(frames[:-1]))
    assert isinstance(opened, Opened)
    (judged,) = clock.watch.so_far({opened.id, 99})
    assert (judged.id, judged.verdict.how, judged.verdict.stage.value) == (opened.id, How.OPEN, "ehlo")
    assert list(clock.watch.so_far(())) == []
    clock.feed(table(frames[-1:]))
    assert ends(list(clock.passes(6))) == [(0.25, False, False), (5.0, True, False)]
