"""Sessions made by hand, with defaults that make a whole orderly delivery, so that a test names only what it is about.

    judged = make_judged(verdict=make_verdict(dropped_by=Party.SERVER, how=How.RST, stage=Stage.BODY))

Everything stands in capture 0 unless said otherwise; `at(frame, seconds)` is a moment of it.
"""

from __future__ import annotations

from typing import Any

from pcapdiag.analysis import Analysis, AnalysisBuilder, Judged
from pcapdiag.capture.table import ACK, RST
from pcapdiag.diagnosis.verdict import Evidence, Finding, Verdict
from pcapdiag.model import (
    Address,
    CaptureInfo,
    Duration,
    Endpoint,
    How,
    Impact,
    Mailbox,
    Moment,
    Party,
    Position,
    Side,
    Stage,
    Strength,
    Wire,
)
from pcapdiag.session import Session, Surroundings
from pcapdiag.smtp.dialogue import DOT, Body, Command, Dialogue, Exchange, MailTransaction, Recipient, Reply
from pcapdiag.tcp.connection import Closing, Connection, Effect, Fin, Half, Handshake, Odd, Reset, Segment

T0 = 1_700_000_000_000_000_000
CLIENT = Endpoint("192.0.2.10", 49152)
SERVER = Endpoint("198.51.100.25", 25)


def at(frame: int, seconds: float = 0.0, capture: int = 0) -> Moment:
    """A moment `seconds` after the session's beginning."""
    return Moment(T0 + round(seconds * 1e9), capture, frame)


def make_half(side: Side, **fields: Any) -> Half:
    defaults: dict[str, Any] = dict(
        side=side,
        packets=10,
        octets=800,
        acked=800,
        missing=0,
        cut=0,
        retransmissions=0,
        out_of_order=0,
        keep_alives=0,
        zero_windows=0,
        copies=0,
        super_packets=0,
        first=at(1),
        last=at(20, 3.2),
        last_news=at(20, 3.2),
        last_advance=at(20, 3.2),
        window=64240,
        mss=1460,
        window_scale=7,
        sack_permitted=True,
        timestamps=True,
        ttls=((64 if side is Side.CLIENT else 52, 10),),
        ip_id_zero=0,
        largest_acked=512,
    )
    return Half(**(defaults | fields))


def make_fin(frame: int = 19, side: Side = Side.CLIENT, seconds: float = 3.1, **fields: Any) -> Fin:
    defaults: dict[str, Any] = dict(
        at=at(frame, seconds),
        side=side,
        offset=800,
        seq=812,
        ack=800,
        ttl=64,
        acked=at(frame + 1, seconds),
        accepted=True,
    )
    return Fin(**(defaults | fields))


def make_reset(frame: int = 19, claimed: Side = Side.SERVER, seconds: float = 3.1, **fields: Any) -> Reset:
    defaults: dict[str, Any] = dict(
        at=at(frame, seconds),
        claimed=claimed,
        flags=RST | ACK,
        seq=4711,
        ack=812,
        offset=800,
        window=501,
        ttl=52,
        ip_id=7,
        tsval=-1,
        length=0,
        effect=Effect.ENDED,
        exact=True,
        in_window=True,
        provoked_by=None,
        ttl_before=((52, 10),),
        clock_error_ms=None,
    )
    return Reset(**(defaults | fields))


def make_closing(
    fins: tuple[Fin, ...] | None = None, resets: tuple[Reset, ...] = (), history: str = "ShAdDafF"
) -> Closing:
    if fins is None:
        fins = (make_fin(19, Side.CLIENT), make_fin(20, Side.SERVER, 3.2))
    return Closing(fins, resets, len(resets), history)


def make_segment(frame: int, side: Side, seconds: float, odd: Odd = Odd.NONE, **fields: Any) -> Segment:
    defaults: dict[str, Any] = dict(
        at=at(frame, seconds),
        side=side,
        flags=ACK,
        offset=0,
        ack=0,
        length=0,
        new=0,
        window=501,
        ttl=64 if side is Side.CLIENT else 52,
        ip_id=frame,
        tsval=-1,
        tsecr=-1,
        sack=(),
        ip_len=40,
        dont_fragment=True,
        odd=odd,
    )
    return Segment(**(defaults | fields))


