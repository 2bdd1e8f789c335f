"""Filters, one by one; and that a selection numbers nothing anew."""

from __future__ import annotations

from typing import Any

import pytest

from pcapdiag.analysis import Analysis
from pcapdiag.model import Endpoint, Party
from pcapdiag.selection import Filter, select
from pcapdiag.smtp.dialogue import Recipient
from tests.factories import (
    T0,
    at,
    make_analysis,
    make_connection,
    make_dialogue,
    make_judged,
    make_reply,
    make_transaction,
    make_verdict,
)


@pytest.fixture(params=[0, 1 << 30], ids=["from the file", "from memory"])
def analysis(request: pytest.FixtureRequest) -> Analysis:
    """1 orderly; 2 reset by the server; 3 undetermined; 4 reset, over IPv6, another mail, a minute later."""
    six = make_connection(
        client=Endpoint("2001:db8::a", 50000), server=Endpoint("2001:db8:1::25", 587), first=at(50, 60), last=at(60, 65)
    )
    other = make_dialogue(
        greeting=make_reply(220, b"smtp.example.com ESMTP", 53, 61),
        helo=b"Relay.Example.COM",
        transactions=(
            make_transaction(mail_from=b"Carol@example.com", recipients=(Recipient(b"dave@example.edu", None, None),)),
        ),
    )
    reset = make_verdict(dropped_by=Party.SERVER)
    return make_analysis(
        make_judged(1),
        make_judged(2, verdict=reset),
        make_judged(3, verdict=make_verdict(dropped_by=Party.UNDETERMINED)),
        make_judged(4, verdict=reset, connection=six, dialogue=other),
        budget=request.param,
    )


@pytest.mark.parametrize(
    ("fields", "ids"),
    [
        (dict(), [1, 2, 3, 4]),
        (dict(dropped=True), [2, 4]),
        (dict(attention=True), [2, 3, 4]),
        (dict(ids=frozenset({1, 4, 99})), [1, 4]),
        (dict(client="192.0.2.10"), [1, 2, 3]),
        (dict(client="192.0.2.0/24"), [1, 2, 3]),
        (dict(client="192.0.2.11"), []),
        (dict(client="192.0.2.1"), []),  # an address is no part of a name
        (dict(client="2001:DB8:0::a"), [4]),
        (dict(client="[2001:db8::a]"), [4]),
        (dict(client="2001:db8::/64"), [4]),
        (dict(client="relay.example"), [4]),
        (dict(server="2001:db8:1::/48"), [4]),
        (dict(server="MX.EXAMPLE"), [1, 2, 3]),
        (dict(sender="carol@"), [4]),
        (dict(sender="alice", recipient="bob"), [1, 2, 3]),
        (dict(sender="alice", recipient="dave"), []),
        (dict(recipient="example.EDU"), [4]),
        (dict(since_ns=T0 + 10 * 10**9), [4]),
        (dict(since_ns=T0 + 62 * 10**9), [4]),  # still going on then
        (dict(until_ns=T0 + 10 * 10**9), [1, 2, 3]),
        (dict(dropped=True, client="192.0.2.10"), [2]),
    ],
)
def test_filters(analysis: Analysis, fields: dict[str, Any], ids: list[int]) -> None:
    chosen = select(analysis, Filter(**fields))
    assert [judged.id for judged in chosen.sessions] == ids
    assert [judged.id for judged in chosen.sessions] == ids
    assert len(chosen.sessions) == len(ids)


def test_counts_stay_those_of_the_whole_and_groups_are_of_the_selection(analysis: Analysis) -> None:
    chosen = select(analysis, Filter(dropped=True, client="192.0.2.10"))
    assert (chosen.total, chosen.attention, chosen.dropped) == (4, 3, 2)
    assert [(group.server, group.sessions, group.example) for group in chosen.groups] == [("198.51.100.25", 1, 2)]


def test_any_predicate_and_a_selection_of_a_selection(analysis: Analysis) -> None:
    chosen = select(select(analysis, Filter(dropped=True)), lambda judged: judged.id > 2)
    assert [judged.id for judged in chosen.sessions] == [4]


def test_patterns_stay_where_they_hold_a_selected_session() -> None:
    reset = make_verdict(dropped_by=Party.SERVER)
    whole = make_analysis(*[make_judged(id, verdict=reset) for id in (1, 2, 3)], make_judged(4))
    assert [pattern.kind for pattern in select(whole, Filter(ids=frozenset({2}))).patterns] == ["retry-storm"]
    assert select(whole, Filter(ids=frozenset({4}))).patterns == ()
