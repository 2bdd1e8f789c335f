"""The scorer is fair: what counts as right, as an accusation, as too shy; and what the simple rule says of real ends."""

from typing import Any

import pytest

from .score import Answer, Scored, Tally, accuses_wrongly, everything, miss_line, missed

ACCEPTED: dict[str, Any] = {
    "dropped_by": ["server", "path"],
    "how": ["fin"],
    "stage": ["rcpt"],
    "impact": ["delayed"],
    "undetermined_ok": None,
    "why": "it is made up",
}
LACKING = ACCEPTED | {"undetermined_ok": "only one side's packets were captured"}


def tally(accepted: dict[str, Any], said: Answer | None) -> Tally:
    tally = Tally()
    tally.add(accepted, said)
    return tally


def test_every_accepted_party_is_right() -> None:
    for party in ("server", "path"):
        assert tally(ACCEPTED, Answer(party, "fin", "rcpt", "delayed")) == Tally(1, 1, 1, 1, 1)


@pytest.mark.parametrize("party", ["client", "middlebox", "nobody"])
def test_whoever_else_is_named_is_accused_wrongly(party: str) -> None:
    said = Answer(party, "rst", "data", "none")
    assert accuses_wrongly(LACKING, said)
    assert tally(LACKING, said) == Tally(1, wrong=1)


def test_undetermined_accuses_nobody_and_is_not_right() -> None:
    said = Answer("undetermined", "fin", "rcpt", "delayed")
    assert not accuses_wrongly(ACCEPTED, said)
    assert tally(ACCEPTED, said) == Tally(1, how=1, stage=1, impact=1, shy=1)
    assert tally(LACKING, said) == Tally(1, how=1, stage=1, impact=1, excused=1)


def test_a_session_that_is_not_found_counts_against_us() -> None:
    assert tally(ACCEPTED, None) == Tally(1, missing=1)


def test_a_miss_says_what_and_why() -> None:
    said = Answer("client", "fin", "data", "delayed", "likely", "PD201")
    one = Scored("made_up", "client.pcap", "client", frozenset(), {}, ACCEPTED, said, None)
    assert missed(one) == ["dropped_by", "stage"]
    assert miss_line(one) == (
        "made_up, client.pcap: WRONG ACCUSATION: we say client; fin; data; delayed (likely, PD201); "
        "accepted: server/path; fin; rcpt; delayed, because it is made up"
    )


@pytest.mark.parametrize(
    ("scenario", "naive"),
    [
        ("data_server_aborts", Answer("server", "rst")),
        ("rcpt_client_aborts", Answer("client", "rst")),
        ("body_forged_fin", Answer("server", "fin")),  # deceived, as who believes source addresses is
        ("idle_open", Answer("nobody", "open")),
    ],
)
def test_the_simple_rule_believes_the_first_fin_or_rst(scenario: str, naive: Answer) -> None:
    assert [one.naive for one in everything() if (one.scenario, one.place) == (scenario, "client")] == [naive]