def make_connection(**fields: Any) -> Connection:
    defaults: dict[str, Any] = dict(
        serial=1,
        trace=0,
        client=CLIENT,
        server=SERVER,
        sides_seen=True,
        first=at(1),
        last=at(20, 3.2),
        until_ns=T0 + 60_000_000_000,
        reused=False,
        handshake=Handshake((at(1),), (at(2, 0.03),), at(3, 0.03), 30_000_000, 30_000_000, 100_000, False),
        halves=(make_half(Side.CLIENT), make_half(Side.SERVER)),
        closing=make_closing(),
        icmp=(),
        segments=(make_segment(1, Side.CLIENT, 0.0), make_segment(2, Side.SERVER, 0.03)),
        sampled=False,
        duplicates=False,
    )
    return Connection(**(defaults | fields))


def make_command(verb: bytes, argument: bytes, frame: int, seconds: float, end: int = 100, **fields: Any) -> Command:
    defaults: dict[str, Any] = dict(
        verb=verb,
        argument=argument,
        at=at(frame, seconds),
        start=at(frame, seconds),
        offset=max(end - 20, 0),
        end=end,
        known=True,
        cut=False,
    )
    return Command(**(defaults | fields))


def make_reply(code: int, text: bytes | tuple[bytes, ...], frame: int, seconds: float, **fields: Any) -> Reply:
    defaults: dict[str, Any] = dict(
        code=code,
        enhanced=None,
        lines=(text,) if isinstance(text, bytes) else text,
        at=at(frame, seconds),
        start=at(frame, seconds),
        offset=0,
        end=100,
        complete=True,
        cut=False,
        unasked=False,
    )
    return Reply(**(defaults | fields))


def make_transaction(**fields: Any) -> MailTransaction:
    mail = make_command(b"MAIL", b"FROM:<alice@example.org> SIZE=500", 7, 0.3)
    ok = make_reply(250, b"2.1.0 Ok", 8, 0.35, enhanced=b"2.1.0")
    defaults: dict[str, Any] = dict(
        mail_from=b"alice@example.org",
        mail=Exchange(mail, ok, Stage.MAIL),
        recipients=(Recipient(b"bob@example.net", make_reply(250, b"2.1.5 Ok", 10, 0.45, enhanced=b"2.1.5"), None),),
        recipients_total=1,
        declared_size=500,
        octets=512,
        complete=True,
        terminator=make_command(DOT, b"", 13, 0.6),
        reply=make_reply(250, b"2.0.0 Ok: queued as 4XyZ", 14, 0.9, enhanced=b"2.0.0", end=700),
        queue_id=b"4XyZ",
        reset=False,
    )
    return MailTransaction(**(defaults | fields))


def make_dialogue(**fields: Any) -> Dialogue:
    """220, EHLO, MAIL, RCPT, DATA, body, dot, 250, QUIT, 221."""
    greeting = make_reply(220, b"mx.example.net ESMTP", 4, 0.1)
    transaction = make_transaction()
    rcpt = make_command(b"RCPT", b"TO:<bob@example.net>", 9, 0.4)
    data = make_command(b"DATA", b"", 11, 0.5)
    go = make_reply(354, b"End data with <CR><LF>.<CR><LF>", 12, 0.55)
    ehlo = make_command(b"EHLO", b"mail.example.org", 5, 0.2)
    hello = make_reply(250, (b"mx.example.net", b"PIPELINING", b"SIZE 10240000"), 6, 0.25)
    quitting = make_command(b"QUIT", b"", 17, 3.0)
    bye = make_reply(221, b"2.0.0 Bye", 18, 3.05, enhanced=b"2.0.0")
    dot, queued = transaction.terminator, transaction.reply
    assert dot is not None
    assert queued is not None
    accepted = transaction.recipients[0].reply
    assert transaction.mail.reply is not None
    assert accepted is not None
    defaults: dict[str, Any] = dict(
        entries=(
            greeting,
            ehlo,
            hello,
            transaction.mail.command,
            transaction.mail.reply,
            rcpt,
            accepted,
            data,
            go,
            Body(at(13, 0.6), at(13, 0.6), 512, True, False, 0),
            dot,
            queued,
            quitting,
            bye,
        ),
        entries_total=14,
        exchanges=(
            Exchange(ehlo, hello, Stage.EHLO),
            transaction.mail,
            Exchange(rcpt, accepted, Stage.RCPT),
            Exchange(data, go, Stage.DATA),
            Exchange(dot, queued, Stage.END_OF_DATA),
            Exchange(quitting, bye, Stage.QUIT),
        ),
        greeting=greeting,
        helo=b"mail.example.org",
        extensions=(b"PIPELINING", b"SIZE"),
        transactions=(transaction,),
        transactions_total=1,
        positions=(Position(Stage.GREETING, Side.SERVER, at(3, 0.03)), Position(Stage.QUIT, None, at(18, 3.05))),
        tls=None,
        oddities=(),
        recognised=True,
        lmtp=False,
        outstanding=(),
    )
    return Dialogue(**(defaults | fields))


