"""Claims become one verdict: who goes before whom, what a tie means, and what a suspect capture is worth."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest

from pcapdiag.diagnosis.doubts import doubt_about, quit_may_be_hidden
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.judge import judge
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, Rule
from pcapdiag.diagnosis.verdict import Evidence, Verdict
from pcapdiag.model import How, Moment, Party, Side, Stage, Strength, Vantage
from pcapdiag.session import Session
from pcapdiag.smtp.dialogue import DOT, Body, Entry, Missing, TlsEntry
from pcapdiag.smtp.makers import make_exchange
from pcapdiag.tcp.connection import Handshake
from tests.factories import (
    at,
    make_closing,
    make_command,
    make_connection,
    make_dialogue,
    make_fin,
    make_half,
    make_reply,
    make_reset,
    make_surroundings,
)

# The package gives the function the name of its module.
module = importlib.import_module("pcapdiag.diagnosis.judge")

PROVEN, LIKELY, POSSIBLE = Strength.PROVEN, Strength.LIKELY, Strength.POSSIBLE

Given = tuple[str, Party | None, Strength | None, tuple[str, ...]]
"""A made-up rule: id, party, strength of its claim, whom it supersedes."""


def made(given: Given, **fields: Any) -> Rule:
    rule_id, party, strength, beaten = given

    def check(see: Observation) -> Iterator[Claim]:
        claim = Claim((f"{rule_id} says so",), (Evidence(("there",), (at(19, 3.1),)),), how=How.RST, end=at(19, 3.1))
        yield claim._replace(strength=strength, **fields)

    return Rule(rule_id, f"Title of {rule_id}", party, frozenset(Kind), frozenset(), frozenset(beaten), check, "")


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Judge a session that the server reset, by made-up rules only."""

    def with_rules(*rules: Rule, drops: int | None = None, missing: int = 0, **around: Any) -> Verdict:
        beats = {rule.id: rule.supersedes for rule in rules}
        monkeypatch.setattr(module, "rules_for", lambda kind, matters: rules)
        monkeypatch.setattr(module, "superseded_by", lambda rule_id: beats[rule_id])
        connection = make_connection(
            closing=make_closing((), (make_reset(19, Side.SERVER, 3.1),)),
            halves=(make_half(Side.CLIENT, missing=missing), make_half(Side.SERVER)),
        )
        dialogue = make_dialogue(exchanges=(), entries=(), transactions=())
        return judge(Session(connection, dialogue), make_surroundings(capture_drops=drops, **around))

    return with_rules


SERVER_RST: Given = ("PD302", Party.SERVER, LIKELY, ())
REFUSED: Given = ("PD303", Party.SERVER, LIKELY, ("PD302",))
FORGED: Given = ("PD402", Party.MIDDLEBOX, PROVEN, ("PD302", "PD303"))
BY_TTL: Given = ("PD401", Party.MIDDLEBOX, LIKELY, ())
WEAK: Given = ("PD407", Party.MIDDLEBOX, POSSIBLE, ())
CONTEXT: Given = ("PD611", None, None, ())

CASES: dict[str, tuple[tuple[Given, ...], str, Party, tuple[str, ...], tuple[str, ...]]] = {
    # rules -> chosen, party, others, superseded
    "one claim": ((SERVER_RST,), "PD302", Party.SERVER, (), ()),
    "the specific goes before the general": ((SERVER_RST, REFUSED), "PD303", Party.SERVER, (), ("PD302",)),
    "two generals at once": ((SERVER_RST, REFUSED, FORGED), "PD402", Party.MIDDLEBOX, (), ("PD302", "PD303")),
    "who is not there cannot be superseded": ((REFUSED,), "PD303", Party.SERVER, (), ()),
    "a weak claim goes before the general that it names": (
        (SERVER_RST, (*WEAK[:3], ("PD302",))),
        "PD407",
        Party.MIDDLEBOX,
        (),
        ("PD302",),
    ),
    "the stronger of two parties": ((SERVER_RST, WEAK), "PD302", Party.SERVER, ("PD407",), ()),
    "a tie between two parties names nobody": (
        (SERVER_RST, BY_TTL),
        "PD900",
        Party.UNDETERMINED,
        ("PD302", "PD401"),
        (),
    ),
    "a tie within one party": (
        (SERVER_RST, ("PD304", Party.SERVER, LIKELY, ())),
        "PD302",
        Party.SERVER,
        ("PD304",),
        (),
    ),
    "no claim": ((CONTEXT,), "PD900", Party.UNDETERMINED, (), ()),
}


