"""The analysis: what is counted, what is kept of orderly sessions, what a selection leaves alone."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from pcapdiag import analysis as module
from pcapdiag.analysis import AnalysisBuilder, KeepDialogue, last_command, last_reply, stripped
from pcapdiag.model import Endpoint, How, Party, Stage, Strength
from pcapdiag.report.json import session_object
from pcapdiag.smtp.dialogue import Tls
from tests.factories import (
    at,
    make_analysis,
    make_capture,
    make_command,
    make_connection,
    make_dialogue,
    make_judged,
    make_reply,
    make_verdict,
)

RESET = make_verdict(dropped_by=Party.SERVER)
SILENT = make_verdict(dropped_by=Party.PATH, how=How.TIMEOUT, stage=Stage.BODY, strength=Strength.POSSIBLE)
UNSURE = make_verdict(dropped_by=Party.UNDETERMINED)


def test_counts() -> None:
    found = make_analysis(
        *[make_judged(id, verdict=v) for id, v in enumerate([make_verdict(), RESET, SILENT, UNSURE], 1)]
    )
    assert (found.total, len(found.sessions), found.attention, found.dropped) == (4, 4, 3, 2)
    assert found.dropped_by == {
        Party.CLIENT: 0,
        Party.SERVER: 1,
        Party.MIDDLEBOX: 0,
        Party.PATH: 1,
        Party.NOBODY: 1,
        Party.UNDETERMINED: 1,
    }


def test_ids_come_out_in_order_whenever_the_sessions_ended() -> None:
    for budget in (0, 30_000, 1 << 30):
        found = make_analysis(make_judged(3), make_judged(1, verdict=RESET), make_judged(2), budget=budget)
        assert [judged.id for judged in found.sessions] == [1, 2, 3]


def test_the_spool_gives_back_what_it_got() -> None:
    """A session that went through the file equals the one that stayed in memory, whatever is in it."""
    judged = make_judged(1, verdict=RESET)
    (back,) = make_analysis(judged, budget=0).sessions
    assert back == judged


class TestGroups:
    def test_sessions_that_ended_alike_on_one_server(self) -> None:
        later = make_connection(first=at(30, 60), server=Endpoint("203.0.113.9", 25))
        found = make_analysis(
            make_judged(2, verdict=RESET._replace(end=at(50, 9))),
            make_judged(1, verdict=RESET),
            make_judged(3, verdict=SILENT),
            make_judged(4, verdict=RESET, connection=later),
        )
        assert [(g.server, g.dropped_by, g.sessions, g.example) for g in found.groups] == [
            ("198.51.100.25", Party.SERVER, 2, 1),
            ("198.51.100.25", Party.PATH, 1, 3),
            ("203.0.113.9", Party.SERVER, 1, 4),
        ]
        assert (found.groups[0].first_ns, found.groups[0].last_ns) == (at(19, 3.1).time_ns, at(50, 9).time_ns)
        assert sum(group.sessions for group in found.groups) == found.total

    def test_a_scan_of_a_network_does_not_fill_the_memory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "MAX_GROUPS", 3)
        judged = [
            make_judged(id, verdict=SILENT, connection=make_connection(server=Endpoint(f"198.51.100.{id}", 25)))
            for id in range(1, 11)
        ]
        found = make_analysis(*judged)
        assert (found.groups[0].server, found.groups[0].sessions) == ("*", 7)
        assert sum(group.sessions for group in found.groups) == 10


class TestStripping:
    def test_orderly_sessions_lose_the_details_that_only_a_close_look_shows(self) -> None:
        found = make_analysis(make_judged(1), make_judged(2, verdict=RESET))
        orderly, dropped = found.sessions
        assert not orderly.with_dialogue
        assert (orderly.session.connection.segments, orderly.session.dialogue.exchanges) == ((), ())
        assert len(orderly.session.dialogue.entries) == 2
        assert dropped.with_dialogue
        assert dropped.session == make_judged(2).session.__class__(make_connection(serial=2), make_dialogue())

    @pytest.mark.parametrize(
        ("keep", "kept"), [("all", [True, True]), ("attention", [False, True]), ("none", [False, False])]
    )
    def test_which_are_kept(self, keep: str, kept: list[bool]) -> None:
        found = make_analysis(make_judged(1), make_judged(2, verdict=RESET), keep_dialogue=KeepDialogue(keep))
        assert [judged.with_dialogue for judged in found.sessions] == kept

    def test_the_json_of_a_stripped_session_lacks_nothing_but_the_dialogue(self) -> None:
        tls = Tls(at(5), False, "TLS 1.3", ("TLS 1.3",), b"mx", at(9), (), (), (3, 3))
        judged = make_judged(dialogue=make_dialogue(tls=tls))
        whole, small = session_object(judged), session_object(stripped(judged))
        assert small.pop("dialogue") == []
        assert whole.pop("dialogue") != []
        assert (whole.pop("dialogue_kept"), small.pop("dialogue_kept")) == (True, False)
        assert small == whole


def test_last_command_is_one_with_a_verb() -> None:
    auth = make_command(b"AUTH", b"LOGIN", 5, 1)
    lines = (auth, make_command(b"*", b"", 7, 2), make_command(b".", b"", 8, 3), make_command(b"", b"junk", 9, 4))
    assert last_command(make_dialogue(entries=lines)) is auth
    assert last_command(make_dialogue(entries=())) is None
    partial = make_reply(250, b"", 9, 4, complete=False)
    assert last_reply(make_dialogue(entries=(*lines, partial))) is partial
    assert last_reply(make_dialogue(entries=())) == make_dialogue().greeting


def test_5000_orderly_sessions_are_put_away_quickly_and_small() -> None:
    """Generous limits: this holds the order of magnitude; `benchmarks/` measures."""
    session = make_judged()
    judged = [session._replace(id=id) for id in range(1, 5001)]
    builder = AnalysisBuilder()
    began = time.process_time()
    for one in judged:
        builder.add(one)
    assert time.process_time() - began < 5000 * 150e-6
    assert len(builder.finish((make_capture(),)).sessions) == 5000


def test_what_a_session_takes_is_estimated_about_right() -> None:
    """The budget is in octets, and the estimate must not be far below what Python takes."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = [stripped(make_judged(id)) for id in range(200)]
        orderly = (tracemalloc.get_traced_memory()[0] - before) / 200
        before = tracemalloc.get_traced_memory()[0]
        whole = [make_judged(id, verdict=make_verdict(dropped_by=Party.SERVER)) for id in range(200)]
        detailed = (tracemalloc.get_traced_memory()[0] - before) / 200
    finally:
        tracemalloc.stop()
    assert orderly < 1.5 * module._octets(kept[0])
    assert detailed < 1.5 * module._octets(whole[0])
