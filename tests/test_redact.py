"""Redaction: everything that a report can show, over sessions made by hand, all scenes and the corpus."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar

import pytest

from pcapdiag.analysis import Analysis, InputError, Judged, KeepDialogue
from pcapdiag.capture.table import IcmpError
from pcapdiag.diagnosis.patterns import Pattern
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import Address, Mailbox, Moment, Note, Party, Side, Stage, Wire
from pcapdiag.pipeline import analyze
from pcapdiag.pseudonym import Level, Pseudonyms
from pcapdiag.redact import redact
from pcapdiag.redact.said import Said, masker_for
from pcapdiag.report import json as json_report
from pcapdiag.report import jsonl, text
from pcapdiag.report.facts import session_key
from pcapdiag.report.options import Options
from pcapdiag.smtp.dialogue import DOT, Dialogue, Exchange, MailTransaction, Oddity, OddKind, Recipient, Tls
from pcapdiag.tcp.connection import GapReason
from tests.factories import (
    CLIENT,
    SERVER,
    at,
    make_analysis,
    make_capture,
    make_command,
    make_connection,
    make_dialogue,
    make_finding,
    make_judged,
    make_reply,
    make_transaction,
    make_verdict,
)
from tests.smtp.scripts import HELLO
from tests.smtp.talk import C, Gap, S, Script, script, talk

T = TypeVar("T")
KEY = bytes(range(32))
MAIL, ALL, NONE = (Pseudonyms(level, KEY) for level in (Level.MAIL, Level.ALL, Level.NONE))
BOTH = pytest.mark.parametrize("names", [MAIL, ALL], ids=["mail", "all"])
CAPTURES = Path(__file__).parents[1] / "captures"


# --- A session in which every place that can hold a name holds one ---------------------------------------------------

NAME = b"anna"
ROUTER = "203.0.113.1"


SNAPLEN = GapReason.SNAPLEN


def full_dialogue() -> Dialogue:
    """Anna wherever the client or the server can say something, from laptop.example.com to mx.example.net."""
    greeting = make_reply(220, b"mx.example.net ESMTP, anna is here", 4, 0.1, offset=0)
    ehlo = make_command(b"EHLO", b"laptop.example.com", 5, 0.2)
    hello = make_reply(250, (b"mx.example.net Hello anna", b"SIZE 1000", b"X-NOTE anna@example.com"), 6, 0.3, offset=40)
    mail = make_command(b"MAIL", b"FROM:<anna@example.com> AUTH=anna+40example.com", 7, 0.3)
    rcpt = make_command(b"RCPT", b"TO:<anna@example.net> ORCPT=rfc822;anna@example.net", 9, 0.4)
    refusal = make_reply(550, b"5.1.1 <anna>: user anna unknown on mx.example.net [198.51.100.25]", 10, 0.5, offset=90)
    queued = make_reply(250, b"2.0.0 anna: queued as 4XyZ", 14, 0.9, offset=150)
    typed = make_command(b"ANNA", b"", 11, 0.5, known=False)
    users = make_command(b"VRFY", b"anna", 12, 0.5)
    dot = make_command(DOT, b"", 13, 0.6)
    message = MailTransaction(
        mail_from=b"anna@example.com",
        mail=Exchange(mail, queued, Stage.MAIL),
        recipients=(Recipient(b"anna@example.net", refusal, queued),),
        recipients_total=1,
        declared_size=500,
        octets=512,
        complete=True,
        terminator=dot,
        reply=queued,
        queue_id=b"4XyZ",
        reset=False,
    )
    return make_dialogue(
        entries=(greeting, ehlo, hello, mail, rcpt, refusal, typed, users, dot, queued),
        exchanges=(Exchange(ehlo, hello, Stage.EHLO), Exchange(rcpt, refusal, Stage.RCPT), message.mail),
        greeting=greeting,
        helo=b"laptop.example.com",
        transactions=(message,),
        tls=Tls(at(15), False, "TLS 1.3", (), b"mx.example.net", None, (), (), (0, 0)),
        oddities=(Oddity(OddKind.PROXY_V1, at(4), Side.CLIENT, b"PROXY TCP4 192.0.2.10 198.51.100.25 1 25 anna"),),
        outstanding=(users, mail),
    )


def full_judged() -> Judged:
    """The same in every sentence of the verdict."""
    says = (
        "quoted: ",
        Wire(b"user anna on mx.example.net"),
        " ",
        Mailbox(b"anna@example.net"),
        " ",
        Address(SERVER.address),
    )
    evidence = (Evidence(says, (at(3),)),)
    finding = make_finding(summary=says, evidence=evidence, against=evidence, next_steps=(says,))
    verdict = make_verdict(
        dropped_by=Party.SERVER,
        summary=says,
        evidence=evidence,
        against=evidence,
        next_steps=(says,),
        next_capture=f"tcpdump -i any -w a.pcap '(host {SERVER.address} and tcp port 25) or icmp'",
        findings=(finding,),
        others=(finding,),
        superseded=(finding,),
        why=says,
        vantage_evidence=evidence,
    )
    error = IcmpError(0, 0, 0, 8, ROUTER, 4, 3, 1, None, CLIENT.address, SERVER.address, CLIENT.port, SERVER.port, None)
    return make_judged(connection=make_connection(icmp=((at(8), error),)), dialogue=full_dialogue(), verdict=verdict)


def leaves(thing: Any, way: str = "", kind: type | UnionType = bytes | str) -> Iterator[tuple[str, str]]:
    """Every text and octet string in a value, with the way that leads to it."""
    if isinstance(thing, kind):
        yield way, thing.decode("utf-8", "replace") if isinstance(thing, bytes) else thing
    elif dataclasses.is_dataclass(thing):
        for field in dataclasses.fields(thing):
            yield from leaves(getattr(thing, field.name), f"{way}.{field.name}", kind)
    elif isinstance(thing, tuple | list | frozenset):
        named = getattr(thing, "_fields", range(len(thing)))
        for name, each in zip(named, thing, strict=True):
            yield from leaves(each, f"{way}.{name}", kind)


def only(analysis: Analysis) -> Judged:
    (judged,) = analysis.sessions
    return judged


@pytest.mark.parametrize(
    ("names", "hidden"),
    [
        (MAIL, ["anna"]),
        (ALL, ["anna", "laptop", "example.com", "mx.example", CLIENT.address, SERVER.address, ROUTER]),
    ],
    ids=["mail", "all"],
)
def test_no_place_is_forgotten(names: Pseudonyms, hidden: list[str]) -> None:
    before = dict(leaves(full_judged()))
    after = dict(leaves(only(redact(make_analysis(full_judged()), names))))
    assert before.keys() == after.keys()
    for word in hidden:
        assert sum(word in told.lower() for told in before.values()) > 0, word
        assert [way for way, told in after.items() if word in told.lower()] == [], word


@BOTH
def test_what_the_other_side_finds_the_mail_by_stays(names: Pseudonyms) -> None:
    told = only(redact(make_analysis(full_judged()), names))
    before = full_judged()
    message = told.session.dialogue.transactions[0]
    assert (message.queue_id, message.octets, message.declared_size) == (b"4XyZ", 512, 500)
    assert message.reply is not None
    assert message.reply.text.endswith(b": queued as 4XyZ")
    assert told.verdict.end == before.verdict.end
    assert [entry.at for entry in told.session.dialogue.entries] == [at_ for at_ in moments(before)]
    if names is MAIL:
        assert told.session.connection == before.session.connection
        assert told.session.dialogue.helo == b"laptop.example.com"
        assert told.session.dialogue.entries[2].lines[:2] == (  # type: ignore[union-attr]
            b"mx.example.net Hello " + MAIL.local_part(NAME),
            b"SIZE 1000",
        )


def moments(judged: Judged) -> list[Moment]:
    return [entry.at for entry in judged.session.dialogue.entries]


@BOTH
def test_a_name_has_one_pseudonym_wherever_it_stands(names: Pseudonyms) -> None:
    told = only(redact(make_analysis(full_judged()), names))
    pseudonym = names.local_part(NAME).decode()
    changed = [
        (was, is_)
        for (_, was), (_, is_) in zip(leaves(full_judged()), leaves(told), strict=True)
        if "anna" in was.lower()
    ]
    for was, is_ in changed:
        assert is_.lower().count(pseudonym) == was.lower().count("anna"), (was, is_)


def test_at_level_all_texts_tables_and_filters_name_the_same_address() -> None:
    told = only(redact(make_analysis(full_judged()), ALL))
    server = ALL.address(SERVER.address)
    assert told.session.server.address == server
    refusal = told.session.dialogue.transactions[0].recipients[0].reply
    assert refusal is not None
    assert f"[{server}]".encode() in refusal.text
    assert f"host {server} and tcp port 25" in (told.verdict.next_capture or "")
    assert session_key(told.session.connection) != session_key(full_judged().session.connection)


def test_the_null_path_stays_and_roles_are_masked() -> None:
    message = make_transaction(
        mail_from=b"",
        recipients=(Recipient(b"postmaster@example.net", None, None), Recipient(b"Postmaster", None, None)),
    )
    (told,) = only(
        redact(make_analysis(make_judged(dialogue=make_dialogue(transactions=(message,)))), MAIL)
    ).session.dialogue.transactions
    role = MAIL.local_part(b"postmaster")
    assert told.mail_from == b""
    assert [each.address for each in told.recipients] == [role + b"@example.net", role]


# --- The whole -------------------------------------------------------------------------------------------------------


class Untouched:
    """Sessions that nobody may read yet."""

    def __len__(self) -> int:
        return 12_000

    def __iter__(self) -> Iterator[Judged]:
        raise AssertionError("read too early")

    def each(self, tell: Callable[[Judged], T], numbers: Iterable[int] | None = None) -> Iterator[T]:
        raise AssertionError("read too early")


def test_level_none_hands_the_sessions_through_and_others_wait_until_they_are_asked() -> None:
    analysis = make_analysis()._replace(sessions=Untouched())
    assert redact(analysis, NONE) == analysis
    assert redact(analysis, NONE).sessions is analysis.sessions
    assert len(redact(analysis, MAIL).sessions) == 12_000
    assert [redact(analysis, names).redaction for names in (NONE, MAIL, ALL)] == ["none", "mail", "all"]


def test_sessions_are_picked_by_their_ids() -> None:
    analysis = redact(make_analysis(make_judged(1), make_judged(2), make_judged(3)), MAIL)
    assert list(analysis.sessions.each(id_of, [3, 1])) == [3, 1]


def id_of(judged: Judged) -> int:
    return judged.id


@BOTH
def test_of_files_the_name_is_left_and_what_somebody_wrote_into_them_is_not(names: Pseudonyms) -> None:
    info = make_capture(
        path="/home/anna/traces/a.pcap",
        notes=(
            Note("comment", "comment in the capture: anna was here"),
            Note("cut", "/home/anna/traces/a.pcap is cut", 3),
        ),
    )
    error = InputError(r"C:\Users\anna\b.pcap", r"cannot open C:\Users\anna\b.pcap")
    told = redact(make_analysis(captures=(info,))._replace(errors=(error,)), names)
    assert [each.path for each in told.captures] == ["a.pcap"]
    assert [note.says for note in told.captures[0].notes] == [
        "comment in the capture, of 13 characters: not told",
        "a.pcap is cut",
    ]
    assert told.errors == (InputError("b.pcap", "cannot open b.pcap"),)


@BOTH
def test_patterns_and_groups(names: Pseudonyms) -> None:
    pattern = Pattern("attempts", (Address(CLIENT.address), " sent ", Mailbox(b"anna@example.com")), (1,), 1)
    analysis = make_analysis(make_judged())._replace(patterns=(pattern,))
    told = redact(analysis, names)
    assert told.patterns[0].summary == (
        Address(names.address(CLIENT.address)),
        " sent ",
        Mailbox(names.mailbox(b"anna@example.com")),
    )
    assert told.groups[0].server == names.address(SERVER.address) == only(told).session.server.address


@BOTH
def test_several_processes_tell_the_same(names: Pseudonyms) -> None:
    story = [str(CAPTURES / "article-499-no-routing-hosts/capture.pcap")]
    one, two = ("".join(json_report.render(redact(analyze(story, processes=number), names))) for number in (1, 2))
    assert one == two
    assert json.loads(one)["redaction"] == names.level.value


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (NONE, None),
        (MAIL, "Redacted (mail): local parts of mail addresses are pseudonyms."),
        (ALL, "Redacted (all): local parts of mail addresses, host names and IP addresses are pseudonyms."),
    ],
    ids=["none", "mail", "all"],
)
def test_a_report_says_which_level_it_is(names: Pseudonyms, line: str | None) -> None:
    analysis = redact(make_analysis(make_judged()), names)
    page = "".join(text.render(analysis, Options(width=200)))
    assert ("Redacted" in page) == (line is not None)
    assert line is None or line + "\n" in page
    assert json.loads("".join(json_report.render(analysis)))["redaction"] == names.level.value
    assert json.loads("".join(jsonl.render(analysis)))["redaction"] == names.level.value


# --- Nothing comes through -------------------------------------------------------------------------------------------

OUR_WORDS = {"nobody", "rcpt", "sender"}
"""Local parts in these captures that our own sentences and the protocol say anyway, which tells nobody a name. In what came
from the wire they are looked for like all others."""
_WORD = re.compile(r"[A-Za-z0-9_.\-\x80-\U0010ffff]+")
_HOST = re.compile(r"[\w-]+(\.[\w-]+)*\.[a-z]{2,}")
_PROMPT = re.compile(r"(user ?name|password):?\0*", re.I)
_BASE64 = re.compile(rb"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{8,}={0,2}(?=\r\n)")


def words(page: str) -> set[str]:
    """The words of a text: whole, and what stands between hyphens where no dot makes a host name of it."""
    found = set()
    for word in _WORD.findall(page.lower()):
        plain = word.strip(".")
        found.add(plain)
        if "." not in plain:
            found.update(re.split("[-_]", plain))
    return found


def told(analysis: Analysis) -> str:
    """All that is said of an analysis, as JSON and as text."""
    options = Options(dialogue=KeepDialogue.ALL, width=1000, details=10_000)
    strings = texts(json.loads("".join(json_report.render(analysis))))
    return "\n".join(["".join(text.render(analysis, options)), *strings])


def texts(thing: Any) -> Iterator[str]:
    """The strings in what JSON holds."""
    if isinstance(thing, str):
        yield thing
    elif isinstance(thing, dict | list):
        for each in thing.values() if isinstance(thing, dict) else thing:
            yield from texts(each)


def envelope(analysis: Analysis) -> Iterator[tuple[str, str]]:
    """(local part, domain) of every address in the envelopes."""
    for judged in analysis.sessions:
        for message in judged.session.dialogue.transactions:
            for address in (message.mail_from, *(each.address for each in message.recipients)):
                plain = address.decode("utf-8", "replace").lower()
                local, at_sign, domain = plain.rpartition("@")
                yield (local if at_sign else domain).rpartition(":")[2].strip('"'), domain if at_sign else ""


def secrets(path: Path) -> set[str]:
    """Lines of base64 in a capture, and what they say: credentials, and parts of bodies."""
    found = set()
    for line in _BASE64.findall(path.read_bytes()):
        try:
            plain = base64.b64decode(line, validate=True).decode("ascii")
        except ValueError:
            continue
        if plain.replace("\0", "").isprintable() and not _PROMPT.match(plain):
            found |= {line.decode().lower(), *(each.lower() for each in plain.split("\0") if len(each.strip()) >= 6)}
    return found


def said(analysis: Analysis) -> set[str]:
    """The words in everything that came from the wire, but for verbs and the client's name of itself."""
    found: set[str] = set()
    for judged in analysis.sessions:
        octets = [each for way, each in leaves(judged, kind=bytes) if not way.endswith((".verb", ".helo"))]
        found |= words("\n".join(octets))
    return found


