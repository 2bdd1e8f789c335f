"""JSON against its committed schemas, and field by field against docs/reference/verdict.md section 3."""

from __future__ import annotations

import copy
import json
import unicodedata
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError

from pcapdiag.analysis import Analysis
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import (
    Address,
    Duration,
    How,
    Impact,
    Mailbox,
    Note,
    Party,
    Side,
    Stage,
    Strength,
    Vantage,
    Wire,
)
from pcapdiag.report import jsonl
from pcapdiag.report.json import dumps, render, session_object, time_text
from pcapdiag.report.ladder import RowKind
from pcapdiag.smtp.dialogue import DOT, Dialogue, MailTransaction, Missing, Recipient, TlsEntry
from pcapdiag.tcp.connection import Effect, Odd
from tests.factories import (
    T0,
    at,
    make_analysis,
    make_capture,
    make_closing,
    make_command,
    make_connection,
    make_dialogue,
    make_finding,
    make_half,
    make_judged,
    make_reply,
    make_reset,
    make_segment,
    make_transaction,
    make_verdict,
)


def schema(name: str) -> dict[str, Any]:
    text = (files("pcapdiag.report") / "schema" / f"{name}.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


ANALYSIS = Draft202012Validator(schema("analysis-1"))
SESSION = Draft202012Validator(schema("session-1"))


def printed(analysis: Analysis, **options: bool) -> dict[str, Any]:
    """What the program prints, read again and held against the schema."""
    text = "".join(render(analysis, **options))
    assert text.endswith("}\n")
    assert text.isascii()
    told: dict[str, Any] = json.loads(text)
    ANALYSIS.validate(told)
    for line in jsonl.render(analysis, **options):
        assert line.endswith("}\n")
        assert "\n" not in line[:-1]
        SESSION.validate(json.loads(line))
    return told


def one(**parts: Any) -> dict[str, Any]:
    """The JSON of one session, kept whole."""
    verdict = parts.pop("verdict", None) or make_verdict(dropped_by=Party.SERVER)
    (session,) = printed(make_analysis(make_judged(verdict=verdict, **parts)))["sessions"]
    assert isinstance(session, dict)
    return session


class TestSchemas:
    def test_they_are_schemas(self) -> None:
        Draft202012Validator.check_schema(ANALYSIS.schema)
        Draft202012Validator.check_schema(SESSION.schema)

    def test_both_define_the_same(self) -> None:
        whole, line = schema("analysis-1"), schema("session-1")
        session = whole["$defs"].pop("session")
        for name in ("capture", "group", "pattern", "summary"):
            del whole["$defs"][name]
        assert whole["$defs"] == line["$defs"]
        assert line["required"] == ["schema", *session["required"]]
        assert session["properties"].items() <= line["properties"].items()

    @pytest.mark.parametrize(
        ("name", "enumeration"),
        [
            ("dropped_by", Party),
            ("how", How),
            ("stage", Stage),
            ("impact", Impact),
            ("strength", Strength),
            ("kind", RowKind),
        ],
    )
    def test_enumerations_are_those_of_the_code(self, name: str, enumeration: Any) -> None:
        definitions = schema("session-1")["$defs"]
        where = definitions["row" if name == "kind" else "verdict"]["properties"][name]
        where = definitions[where["$ref"].rsplit("/", 1)[1]] if "$ref" in where else where
        assert set(where["enum"]) - {None} == {member.value for member in enumeration}

    @pytest.mark.parametrize(
        "path",
        [
            ("id",),
            ("verdict", "stage"),
            ("verdict", "end", "capture"),
            ("evidence", 0, "frames_total"),
            ("messages", 0, "reply_arrived"),
            ("messages", 0, "recipients", 0, "reply", "frame"),
            ("closing", "resets", 0, "effect"),
            ("tcp", "octets", "server"),
            ("dialogue", 0, "code"),
            ("dialogue", 1, "after_s"),
        ],
    )
    def test_each_field_of_the_contract_is_required(self, path: tuple[Any, ...]) -> None:
        session = one(connection=make_connection(closing=make_closing(resets=(make_reset(),))))
        session["schema"] = "pcapdiag.session/1"
        SESSION.validate(session)
        *way, last = path
        holder: Any = session
        for step in way:
            holder = holder[step]
        del holder[last]
        with pytest.raises(ValidationError):
            SESSION.validate(session)

    def test_they_are_open_for_additions_and_strict_about_words(self) -> None:
        session = one() | {"schema": "pcapdiag.session/1", "added_later": 1}
        SESSION.validate(session)
        other = copy.deepcopy(session)
        other["verdict"]["how"] = "hangup"
        with pytest.raises(ValidationError):
            SESSION.validate(other)
        with pytest.raises(ValidationError):
            SESSION.validate(session | {"helo": "\x1b[2J"})


class TestWhole:
    def test_an_empty_analysis(self) -> None:
        told = printed(make_analysis(captures=()))
        assert (told["sessions"], told["groups"], told["patterns"], told["captures"]) == ([], [], [], [])
        assert told["summary"]["dropped_by"] == dict.fromkeys((party.value for party in Party), 0)

    def test_captures_and_errors(self) -> None:
        info = make_capture(path="odd\x1b[2J\udcff.pcap", first_time_ns=None, last_time_ns=None, snaplen=None)
        info = info._replace(notes=(Note("truncated", "cut at the end", 1203), Note("dropped", "lost 3")))
        told = printed(make_analysis(captures=(info, make_capture())))
        first, second = told["captures"]
        assert first["path"] == "odd\\x1b[2J\\xff.pcap"
        assert first["notes"][0] == {"code": "truncated", "frame": 1203, "says": "cut at the end"}
        assert (first["first_time"], second["first_time"]) == (None, "2023-11-14T22:13:20.000000000Z")

    def test_sessions_groups_patterns_and_summary(self) -> None:
        dropped = make_verdict(dropped_by=Party.SERVER)
        told = printed(make_analysis(make_judged(1), *[make_judged(id, verdict=dropped) for id in (4, 2, 3)]))
        assert [session["id"] for session in told["sessions"]] == [1, 2, 3, 4]
        assert told["groups"][0] == {
            "server": "198.51.100.25",
            "dropped_by": "server",
            "how": "rst",
            "stage": "end-of-data",
            "rule": "PD301",
            "sessions": 3,
            "first": "2023-11-14T22:13:23.100000000Z",
            "last": "2023-11-14T22:13:23.100000000Z",
            "example": 2,
        }
        assert told["patterns"][0]["sessions"] == [2, 3, 4]
        assert told["summary"]["sessions"] == 4
        assert (told["summary"]["attention"], told["summary"]["dropped"]) == (3, 3)

    def test_the_dialogue_can_be_left_out(self) -> None:
        analysis = make_analysis(make_judged(verdict=make_verdict(dropped_by=Party.SERVER)))
        assert printed(analysis)["sessions"][0]["dialogue"]
        assert printed(analysis, dialogue=False)["sessions"][0]["dialogue"] == []


class TestSession:
    def test_who_when_and_where(self) -> None:
        session = one()
        assert (session["client"], session["server"]) == (
            {"address": "192.0.2.10", "port": 49152},
            {"address": "198.51.100.25", "port": 25},
        )
        assert (session["started"], session["ended"]) == (
            "2023-11-14T22:13:20.000000000Z",
            "2023-11-14T22:13:23.200000000Z",
        )
        assert (session["sides"], session["duration_s"], session["helo"]) == ("seen", 3.2, "mail.example.org")
        assert (session["capture"], session["first_frame"], session["last_capture"], session["last_frame"]) == (
            0,
            1,
            0,
            20,
        )
        assert session["last_command"] == {"verb": "QUIT", "capture": 0, "frame": 17}
        assert session["last_reply"] == {
            "code": 221,
            "enhanced": "2.0.0",
            "text": "2.0.0 Bye",
            "capture": 0,
            "frame": 18,
        }
        assert session["tcp"]["rtt_s"] == 0.03

    def test_verdict(self) -> None:
        verdict = make_verdict(
            dropped_by=Party.UNDETERMINED,
            could_also_be=(Party.SERVER, Party.MIDDLEBOX),
            how=How.OPEN,
            strength=None,
            waited_ns=None,
            owing=None,
            stalled_by=Party.CLIENT,
            vantage=Vantage.MIDDLE,
            vantage_evidence=(Evidence(("TTLs of both sides are lower than any system's first one",), (at(1), at(2))),),
            others=(make_finding(party=Party.SERVER, how=How.RST, strength=Strength.POSSIBLE),),
            against=(Evidence(("nothing was seen", " of it")),),
        )
        session = one(verdict=verdict)
        told = session["verdict"]
        assert (told["dropped_by"], told["could_also_be"], told["how"]) == (
            "undetermined",
            ["server", "middlebox"],
            "open",
        )
        assert (told["strength"], told["waited_s"], told["owing"], told["stalled_by"]) == (None, None, None, "client")
        assert told["end"] == {"capture": 0, "frame": 19, "time": "2023-11-14T22:13:23.100000000Z"}
        assert told["summary"] == "the session with 198.51.100.25 ended after 3.1 s in frame 19"
        assert (session["vantage"], session["vantage_evidence"][0]["frames"]) == ("middle", [1, 2])
        assert session["others"][0]["party"] == "server"
        assert session["against"] == [
            {"says": "nothing was seen of it", "capture": None, "frames": [], "frames_total": 0}
        ]

    def test_findings_and_next_steps(self) -> None:
        finding = make_finding(next_steps=(("ask ", Address("198.51.100.25")),))
        session = one(verdict=make_verdict(dropped_by=Party.SERVER, findings=(finding,)))
        assert session["findings"][0]["next_steps"] == ["ask 198.51.100.25"]
        assert session["findings"][0]["evidence"][0]["frames"] == [1]
        assert session["next_steps"] == ["look on 198.51.100.25 at the time of frame 19"]
        assert session["next_capture"].startswith("tcpdump ")

    def test_evidence_in_two_captures_has_an_object_for_each(self) -> None:
        evidence = Evidence(("seen again",), (at(7), at(3, 1, capture=1), at(4, 1, capture=1)), frames_total=90)
        judged = make_judged(verdict=make_verdict(evidence=(evidence, Evidence(("two",), (at(8), at(9))))))
        assert session_object(judged, ["a.pcap", "b.pcap"])["evidence"] == [
            {"says": "seen again", "capture": 0, "frames": [7], "frames_total": 88},
            {"says": "seen again", "capture": 1, "frames": [3, 4], "frames_total": 2},
            {"says": "two", "capture": 0, "frames": [8, 9], "frames_total": 2},
        ]

    def test_closing_ledger(self) -> None:
        resets = (
            make_reset(19),
            make_reset(21, Side.CLIENT, effect=Effect.ECHO, ip_id=-1),
            make_reset(22, effect=Effect.REFUSED),
        )
        connection = make_connection(closing=make_closing(resets=resets, history="ShAdDaR"))
        verdict = make_verdict(dropped_by=Party.MIDDLEBOX, forged=frozenset({resets[2].at}))
        closing = one(connection=connection, verdict=verdict)["closing"]
        assert closing["fins"][0] == {"capture": 0, "frame": 19, "from": "client", "seq": 812}
        assert closing["resets"][0] == {
            "capture": 0,
            "frame": 19,
            "from": "server",
            "flags": "RA",
            "seq": 4711,
            "window": 501,
            "ttl": 52,
            "ip_id": 7,
            "effect": "ended",
        }
        assert [reset["effect"] for reset in closing["resets"]] == ["ended", "echo", "forged"]

    def test_a_session_in_which_nothing_was_said(self) -> None:
        silent = make_dialogue(
            entries=(), exchanges=(), greeting=None, helo=None, transactions=(), transactions_total=0, positions=()
        )
        session = one(dialogue=silent)
        assert [session[name] for name in ("greeting", "last_command", "last_reply", "helo")] == [None] * 4
        assert session["messages"] == []
        assert session["key"] != ""


class TestMessages:
    def message(self, acked: int = 800, missing: int = 0, how: How = How.RST, **fields: Any) -> dict[str, Any]:
        halves = (make_half(Side.CLIENT, missing=missing), make_half(Side.SERVER, acked=acked))
        session = one(
            connection=make_connection(halves=halves),
            dialogue=make_dialogue(transactions=(make_transaction(**fields),)),
            verdict=make_verdict(dropped_by=Party.SERVER, how=how),
        )
        message = session["messages"][0]
        assert isinstance(message, dict)
        return message

    def test_one_that_was_taken(self) -> None:
        message = self.message()
        assert message["mail_from"] == "alice@example.org"
        assert message["recipients"][0]["accepted"] is True
        assert message["recipients"][0]["reply"]["text"] == "2.1.5 Ok"
        assert (message["octets"], message["declared_size"], message["complete"], message["queue_id"]) == (
            512,
            500,
            True,
            "4XyZ",
        )
        assert (message["accepted"], message["reply_arrived"]) == (True, True)

    def test_the_reply_never_reached_the_client(self) -> None:
        message = self.message(acked=699)
        assert (message["accepted"], message["reply_arrived"]) == (True, False)

    def test_no_reply_to_the_terminator(self) -> None:
        message = self.message(reply=None, queue_id=None)
        assert (message["accepted"], message["reply_arrived"], message["reply"], message["queue_id"]) == (
            None,
            None,
            None,
            None,
        )

    def test_broken_off(self) -> None:
        broken: dict[str, Any] = dict(reply=None, complete=False, terminator=None)
        assert self.message(**broken)["accepted"] is False
        assert self.message(how=How.OPEN, **broken)["accepted"] is None
        assert self.message(missing=1460, **broken)["accepted"] is None


def test_rows_have_what_their_kind_needs() -> None:
    entries = (
        make_reply(220, (b"mx", b"second"), 4, 0.1),
        make_command(b"EHLO", b"me", 5, 0.2),
        Missing(at(6, 0.3), Side.SERVER, 1460, "capture"),
        TlsEntry(at(7, 0.4), Side.CLIENT, 22, 512, "ClientHello", 512),
        make_command(DOT, b"", 8, 0.5),
    )
    connection = make_connection(segments=(make_segment(9, Side.SERVER, 1.0, Odd.RETRANSMISSION, length=26),))
    rows = one(dialogue=make_dialogue(entries=entries, greeting=entries[0]), connection=connection)["dialogue"]
    assert rows[0] == {
        "capture": 0,
        "frame": 4,
        "time": "2023-11-14T22:13:20.100000000Z",
        "after_s": 0.1,
        "from": "server",
        "kind": "greeting",
        "text": "mx\nsecond",
        "code": 220,
        "enhanced": None,
    }
    assert (rows[1]["verb"], rows[1]["text"]) == ("EHLO", "EHLO me")
    assert (rows[2]["kind"], rows[2]["octets"], rows[2]["text"]) == ("gap", 1460, "acknowledged, not captured")
    assert (rows[3]["kind"], rows[3]["text"]) == ("tls", "ClientHello")
    assert (rows[4]["verb"], rows[4]["note"]) == (".", "end of data")
    assert (rows[5]["kind"], rows[5]["segments"]) == ("retransmission", 1)


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (T0, "2023-11-14T22:13:20.000000000Z"),
        (T0 + 1, "2023-11-14T22:13:20.000000001Z"),
        (0, "1970-01-01T00:00:00.000000000Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (2**63 - 1, "2262-04-11T23:47:16.854775807Z"),
        (-(2**63), "1677-09-21T00:12:43.145224192Z"),
    ],
)
def test_times(ns: int, text: str) -> None:
    assert time_text(ns) == text