@pytest.mark.parametrize(("rules", "chosen", "party", "others", "superseded"), CASES.values(), ids=CASES)
def test_choice(
    ask: Any,
    rules: tuple[Given, ...],
    chosen: str,
    party: Party,
    others: tuple[str, ...],
    superseded: tuple[str, ...],
) -> None:
    verdict = ask(*[made(each) for each in rules])
    assert (verdict.rule, verdict.dropped_by) == (chosen, party)
    assert tuple(each.rule for each in verdict.others) == others
    assert tuple(each.rule for each in verdict.superseded) == superseded


def test_a_tie_shows_both_claims(ask: Any) -> None:
    verdict = ask(made(SERVER_RST), made(BY_TTL))
    assert verdict.strength is None
    assert set(verdict.could_also_be) == {Party.SERVER, Party.MIDDLEBOX}
    assert [each.says for each in verdict.against] == [("PD302 says so",), ("PD401 says so",)]
    assert verdict.why == ("equally strong claims name a device in between and the server",)
    assert verdict.attention
    assert verdict.next_capture


def test_context_accompanies(ask: Any) -> None:
    verdict = ask(made(SERVER_RST), made(CONTEXT))
    assert [each.rule for each in verdict.findings] == ["PD611"]


TEMPERED: dict[str, tuple[Party, Strength, int | None, int, Strength]] = {
    # party, strength, the capture's drops, octets it missed -> strength
    "a whole capture": (Party.SERVER, LIKELY, None, 0, LIKELY),
    "no drops counted": (Party.SERVER, PROVEN, 0, 0, PROVEN),
    "proven, with drops": (Party.MIDDLEBOX, PROVEN, 3, 0, LIKELY),
    "proven, with octets missing": (Party.MIDDLEBOX, PROVEN, None, 100, LIKELY),
    "likely, with drops": (Party.SERVER, LIKELY, 3, 0, POSSIBLE),
    "likely, with octets missing at the end": (Party.SERVER, LIKELY, None, 100, POSSIBLE),
    "a silent path, with octets missing at the end": (Party.PATH, LIKELY, None, 100, LIKELY),
    "possible stays": (Party.SERVER, POSSIBLE, 3, 100, POSSIBLE),
    "an orderly end, proven": (Party.NOBODY, PROVEN, 3, 0, LIKELY),
    "an orderly end, likely": (Party.NOBODY, LIKELY, 3, 0, LIKELY),
}


@pytest.mark.parametrize(("party", "strength", "drops", "missing", "expected"), TEMPERED.values(), ids=TEMPERED)
def test_a_suspect_capture_lowers_the_claim(
    ask: Any, party: Party, strength: Strength, drops: int | None, missing: int, expected: Strength
) -> None:
    verdict = ask(made(("PD999", party, strength, ())), drops=drops, missing=missing)
    assert verdict.strength is expected
    assert bool(verdict.against) is (expected is not strength), "the doubt is told"
    if expected is POSSIBLE and strength is LIKELY:
        assert verdict.could_also_be
        assert party not in verdict.could_also_be


MIDWAY = Handshake((), (), at(1), None, None, None, False)
HOLE = Missing(at(10, 1.0), Side.CLIENT, 100, "capture")
SERVERS_HOLE = HOLE._replace(side=Side.SERVER)
CUT = Missing(at(12, 1.2), Side.CLIENT, 100, "snaplen")
ASKED, TOLD = make_command(b"RCPT", b"", 11, 1.1), make_reply(250, b"Ok", 12, 1.2)
CONTENT = Body(at(12, 1.2), at(9, 0.9), 500, False, False, 100)

RECORD = TlsEntry(at(13, 1.3), Side.CLIENT, 23, 100, "application data", 900)