def elsewhere(analysis: Analysis) -> set[str]:
    """What level ``all`` hides besides: addresses, and the names of hosts in HELO, greeting and envelope."""
    found = {end.address for judged in analysis.sessions for end in (judged.session.client, judged.session.server)}
    found |= {domain for _, domain in envelope(analysis) if "." in domain}
    for judged in analysis.sessions:
        dialogue = judged.session.dialogue
        greeting = dialogue.greeting.text.split(b" ")[0] if dialogue.greeting else b""
        found |= {each for each in words(f"{dialogue.helo!r} {greeting!r}") if _HOST.fullmatch(each)}
    return found - {"127.0.0.1", "::1", "localhost.localdomain"}


def check_no_leak(path: Path) -> tuple[int, int]:
    """How many local parts and secrets there were to be hidden."""
    analysis = analyze([str(path)], keep_dialogue=KeepDialogue.ALL)
    people = {local for local, _ in envelope(analysis) if len(local) >= 3}
    hosts, hidden = elsewhere(analysis), secrets(path)
    for names in (MAIL, ALL):
        redacted = redact(analysis, names)
        page = told(redacted).lower()
        found = words(page)
        assert {local for local in people if local + "@" in page} == set()
        assert people & said(redacted) == set()
        assert people & found <= OUR_WORDS | (hosts if names is MAIL else set())
        assert {secret for secret in hidden if secret in found or (secret in page and len(secret) >= 8)} == set()
    assert hosts & found == set()
    return len(people), len(hidden)