THINGS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(st.text(), THINGS))
def test_json_is_ascii_and_comes_back_as_it_was(thing: dict[str, Any]) -> None:
    text = dumps(thing)
    assert text.isascii()
    assert json.loads(text) == thing


def test_text_beyond_ascii_changes_nothing_but_itself() -> None:
    assert dumps({"a": [1, 0.5, None], "b": "\u00fc"}) == '{"a":[1,0.5,null],"b":"\\u00fc"}'


HOSTILE = [
    b"\x1b[2J\x1b]0;owned\x07",
    "\u202e\u2066\u200b\u2028".encode(),
    b"\x00\x01\x02",
    b"\xff\xfe\xc0\x80",
    b'"}],"sessions":[]',
    b"</script><!--",
    b"\r\nSet-Cookie: a",
]


def hostile_dialogue(octets: bytes) -> Dialogue:
    """All that a peer can say, said with these octets."""
    reply = make_reply(554, (octets, octets), 14, 0.9, enhanced=octets)
    transaction: MailTransaction = make_transaction(
        mail_from=octets, recipients=(Recipient(octets, reply, reply),), reply=reply, queue_id=octets
    )
    return make_dialogue(
        entries=(
            reply,
            make_command(octets, octets, 5, 0.2),
            TlsEntry(at(9, 1), Side.CLIENT, 22, 5, "ClientHello\x1b", 5),
        ),
        greeting=reply,
        helo=octets,
        transactions=(transaction,),
    )


