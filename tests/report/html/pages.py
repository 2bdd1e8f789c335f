"""Pages of stories, read back with Python's own HTML parser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC
from html.parser import HTMLParser

from pcapdiag.analysis import Analysis, InputError, Judged
from pcapdiag.capture.table import IcmpError
from pcapdiag.diagnosis.patterns import Pattern
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import Address, How, Impact, Mailbox, Note, Party, Stage, Wire
from pcapdiag.report.formats import render
from pcapdiag.report.options import Options
from tests.factories import (
    at,
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
from tests.report.stories import analysis_of

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


def page(analysis: Analysis, **options: object) -> str:
    """The page as the command line writes it."""
    return "".join(render("html", analysis, Options(**({"zone": UTC, "ports": (25,)} | options))))  # type: ignore[arg-type]


@dataclass
class Element:
    """One element of a page."""

    tag: str
    attributes: dict[str, str | None]
    parents: tuple[Element, ...] = field(repr=False)
    pieces: list[str] = field(default_factory=list, repr=False)

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def classes(self) -> list[str]:
        return (self.attributes.get("class") or "").split()


class Document(HTMLParser):
    """The elements of a page in order, each with all text inside it."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(text)
        self.close()
        assert not self._open, f"not closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute twice in {self.get_starttag_text()}"
        element = Element(tag, dict(attrs), tuple(self._open))
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, dict(attrs), tuple(self._open)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open[-1].tag == tag, f"</{tag}> closes {self._open[-1]}"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.pieces.append(data)

    def all(self, *tags: str) -> Iterator[Element]:
        return (element for element in self.elements if element.tag in tags)

    def one(self, tag: str) -> Element:
        (element,) = self.all(tag)
        return element

    @property
    def shapes(self) -> set[tuple[str, str | None, frozenset[str]]]:
        """What kinds of elements there are: name, parent's name, names of attributes."""
        return {
            (each.tag, each.parents[-1].tag if each.parents else None, frozenset(each.attributes))
            for each in self.elements
        }


def told_by(payload: bytes) -> Analysis:
    """A story in which everything that a stranger, or whoever named the files, can write is this."""
    text = payload.decode("utf-8", "replace")
    whole = make_dialogue()
    greeting = make_reply(220, payload, 4, 0.1)
    refusal = make_reply(550, (b"5.7.1 " + payload, payload), 10, 0.45, enhanced=payload)
    rcpt = make_command(b"RCPT", b"TO:<" + payload + b"@example.net>", 9, 0.4)
    entries = (greeting, make_command(b"EHLO", payload, 5, 0.2), *whole.entries[2:5], rcpt, refusal)
    entries += (make_command(payload[:20].upper(), payload, 11, 0.5, known=False),)
    unsent = make_transaction(
        mail_from=payload, complete=False, octets=None, reply=None, terminator=None, queue_id=payload
    )
    dialogue = whole._replace(entries=entries, greeting=greeting, helo=payload, transactions=(unsent,))
    says = ("It said: ", Wire(payload), " to ", Mailbox(payload), " at ", Address(text))
    verdict = make_verdict(
        dropped_by=Party.SERVER,
        could_also_be=(Party.MIDDLEBOX,),
        how=How.FIN,
        stage=Stage.RCPT,
        impact=Impact.REJECTED,
        summary=says,
        evidence=(Evidence(says, (refusal.at,)),),
        against=(Evidence(says),),
        why=says,
        next_steps=(says,),
        next_capture=f"tcpdump {text}",
        findings=(make_finding(summary=says, next_steps=(says,)),),
        others=(make_finding(summary=says),),
        vantage_evidence=(Evidence(says),),
    )
    error = IcmpError(0, 0, 0, 0, text, 4, 3, 13, None, "192.0.2.10", "198.51.100.25", 49152, 25, None)
    connection = make_connection(icmp=((at(15, 2.0), error),))
    sessions = [make_judged(number, connection=connection, dialogue=dialogue, verdict=verdict) for number in (1, 2)]
    return _with_captures(sessions, text, says)


def _with_captures(sessions: list[Judged], text: str, says: tuple[object, ...]) -> Analysis:
    name = f"/home/secret/{text.replace('/', '_')}.pcap"
    return analysis_of(
        sessions,
        captures=(make_capture(path=name, sha256="ab" * 32, notes=(Note("damaged", text, 9),)),),
        errors=(InputError(name, text),),
        patterns=(Pattern("attempts", says, (1, 2), 2),),  # type: ignore[arg-type]
    )
