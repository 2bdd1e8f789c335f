"""Patterns over sessions made by hand: who is one delivery, what is a storm, and that memory stays bounded."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from pcapdiag.diagnosis import attempts, patterns
from pcapdiag.diagnosis.attempts import AttemptFinder
from pcapdiag.diagnosis.patterns import StormFinder
from pcapdiag.diagnosis.tries import Envelope, Pattern, Try, try_of
from pcapdiag.model import Address, Endpoint, How, Impact, Party, Stage, Vantage
from pcapdiag.report.clean import plain
from pcapdiag.smtp.dialogue import Tls
from tests.factories import at, make_connection, make_dialogue, make_judged, make_verdict

SECOND = 1_000_000_000
ENVELOPE = Envelope(b"alice@example.org", (b"bob@example.net",), None)


def make_try(id: int, began_s: float = 0, **fields: Any) -> Try:
    """A try that the server reset behind the end of data."""
    defaults: dict[str, Any] = dict(
        id=id,
        began_ns=round(began_s * SECOND),
        ended_ns=round((began_s + fields.pop("lasted_s", 1)) * SECOND),
        trace=0,
        client="192.0.2.10",
        server="198.51.100.25",
        helo=b"mail.example.org",
        envelope=ENVELOPE,
        taken=False,
        dropped_by=Party.SERVER,
        how=How.RST,
        stage=Stage.END_OF_DATA,
        impact=Impact.DUPLICATE_RISK,
        vantage=None,
    )
    return Try(**(defaults | fields))


TAKEN: dict[str, Any] = dict(taken=True, dropped_by=Party.NOBODY, how=How.QUIT, stage=Stage.QUIT, impact=Impact.NONE)
REFUSED: dict[str, Any] = dict(
    envelope=None, helo=None, how=How.REFUSED, stage=Stage.CONNECT, impact=Impact.DELAYED, lasted_s=0
)
SILENT: dict[str, Any] = REFUSED | dict(dropped_by=Party.PATH, how=How.TIMEOUT, lasted_s=30)
OTHER = "203.0.113.9"


def storms(*tries: Try) -> list[Pattern]:
    finder = StormFinder()
    for one in tries:
        finder.add(one)
    return finder.finish()


def deliveries(*tries: Try) -> list[Pattern]:
    finder = AttemptFinder()
    for one in tries:
        finder.add(one)
    return finder.finish()


class TestStorm:
    def test_the_same_message_failing_alike_again_and_again(self) -> None:
        (storm,) = storms(*[make_try(id, began_s=id * 2 + (id == 3)) for id in (1, 2, 3, 4)])
        assert (storm.kind, storm.sessions, storm.sessions_total) == ("retry-storm", (1, 2, 3, 4), 4)
        assert plain(storm.summary) == (
            "192.0.2.10 tried the same message (from alice@example.org to bob@example.net) with 198.51.100.25 in 4 sessions, "
            "and each failed at stage end-of-data; they began 1 s to 3 s apart, 2 s on average"
        )

    @pytest.mark.parametrize(
        "different",
        [
            dict(client="192.0.2.11"),
            dict(server=OTHER),
            dict(stage=Stage.BODY),
            dict(trace=1),
            dict(envelope=Envelope(b"alice@example.org", (b"carol@example.net",), None)),
            dict(envelope=None),
            TAKEN,
        ],
    )
    def test_one_that_differs_does_not_count(self, different: dict[str, Any]) -> None:
        assert storms(make_try(1), make_try(2), make_try(3, **different)) == []

    def test_sessions_come_in_the_order_they_ended_but_are_told_in_the_order_they_began(self) -> None:
        (storm,) = storms(make_try(2, 10), make_try(1, 0), make_try(3, 20))
        assert storm.sessions == (1, 2, 3)

    def test_behind_tls_the_size_stands_for_the_envelope_and_the_summary_says_so(self) -> None:
        sizes = (4321, 4360, 4300)  # over the edge between two steps
        (storm,) = storms(*[make_try(id, id, envelope=Envelope(None, (), size)) for id, size in enumerate(sizes)])
        assert storm.sessions_total == 3
        assert (
            "about 4,321 octets inside TLS (the envelope is hidden: that it is the same message is inferred)"
            in plain(storm.summary)
        )

    def test_behind_tls_other_sizes_are_other_mails(self) -> None:
        assert storms(*[make_try(id, id, envelope=Envelope(None, (), 4000 + id * 400)) for id in (1, 2, 3)]) == []

    def test_ids_and_memory_are_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        (storm,) = storms(*[make_try(id, id) for id in range(1, 201)])
        assert (len(storm.sessions), storm.sessions_total) == (50, 200)
        monkeypatch.setattr(patterns, "HELD_STORMS", 10)
        finder = StormFinder()
        for id in range(3):
            finder.add(make_try(id, id))
        for id in range(100):
            finder.add(make_try(id, envelope=Envelope(b"%d" % id, (), None)))
        assert len(finder._open) == 10
        assert [storm.sessions_total for storm in finder.finish()] == [3]


class TestAttempts:
    def test_next_mx_with_the_same_envelope(self) -> None:
        (found,) = deliveries(make_try(1), make_try(2, 5, server=OTHER, **TAKEN))
        assert (found.kind, found.sessions) == ("attempts", (1, 2))
        assert plain(found.summary) == (
            "192.0.2.10 tried one delivery (from alice@example.org to bob@example.net) at 2 servers in 2 sessions: "
            "198.51.100.25 (rst by server at end-of-data), then 203.0.113.9 (took the message); delivered in the end; "
            "told to be one delivery by the same envelope"
        )

    def test_refused_then_the_next_server_by_time(self) -> None:
        (found,) = deliveries(make_try(1, **REFUSED), make_try(2, 1, server=OTHER, **TAKEN))
        assert found.sessions == (1, 2)
        assert "by the order in time" in plain(found.summary)

    def test_ipv6_then_ipv4_of_the_captured_host(self) -> None:
        six = make_try(1, client="2001:db8::a", server="2001:db8:1::25", vantage=Vantage.CLIENT, **SILENT)
        (found,) = deliveries(six, make_try(2, 30, vantage=Vantage.CLIENT, **TAKEN))
        assert found.summary[0] == Address("2001:db8::a")
        assert found.sessions == (1, 2)

    def test_ipv6_then_ipv4_by_the_name_in_ehlo(self) -> None:
        six = make_try(1, client="2001:db8::a", server="2001:db8:1::25")
        (found,) = deliveries(six, make_try(2, 5, **TAKEN))
        assert found.sessions == (1, 2)

    @pytest.mark.parametrize("order", list(permutations(range(3))))
    def test_the_order_in_which_sessions_ended_tells_nothing(self, order: tuple[int, ...]) -> None:
        """A host that names itself differently later is known by the name it began with."""
        other = dict(helo=b"other.example.org", envelope=Envelope(b"x@example.org", (), None))
        tries = [
            make_try(1),
            make_try(2, 5, server=OTHER, client="192.0.2.77", **TAKEN),
            make_try(3, 100, server=OTHER, **other),
        ]
        (found,) = deliveries(*[tries[at] for at in order])
        assert found.sessions == (1, 2)

    def test_broken_off_between_the_recipients(self) -> None:
        part = Envelope(b"alice@example.org", (), None)
        (found,) = deliveries(make_try(1, envelope=part, stage=Stage.MAIL), make_try(2, 5, server=OTHER, **TAKEN))
        assert found.sessions == (1, 2)

    def test_three_servers_of_which_the_middle_one_refused(self) -> None:
        (found,) = deliveries(
            make_try(1), make_try(2, 2, server="203.0.113.1", **REFUSED), make_try(3, 3, server=OTHER, **TAKEN)
        )
        assert found.sessions == (1, 2, 3)

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            (dict(), dict(began_s=5)),  # the same server
            (TAKEN, dict(began_s=5, server=OTHER)),  # the first was delivered
            (dict(), dict(began_s=5, server=OTHER, helo=b"other.example.org", client="192.0.2.77")),
            (dict(), dict(began_s=5, server=OTHER, envelope=Envelope(b"x@example.org", (), None))),
            (REFUSED, dict(began_s=70, server=OTHER)),  # too late to be told by time
            (REFUSED, dict(began_s=1, server=OTHER, client="192.0.2.77", helo=None)),
            (dict(), dict(began_s=5, server=OTHER, trace=1)),
        ],
    )
    def test_what_is_not_one_delivery(self, first: dict[str, Any], second: dict[str, Any]) -> None:
        assert deliveries(make_try(1, **first), make_try(2, **second)) == []

    def test_a_busy_host_is_not_told_by_time(self) -> None:
        running = make_try(1, lasted_s=100, server="203.0.113.50", envelope=Envelope(b"x@example.org", (), None), **{})
        assert deliveries(running, make_try(2, 1, **REFUSED), make_try(3, 2, server=OTHER, **TAKEN)) == []

    def test_memory_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(attempts, "HELD_TRIES", 10)
        finder = AttemptFinder()
        for id in range(100):
            finder.add(make_try(id, id, server=f"198.51.100.{id}"))
            assert len(finder._held) < 10
        assert len(finder.finish()) == 10


def test_a_session_becomes_a_try() -> None:
    judged = make_judged(7, verdict=make_verdict(dropped_by=Party.SERVER))
    one = try_of(judged.id, judged.session, judged.verdict)
    assert (one.id, one.client, one.helo, one.envelope, one.taken) == (
        7,
        "192.0.2.10",
        b"mail.example.org",
        ENVELOPE,
        True,
    )
    hidden = Tls(at(5), False, "TLS 1.3", (), None, at(9), (), (), (3, 3))
    behind_tls = make_judged(dialogue=make_dialogue(transactions=(), tls=hidden))
    assert try_of(1, behind_tls.session, behind_tls.verdict).envelope == Envelope(None, (), 800)
    silent = make_judged(
        connection=make_connection(server=Endpoint("2001:db8::1", 25)), dialogue=make_dialogue(transactions=())
    )
    assert try_of(1, silent.session, silent.verdict).envelope is None


def test_all_patterns_at_once() -> None:
    judged = [make_judged(id, verdict=make_verdict(dropped_by=Party.SERVER)) for id in (1, 2, 3)]
    (storm,) = patterns.find_patterns((one.id, one.session, one.verdict) for one in judged)
    assert storm.kind == "retry-storm"