@pytest.mark.parametrize("octets", HOSTILE, ids=lambda octets: repr(octets[:12]))
def test_hostile_text_never_gets_through(octets: bytes) -> None:
    verdict = make_verdict(
        dropped_by=Party.SERVER,
        summary=("it said ", Wire(octets), " to ", Mailbox(octets), " after ", Duration(5)),
        evidence=(Evidence((Wire(octets),), (at(14),)),),
        findings=(make_finding(summary=(Wire(octets),)),),
        why=(Wire(octets),),
    )
    judged = [make_judged(id, dialogue=hostile_dialogue(octets), verdict=verdict) for id in (1, 2, 3)]
    told = printed(make_analysis(*judged))
    assert told["patterns"]  # a storm, whose summary quotes the addresses
    for text in _texts(told):
        assert not {unicodedata.category(char) for char in set(text) - {"\n"}} & {"Cc", "Cf", "Zl", "Zp", "Cs"}
    for text in (told["sessions"][0]["verdict"]["summary"], told["patterns"][0]["summary"]):
        assert "\n" not in text


def test_64_kib_of_hostile_text_in_every_place_is_one_long_text() -> None:
    octets = b"A\xe9\\" * 21_846
    told = session_object(make_judged(dialogue=hostile_dialogue(octets)))
    assert told["helo"] == "A\\xe9\\\\" * 21_846
    assert told["greeting"]["text"] == told["helo"] + "\n" + told["helo"]


def _texts(thing: object) -> list[str]:
    if isinstance(thing, str):
        return [thing]
    if isinstance(thing, dict):
        return [text for key, value in thing.items() for text in (key, *_texts(value))]
    return [text for value in thing for text in _texts(value)] if isinstance(thing, list) else []


def test_wherever_a_frame_stands_its_capture_stands_beside_it() -> None:
    connection = make_connection(
        first=at(900),
        last=at(20, 3.2, capture=1),
        closing=make_closing(resets=(make_reset(),)),
    )
    told = printed(make_analysis(make_judged(connection=connection, verdict=make_verdict(dropped_by=Party.SERVER))))

    def check(thing: object) -> None:
        if isinstance(thing, dict):
            if {"frame", "frames"} & thing.keys():
                assert "capture" in thing
            for value in thing.values():
                check(value)
        elif isinstance(thing, list):
            for value in thing:
                check(value)

    check(told["sessions"])
    assert (told["sessions"][0]["capture"], told["sessions"][0]["last_capture"]) == (0, 1)