DOUBTS: dict[str, tuple[tuple[Entry, ...], dict[str, int], dict[str, int], bool]] = {
    # what was said; fields of the client's half and of the server's -> a likely claim about the server stays so
    "a hole, and then a command": ((HOLE, ASKED, TOLD), dict(missing=100), {}, True),
    "a hole, and then only what the server said": ((ASKED, HOLE, TOLD), dict(missing=100), {}, False),
    "a hole, and then something that is no command": (
        (HOLE, ASKED._replace(known=False)),
        dict(missing=100),
        {},
        False,
    ),
    "a hole in content that went on": ((HOLE, CONTENT), dict(missing=100), {}, True),
    "content that ends in a hole": ((HOLE, CONTENT._replace(at=HOLE.at)), dict(missing=100), {}, False),
    "a hole, and a 221 at the end": ((HOLE, ASKED, TOLD._replace(code=221)), dict(missing=100), {}, False),
    "a hole in TLS, and then a record": ((HOLE, RECORD), dict(missing=100), {}, True),
    "a hole in TLS, and then an alert": ((HOLE, RECORD._replace(type=21)), dict(missing=100), {}, False),
    "cut in TLS, and the head of the record seen": ((CUT, RECORD), dict(cut=100), {}, True),
    "a hole of the server, and then a reply": ((SERVERS_HOLE, ASKED, TOLD), {}, dict(missing=100), True),
    "a hole of the server at the end": ((ASKED, TOLD, SERVERS_HOLE), {}, dict(missing=100), False),
    "cut, and then an answer": ((ASKED, CUT, TOLD), dict(cut=100), {}, False),
    "cut, and no answer: a QUIT would not count": ((ASKED, CUT), dict(cut=100), {}, True),
    "cut, and then a whole command": ((CUT, ASKED, TOLD), dict(cut=100), {}, True),
    "cut by less than a QUIT": ((ASKED, CUT._replace(octets=4), TOLD), dict(cut=4), {}, True),
}


@pytest.mark.parametrize(("said", "client", "server", "stays"), DOUBTS.values(), ids=DOUBTS)
def test_what_the_capture_lacks_may_hide_an_orderly_end(
    said: tuple[Entry, ...], client: dict[str, int], server: dict[str, int], stays: bool
) -> None:
    halves = (make_half(Side.CLIENT, **client), make_half(Side.SERVER, **server))
    see = Observation(
        Session(make_connection(halves=halves), make_dialogue(exchanges=(), entries=said)), make_surroundings()
    )
    doubt = doubt_about(see, Party.SERVER)
    assert (doubt is None or not doubt.lowers) is stays
    assert doubt is None or doubt.orderly


def test_a_fin_behind_octets_that_were_not_captured_is_doubted() -> None:
    """What the server said before it closed may have been the answer to the dot, or 221."""
    for offset, doubted in ((800, False), (827, True)):
        closing = make_closing(fins=(make_fin(19, Side.SERVER, 3.1, offset=offset),))
        see = Observation(Session(make_connection(closing=closing), make_dialogue()), make_surroundings())
        assert (doubt_about(see, Party.SERVER) is not None) is doubted


UNREAD = make_command(b"", b"", 12, 1.2, known=False, cut=True)
SERVERS_CUT = Missing(at(13, 1.3), Side.SERVER, 30, "snaplen")
CUT_DOT = make_command(DOT, b"", 12, 1.2, cut=True)

HIDING: dict[str, tuple[tuple[Entry, ...], bool]] = {
    # what was said last -> a QUIT and its 221 may be hidden in it
    "the end of a message and what was answered": ((CUT, CUT_DOT, SERVERS_CUT), True),
    "content and what was answered": ((CUT, CONTENT, SERVERS_CUT), True),
    "six octets and what was answered": ((CUT, UNREAD._replace(offset=94, end=100), SERVERS_CUT), True),
    "a long segment and what was answered": ((CUT, UNREAD._replace(offset=0, end=100), SERVERS_CUT), True),
    "an answer of which the code was seen": ((CUT, CUT_DOT, TOLD._replace(cut=True), SERVERS_CUT), True),
    "a line too long for QUIT": ((CUT, UNREAD._replace(offset=70, end=100), SERVERS_CUT), False),
    "nothing was answered": ((CUT, CUT_DOT), False),
    "all was seen of the answer": ((CUT, CUT_DOT, TOLD), False),
    "421 is no answer to QUIT": ((CUT, CUT_DOT, TOLD._replace(code=421, cut=True), SERVERS_CUT), False),
    "a command whose verb was seen": ((CUT, ASKED._replace(cut=True), SERVERS_CUT), False),
}


