"""Facts that reports share, against their sources."""

from __future__ import annotations

from typing import Any

import pytest

from pcapdiag.capture.table import IcmpError
from pcapdiag.model import Endpoint, Party
from pcapdiag.report.facts import accepted, community_id, effect_of, flag_letters, session_key, wireshark_filters
from pcapdiag.smtp.dialogue import Recipient
from pcapdiag.tcp.connection import Effect
from tests.factories import at, make_connection, make_reply, make_reset, make_transaction, make_verdict


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [  # baseline/baseline_deflt.json of corelight/community-id-spec
        (("128.232.110.120", 34855), ("66.35.250.204", 80), "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
        (
            ("2001:470:e5bf:dead:4957:2174:e82c:4887", 63943),
            ("2607:f8b0:400c:c03::1a", 25),
            "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4=",
        ),
        (("1.2.3.4", 4584), ("43.3.132.3", 3483), "1:koNcqhFRD5kb254ZrLsdv630jCM="),
    ],
)
def test_community_id(one: tuple[str, int], other: tuple[str, int], expected: str) -> None:
    assert community_id(Endpoint(*one), Endpoint(*other)) == community_id(Endpoint(*other), Endpoint(*one)) == expected


def test_key_names_a_session_and_no_file() -> None:
    here = make_connection()
    elsewhere = make_connection(serial=7, first=at(900, capture=3), last=at(950, 9, capture=3))
    assert session_key(here) == session_key(elsewhere)
    assert session_key(here) != session_key(make_connection(first=at(1, 0.1)))
    assert len(session_key(here)) == 16


class TestFilters:
    def test_one_capture(self) -> None:
        flow = "ip.addr == 192.0.2.10 && ip.addr == 198.51.100.25 && tcp.port == 49152 && tcp.port == 25"
        assert list(wireshark_filters(make_connection())) == [(0, f"{flow} && frame.number >= 1 && frame.number <= 20")]

    def test_an_icmp_error_behind_the_last_segment_is_shown_too(self) -> None:
        error = IcmpError(0, 0, 0, 0, "203.0.113.9", 4, 3, 13, None, "192.0.2.10", "198.51.100.25", 49152, 25, None)
        ((_, text),) = wireshark_filters(make_connection(icmp=((at(23, 9), error),)))
        assert text.endswith("frame.number >= 1 && frame.number <= 23")

    def test_a_session_over_three_files_of_a_ring_and_ipv6(self) -> None:
        connection = make_connection(
            client=Endpoint("2001:db8::a", 50000),
            server=Endpoint("2001:db8::b", 25),
            first=at(900),
            last=at(12, 9, capture=2),
        )
        flow = "ipv6.addr == 2001:db8::a && ipv6.addr == 2001:db8::b && tcp.port == 50000 && tcp.port == 25"
        assert list(wireshark_filters(connection)) == [
            (0, f"{flow} && frame.number >= 900"),
            (1, flow),
            (2, f"{flow} && frame.number <= 12"),
        ]


REFUSED = make_reply(554, b"no", 14, 0.9)
PUT_OFF = make_reply(451, b"later", 14, 0.9)
UNANSWERED: dict[str, Any] = dict(reply=None)
UNFINISHED: dict[str, Any] = dict(reply=None, complete=False, terminator=None)


@pytest.mark.parametrize(
    ("fields", "finished", "open_or_missing"),
    [
        (dict(), True, True),
        (dict(reply=REFUSED), False, False),
        (dict(reply=PUT_OFF), False, False),
        (UNANSWERED, None, None),
        (dict(reply=make_reply(354, b"go on", 14, 0.9)), None, None),
        (UNFINISHED, False, None),
        (UNFINISHED | dict(octets=None), False, False),  # the server never said 354
        (UNFINISHED | dict(reset=True), False, False),
    ],
)
def test_accepted(fields: dict[str, Any], finished: bool | None, open_or_missing: bool | None) -> None:
    transaction = make_transaction(**fields)
    assert accepted(transaction) is finished
    assert accepted(transaction, None) is open_or_missing


def test_lmtp_answers_for_each_recipient() -> None:
    taken, refused = make_reply(250, b"ok", 14, 0.9), REFUSED
    both = (Recipient(b"a@example.net", taken, refused), Recipient(b"b@example.net", taken, taken))
    assert accepted(make_transaction(recipients=both, reply=taken)) is True
    assert accepted(make_transaction(recipients=both[:1], reply=refused)) is False
    assert accepted(make_transaction(recipients=both[::-1], reply=refused)) is True


def test_effect_of_a_reset_is_forged_where_the_verdict_says_so() -> None:
    reset = make_reset(effect=Effect.ECHO)
    later = reset.at._replace(time_ns=reset.at.time_ns + 1)
    assert effect_of(reset, make_verdict(end=later)) == "echo"
    assert effect_of(reset, make_verdict(end=reset.at)) == "ended", "what ended the session is no echo of its end"
    assert effect_of(reset, make_verdict(dropped_by=Party.MIDDLEBOX, forged=frozenset({reset.at}))) == "forged"


@pytest.mark.parametrize(
    ("flags", "letters"), [(0x14, "RA"), (0x04, "R"), (0x11, "FA"), (0x12, "SA"), (0xFF, "SFRPAUEC"), (0, "")]
)
def test_flags(flags: int, letters: str) -> None:
    assert flag_letters(flags) == letters