def make_finding(rule: str = "PD611", **fields: Any) -> Finding:
    defaults: dict[str, Any] = dict(
        rule=rule,
        title="Something that accompanies a verdict",
        summary=("the capture starts midway at ", at(1)),
        evidence=(Evidence(("no SYN was seen",), (at(1),)),),
    )
    return Finding(**(defaults | fields))


def make_verdict(**fields: Any) -> Verdict:
    """An orderly end; with another `dropped_by` than nobody, attention and a next step."""
    party = fields.get("dropped_by", Party.NOBODY)
    ended = party is not Party.NOBODY
    strength = Strength.LIKELY if ended else Strength.PROVEN
    defaults: dict[str, Any] = dict(
        dropped_by=party,
        could_also_be=(),
        how=How.RST if ended else How.QUIT,
        stage=Stage.END_OF_DATA if ended else Stage.QUIT,
        owing=Side.SERVER if ended else None,
        waited_ns=1_200_000_000 if ended else None,
        stalled_by=None,
        strength=strength,
        impact=Impact.DUPLICATE_RISK if ended else Impact.NONE,
        attention=ended,
        end=at(19, 3.1),
        rule="PD301" if ended else "PD101",
        summary=(
            "the session with ",
            Address(SERVER.address),
            " ended after ",
            Duration(3_100_000_000),
            " in ",
            at(19, 3.1),
        ),
        evidence=(
            Evidence(("the server said ", Wire(b"2.0.0 Bye"), " to ", Mailbox(b"bob@example.net")), (at(18, 3.05),)),
        ),
        against=(),
        next_steps=(("look on ", Address(SERVER.address), " at the time of ", at(19, 3.1)),) if ended else (),
        next_capture="tcpdump -ni any -w smtp.pcap tcp port 25 or icmp" if strength is not Strength.PROVEN else None,
        forged=frozenset(),
        findings=(),
        others=(),
        superseded=(),
        why=("it is the only finding",),
        vantage=None,
        vantage_evidence=(),
    )
    return Verdict(**(defaults | fields))


def make_session(**fields: Any) -> Session:
    return Session(
        fields.pop("connection", None) or make_connection(**fields), fields.pop("dialogue", None) or make_dialogue()
    )


class FewHosts:
    """`Hosts` for tests: which TTLs an address has in the whole capture, and which addresses answer others."""

    def __init__(self, ttls: dict[str, frozenset[int]] | None = None, alive: frozenset[str] = frozenset()) -> None:
        self._ttls = ttls or {}
        self._alive = alive

    def ttls(self, address: str, before: Moment) -> frozenset[int]:
        return self._ttls.get(address, frozenset())

    def alive_since(self, address: str, after: Moment, before: Moment) -> bool:
        return address in self._alive


def make_surroundings(**fields: Any) -> Surroundings:
    defaults: dict[str, Any] = dict(
        hosts=FewHosts(), captured_at=None, smtp_ports=frozenset({25, 465, 587}), capture_drops=None
    )
    return Surroundings(**(defaults | fields))


def make_judged(
    id: int = 1,
    *,
    connection: Connection | None = None,
    dialogue: Dialogue | None = None,
    verdict: Verdict | None = None,
    with_dialogue: bool = True,
) -> Judged:
    session = Session(connection or make_connection(serial=id), dialogue or make_dialogue())
    return Judged(id, session, verdict or make_verdict(), with_dialogue)


def make_capture(**fields: Any) -> CaptureInfo:
    defaults: dict[str, Any] = dict(
        path="a.pcap",
        format="pcapng",
        link_types=("EN10MB",),
        packets=1203,
        smtp_packets=214,
        snaplen=262144,
        first_time_ns=T0,
        last_time_ns=T0 + 60_000_000_000,
        dropped_by_capture=None,
    )
    return CaptureInfo(**(defaults | fields))


def make_analysis(*judged: Judged, captures: tuple[CaptureInfo, ...] | None = None, **fields: Any) -> Analysis:
    """The analysis of some judged sessions, by the builder that the program uses."""
    builder = AnalysisBuilder(**fields)
    for one in judged:
        builder.add(one)
    return builder.finish(captures=(make_capture(),) if captures is None else captures)


__all__ = [name for name in dir() if name.startswith("make_")] + ["CLIENT", "SERVER", "T0", "FewHosts", "at", "RST"]