@pytest.mark.parametrize(("said", "hiding"), HIDING.values(), ids=HIDING)
def test_what_may_hide_a_quit_and_its_answer(said: tuple[Entry, ...], hiding: bool) -> None:
    halves = (make_half(Side.CLIENT, cut=100), make_half(Side.SERVER, cut=30))
    dialogue = make_dialogue(exchanges=(), entries=said)
    see = Observation(Session(make_connection(halves=halves), dialogue), make_surroundings())
    assert quit_may_be_hidden(see) is hiding


def test_records_behind_starttls_that_were_cut_may_hide_a_quit() -> None:
    asked = make_command(b"STARTTLS", b"", 11, 1.1)
    for exchanges, hiding in (((make_exchange((asked, None, Stage.STARTTLS)),), True), ((), False)):
        dialogue = make_dialogue(exchanges=exchanges, entries=(asked, CUT, UNREAD._replace(offset=76, end=100)))
        halves = (make_half(Side.CLIENT, cut=100), make_half(Side.SERVER))
        see = Observation(Session(make_connection(halves=halves), dialogue), make_surroundings())
        assert quit_may_be_hidden(see) is hiding


def test_a_capture_that_began_in_the_middle_wants_a_whole_step() -> None:
    midway = make_connection(handshake=MIDWAY)
    for said, doubted in (((ASKED, TOLD), False), ((TOLD, ASKED), True), ((), True)):
        see = Observation(Session(midway, make_dialogue(exchanges=(), entries=said)), make_surroundings())
        assert (doubt_about(see, Party.CLIENT) is not None) is doubted
        assert doubt_about(see, Party.PATH) is None


def test_what_was_named_already_stays_the_alternative(ask: Any) -> None:
    verdict = ask(made(SERVER_RST, could_also_be=(Party.MIDDLEBOX, Party.SERVER)), drops=1)
    assert verdict.could_also_be == (Party.MIDDLEBOX,), "nobody is an alternative to himself"


SETTLED = {
    "proven": (("PD402", Party.MIDDLEBOX, PROVEN, ()), {}, True),
    "likely": (SERVER_RST, {}, False),
    "benign": (SERVER_RST, dict(benign=True), True),
    "an orderly end": (("PD101", Party.NOBODY, LIKELY, ()), dict(how=How.QUIT), True),
    "still open": (("PD103", Party.NOBODY, LIKELY, ()), dict(how=How.OPEN), False),
}


@pytest.mark.parametrize(("given", "fields", "settled"), SETTLED.values(), ids=SETTLED)
def test_what_is_not_settled_names_the_next_capture(
    ask: Any, given: Given, fields: dict[str, Any], settled: bool
) -> None:
    verdict = ask(made(given, **fields))
    assert (verdict.next_capture is None) is settled
    if not settled:
        assert "tcpdump" in verdict.next_capture
        assert "icmp" in verdict.next_capture


def test_the_next_capture_is_taken_on_the_other_side(ask: Any) -> None:
    verdict = ask(made(SERVER_RST), captured_at=Vantage.CLIENT)
    assert verdict.vantage is Vantage.CLIENT
    assert any("On the server" in str(part) for step in verdict.next_steps for part in step)


def test_fields_of_the_claim_reach_the_verdict(ask: Any) -> None:
    end: Moment = at(15, 2.0)
    fields = dict(end=end, stage=Stage.AUTH, owing=Side.CLIENT, stalled_by=Party.CLIENT, forged=(end,))
    verdict = ask(made(SERVER_RST, **fields))
    assert (verdict.end, verdict.stage, verdict.owing) == (end, Stage.AUTH, Side.CLIENT)
    assert (verdict.stalled_by, verdict.forged) == (Party.CLIENT, frozenset({end}))
    assert verdict.how is How.RST


def test_benign_asks_for_no_attention(ask: Any) -> None:
    assert ask(made(SERVER_RST)).attention
    assert not ask(made(SERVER_RST, benign=True)).attention
    assert not ask(made(("PD101", Party.NOBODY, PROVEN, ()), how=How.QUIT)).attention