@cache
def scenes() -> tuple[Path, ...]:
    return tuple(sorted(CAPTURES.glob("*/capture.pcap")))


@pytest.mark.parametrize("path", scenes(), ids=lambda path: path.parent.name)
def test_no_scene_leaks(path: Path) -> None:
    check_no_leak(path)


def test_no_lab_capture_leaks() -> None:
    hidden = [check_no_leak(path) for path in sorted(CAPTURES.glob("lab/**/*.pcap"))]
    assert sum(locals_ for locals_, _ in hidden) > 100


@pytest.mark.corpus
def test_no_real_capture_leaks(corpus: Path) -> None:
    hidden = [check_no_leak(path) for path in sorted((corpus / "smtp").rglob("*")) if path.is_file()]
    assert sum(locals_ for locals_, _ in hidden) > 100
    assert sum(secrets_ for _, secrets_ in hidden) > 100


@pytest.mark.parametrize(
    ("steps", "hidden"),
    [
        # the reply was cut, by the snap length or because nothing more came
        ([(C, b"MAIL FROM:<zoe.miller@x.example>\r\n"), (S, b"550 5.1.8 zoe.mil"), Gap(S, 30, SNAPLEN)], b"zoe.m"),
        ([(C, b"MAIL FROM:<zoe.miller@x.example>\r\n"), (S, b"550 no zoe.mill")], b"zoe.m"),
        ([(S, b"550 5.1.1 <zoe.miller"), Gap(S, 30, SNAPLEN)], b"zoe.m"),
        # the command was
        ([(C, b"MAIL FROM:<zoe"), Gap(C, 30, SNAPLEN), (S, b"550 5.1.8 zoe.miller: unknown\r\n")], b"miller"),
        # a mail address where none belongs
        ([(C, b"HELO zoe.miller@x.example\r\n"), (S, b"501 zoe.miller is no host\r\n")], b"miller"),
        ([(C, b'MAIL FROM:"Zoe" <zoe.miller@x.example>\r\n'), (S, b"501 zoe.miller: syntax\r\n")], b"miller"),
        ([(C, b"MAIL FROM:< zoe.miller@x.example >\r\n"), (S, b"501 zoe.miller: syntax\r\n")], b"miller"),
        ([(C, b"MAIL FROM:<mailto:zoe.miller@x.example>\r\n"), (S, b"501 zoe.miller: syntax\r\n")], b"miller"),
    ],
)
def test_names_that_were_cut_or_stand_where_none_belongs(steps: Script, hidden: bytes) -> None:
    dialogue = talk([*script(HELLO), *steps])
    masker = masker_for(dialogue, MAIL)
    told = repr(Said(dialogue, masker).dialogue()).lower()
    assert hidden.decode() in repr(dialogue).lower()
    assert hidden.decode() not in told


def test_the_end_of_a_reply_that_was_cut_is_no_name_otherwise() -> None:
    steps: Script = [(C, b"MAIL FROM:<usher@x.example>\r\n"), (S, b"550 5.1.8 no such us"), Gap(S, 30, SNAPLEN)]
    dialogue = talk([*script(HELLO), *steps])
    assert b"no such us" in Said(dialogue, masker_for(dialogue, MAIL)).dialogue().entries[-1].text  # type: ignore[union-attr]
