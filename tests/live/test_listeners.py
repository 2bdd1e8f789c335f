"""What hears events: hooks, metrics, systemd. Sessions come from the lab's captures, events in any order."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from pcapdiag import analyze
from pcapdiag.analysis import Judged, KeepDialogue
from pcapdiag.live.events import Ended, Pulse
from pcapdiag.live.listening import Grumbler, Tally
from pcapdiag.live.notify import Notifier

CAPTURES = Path(__file__).parents[2] / "captures" / "lab"
PULSE = Pulse(time_ns=1, packets=100, dropped=0, waiting=0, open=3, down=())


def judged(name: str) -> Judged:
    (one,) = analyze([str(CAPTURES / name / "middle.pcap")], keep_dialogue=KeepDialogue.ALL).sessions
    return one


@pytest.fixture(scope="module")
def dropped() -> Judged:
    return judged("data_server_aborts")


@pytest.fixture(scope="module")
def delivered() -> Judged:
    return judged("delivery")


class TestTally:
    def test_a_session_counts_once_when_it_is_final(self, dropped: Judged, delivered: Judged) -> None:
        tally = Tally(count=2, until_drop=False)
        for event in Ended(delivered, False), Ended(delivered, True), Ended(delivered, True, again=True), PULSE:
            tally.hear(event)
        assert (tally.sessions, tally.dropped, tally.enough) == (1, 0, False)
        tally.hear(Ended(dropped._replace(id=delivered.id + 1), True))
        assert (tally.sessions, tally.dropped, tally.enough) == (2, 1, True)

    def test_the_first_drop_may_be_enough(self, dropped: Judged, delivered: Judged) -> None:
        tally = Tally(count=None, until_drop=True)
        tally.hear(Ended(delivered, True))
        assert not tally.enough
        tally.hear(Ended(dropped._replace(id=delivered.id + 1), True))
        assert tally.enough

    def test_one_that_was_told_as_open_may_be_dropped_later(self, dropped: Judged, delivered: Judged) -> None:
        tally = Tally(count=None, until_drop=True)
        tally.hear(Ended(delivered._replace(id=dropped.id), True))
        tally.hear(Ended(dropped, True, again=True))
        assert (tally.sessions, tally.dropped, tally.enough) == (1, 1, True)


def test_what_hurts_is_said_once_each_time_it_changes() -> None:
    said: list[str] = []
    grumbler = Grumbler(said.append)
    for pulse in PULSE, replace(PULSE, dropped=5), replace(PULSE, dropped=5, down=("eth0",)), replace(PULSE, dropped=5):
        grumbler.hear(pulse)
        grumbler.hear(pulse)
    assert [line.split(":")[0].partition(", because")[0] for line in said] == [
        "the kernel dropped 5 packets (5 in all)",
        "the interface eth0 is down",
        "the interface eth0 is back",
    ]


class TestNotifier:
    @pytest.mark.parametrize("abstract", [False, True])
    def test_systemd_hears_that_it_is_ready_alive_and_how(
        self, abstract: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dropped: Judged
    ) -> None:
        name = f"@pcapdiag-{tmp_path.name}" if abstract else str(tmp_path / "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.bind("\0" + name[1:] if abstract else name)
            monkeypatch.setenv("NOTIFY_SOCKET", name)
            notifier = Notifier()
            notifier.ready()
            notifier.hear(Ended(dropped, True))
            notifier.hear(replace(PULSE, down=("eth0",)))
            notifier.stopping()
            said = [systemd.recv(1000).decode() for _ in range(3)]
        assert said == [
            "READY=1",
            "WATCHDOG=1\nSTATUS=3 connections open, 1 session ended, 1 dropped, down: eth0",
            "STOPPING=1",
        ]

    def test_without_systemd_nothing_happens(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
        notifier = Notifier()
        notifier.ready()
        notifier.hear(PULSE)
