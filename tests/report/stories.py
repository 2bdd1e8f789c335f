"""Whole analyses for the goldens of the reports: small stories that show every part of a page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from pcapdiag.analysis import Analysis, Groups, InputError, Judged, digest_of
from pcapdiag.capture.table import IcmpError
from pcapdiag.diagnosis.patterns import Pattern
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import (
    Address,
    CaptureInfo,
    Duration,
    Endpoint,
    How,
    Impact,
    Mailbox,
    Moment,
    Note,
    Party,
    Side,
    Stage,
    Strength,
    Vantage,
    Wire,
)
from pcapdiag.smtp.dialogue import Body, Command, Missing, TlsEntry
from pcapdiag.spool import Spool
from pcapdiag.tcp.connection import Effect, Handshake, Odd
from tests.factories import (
    SERVER,
    T0,
    at,
    make_capture,
    make_closing,
    make_command,
    make_connection,
    make_dialogue,
    make_finding,
    make_judged,
    make_reply,
    make_reset,
    make_segment,
    make_transaction,
    make_verdict,
)


def analysis_of(
    sessions: Sequence[Judged],
    *,
    captures: tuple[CaptureInfo, ...] | None = None,
    errors: tuple[InputError, ...] = (),
    patterns: tuple[Pattern, ...] = (),
) -> Analysis:
    """As the builder makes it, but with the patterns of the story."""
    groups = Groups()
    by_party = dict.fromkeys(Party, 0)
    for judged in sessions:
        groups.add(digest_of(judged))
        by_party[judged.verdict.dropped_by] += 1
    return Analysis(
        captures=(make_capture(),) if captures is None else captures,
        errors=errors,
        sessions=spool_of(sessions),
        groups=groups.finish(),
        patterns=patterns,
        total=len(sessions),
        attention=sum(judged.verdict.attention for judged in sessions),
        dropped=len(sessions) - by_party[Party.NOBODY] - by_party[Party.UNDETERMINED],
        dropped_by=by_party,
    )


def spool_of(sessions: Sequence[Judged]) -> Spool[Judged]:
    spool = Spool[Judged]()
    for judged in sessions:
        spool.add(judged.id, judged, 0)
    return spool


def one(judged: Judged) -> Analysis:
    return analysis_of([judged])


def gateway_reset(number: int = 1, late: float = 0.0) -> Judged:
    """The article's story: 354, and one second later the gateway resets."""

    def moved(moment: Moment) -> Moment:
        return moment._replace(time_ns=moment.time_ns + round(late * 1e9), frame=moment.frame + 20 * (number - 1))

    unsent = make_transaction(octets=None, complete=False, terminator=None, reply=None, queue_id=None)
    whole = make_dialogue()
    entries = tuple(entry._replace(at=moved(entry.at)) for entry in whole.entries[:9])
    go, reset = moved(at(12, 0.55)), make_reset(14, seconds=1.55)
    reset = reset._replace(at=moved(reset.at))
    connection = make_connection(
        serial=number,
        first=moved(at(1)),
        last=reset.at,
        client=Endpoint("192.0.2.10", 1067 + number),
        handshake=Handshake(
            (moved(at(1)),), (moved(at(2, 0.03)),), moved(at(3, 0.03)), 30_000_000, 30_000_000, 0, False
        ),
        segments=(),
        closing=make_closing(fins=(), resets=(reset,)),
    )
    verdict = make_verdict(
        dropped_by=Party.SERVER,
        stage=Stage.BODY,
        owing=Side.CLIENT,
        waited_ns=1_000_000_000,
        impact=Impact.DELAYED,
        rule="PD302",
        end=reset.at,
        summary=(
            *("The server ", Address(SERVER.address), " reset the connection ", Duration(10**9)),
            *(" after it had asked for the message (354 in ", go, "), before the client had sent any of it."),
        ),
        evidence=(
            Evidence(
                ("The reset has its sender's own marks: TTL 52 as all its packets, a live window, the next octet.",),
                (reset.at,),
            ),
            Evidence(("The server answered 354 to DATA; no octet of the message followed.",), (go,)),
        ),
        against=(Evidence(("A device that copies TTL and window could have sent it.",)),),
        vantage=Vantage.CLIENT,
        vantage_evidence=(Evidence(("the client's packets still have their initial TTL 64",)),),
        why=("PD302: the only rule that fits",),
        next_steps=(("Look into the log of the gateway ", Address(SERVER.address), " at the time of ", reset.at, "."),),
    )
    dialogue = whole._replace(entries=entries, entries_total=9, transactions=(unsent,))
    return make_judged(number, connection=connection, dialogue=dialogue, verdict=verdict)


def article() -> Analysis:
    """Three tries of one message, one second apart, and one clean delivery of another."""
    tries = [gateway_reset(number, late=3.0 * (number - 1)) for number in (1, 2, 3)]
    storm = Pattern(
        "retry-storm",
        (
            *("The client ", Address("192.0.2.10"), " offered the same message from ", Mailbox(b"alice@example.org")),
            *(" 3 times in ", Duration(7_550_000_000), ", and it failed at the same step each time."),
        ),
        (1, 2, 3),
        3,
    )
    return analysis_of([*tries, make_judged(4)], patterns=(storm,))


HOSTILE = b"mx.example.net \x1b[2J\x1b]0;owned\x07 \xe2\x80\xaeESMTP \xff\x00"


def hostile() -> Analysis:
    """Escape sequences and overrides in everything that a stranger can write."""
    whole = make_dialogue()
    greeting = make_reply(220, HOSTILE, 4, 0.1)
    refusal = make_reply(550, (b"5.7.1 \x1b[31mgo away\x1b[0m", b"\x1b[1A see https://example.net/?a=\x9b"), 10, 0.45)
    rcpt = make_command(b"RCPT", b"TO:<\x1b[5m@example.net>", 9, 0.4)
    entries = (greeting, make_command(b"EHLO", b"\x1b[8mhidden", 5, 0.2), *whole.entries[2:5], rcpt, refusal)
    transaction = make_transaction(
        mail_from=b"\x1b[31mred@example.org", complete=False, octets=None, reply=None, terminator=None, queue_id=None
    )
    dialogue = whole._replace(entries=entries, greeting=greeting, helo=b"\x1b[8mhidden", transactions=(transaction,))
    verdict = make_verdict(
        dropped_by=Party.SERVER,
        how=How.FIN,
        stage=Stage.RCPT,
        impact=Impact.REJECTED,
        rule="PD303",
        summary=("The server said ", Wire(refusal.text), " about ", Mailbox(b"\x1b[5m@example.net"), " and closed."),
        evidence=(Evidence(("It said: ", Wire(refusal.text)), (refusal.at,)),),
    )
    path = "evil\x1b[31m.pcap"
    return analysis_of(
        [make_judged(dialogue=dialogue, verdict=verdict)],
        captures=(make_capture(path=path, notes=(Note("damaged", "frame 9 \x1b[0m is torn", 9),)),),
        errors=(InputError("also\x1b[31m.pcap", "no such file"),),
    )


def black_hole() -> Analysis:
    """Retransmissions into silence, an ICMP error, octets that the capture missed, a conversation too long to tell."""
    whole = make_dialogue()
    noops: list[Command | Body | Missing] = [
        make_command(b"NOOP", b"%d" % number, 20 + number, 4 + number) for number in range(60)
    ]
    entries = (
        *whole.entries[:9],
        *noops,
        Missing(at(90, 65), Side.CLIENT, 1460, "capture"),
        Body(at(91, 66), at(91, 66), 20_480, False, False, 1460),
    )
    again = tuple(
        make_segment(92 + number, Side.CLIENT, 66 + 2**number, Odd.RETRANSMISSION, length=1448) for number in range(7)
    )
    error = IcmpError(0, 0, 0, 0, "203.0.113.1", 4, 3, 13, None, "192.0.2.10", str(SERVER.address), 49152, 25, None)
    connection = make_connection(
        segments=again,
        icmp=((at(120, 140), error),),
        closing=make_closing(fins=()),
        last=at(120, 140),
        until_ns=T0 + 200 * 10**9,
    )
    verdict = make_verdict(
        dropped_by=Party.PATH,
        could_also_be=(Party.SERVER,),
        how=How.TIMEOUT,
        stage=Stage.BODY,
        owing=Side.SERVER,
        waited_ns=134 * 10**9,
        stalled_by=Party.PATH,
        strength=Strength.POSSIBLE,
        impact=Impact.DELAYED,
        rule="PD501",
        summary=("Packets to ", Address(SERVER.address), " stopped arriving: ", Duration(128 * 10**9), " of silence."),
        evidence=(
            Evidence(
                ("The same octets were sent 8 times and never acknowledged",), tuple(each.at for each in again), 7
            ),
        ),
        against=(Evidence(("The server itself may be dead: nothing else of it was seen.",), (at(12, 0.55),)),),
        next_steps=(("Capture on the server at the same time.",), ("Send a large ping without fragmentation.",)),
        findings=(
            make_finding(
                "PD902",
                summary=("the capture missed ", "1,460 octets of the client"),
            ),
        ),
        others=(make_finding("PD304", summary=("the server may have gone",)),),
    )
    return one(make_judged(dialogue=whole._replace(entries=entries), connection=connection, verdict=verdict))


def tls_refused() -> Analysis:
    """A TLS alert over IPv6, an echo of a reset, and a rotated ring of files."""
    whole = make_dialogue()
    entries = (
        *whole.entries[:3],
        make_command(b"STARTTLS", b"", 7, 0.3),
        make_reply(220, b"2.0.0 Ready", 8, 0.33, enhanced=b"2.0.0"),
        TlsEntry(at(9, 0.34), Side.CLIENT, 22, 517, "ClientHello", 600),
        TlsEntry(at(1, 0.4, 1), Side.SERVER, 21, 2, "alert fatal protocol_version", 200),
    )
    ended = make_reset(2, Side.SERVER, 0.41)
    ended, echo = (
        ended._replace(at=at(2, 0.41, 1)),
        ended._replace(at=at(3, 0.42, 1), claimed=Side.CLIENT, effect=Effect.ECHO),
    )
    connection = make_connection(
        client=Endpoint("2001:db8:1234:5678:9abc:def0:1234:5678", 49152),
        server=Endpoint("2001:db8::25", 587),
        last=echo.at,
        closing=make_closing(fins=(), resets=(ended, echo)),
    )
    verdict = make_verdict(
        dropped_by=Party.SERVER,
        stage=Stage.TLS,
        owing=Side.SERVER,
        impact=Impact.UNKNOWN,
        strength=Strength.PROVEN,
        rule="PD305",
        end=ended.at,
        summary=("The server refused every TLS version that the client offered.",),
        evidence=(Evidence(("Its alert says protocol_version",), (at(9, 0.34), at(1, 0.4, 1))),),
        next_steps=(("Let the client offer TLS 1.2.",),),
    )
    captures = (
        make_capture(path="/var/tmp/ring_00001.pcapng.gz", format="gzip pcapng", dropped_by_capture=0),
        make_capture(path="/var/tmp/ring_00002.pcapng", packets=1, smtp_packets=1, dropped_by_capture=17),
    )
    judged = make_judged(
        dialogue=whole._replace(entries=entries, transactions=(), transactions_total=0),
        connection=connection,
        verdict=verdict,
    )
    return analysis_of([judged, make_judged(2)], captures=captures)


def nothing() -> Analysis:
    return analysis_of([])


def many(number: int = 60) -> Analysis:
    """More sessions than anybody reads one by one."""
    return analysis_of([gateway_reset(n, late=n * 2.0) if n % 3 else make_judged(n) for n in range(1, number + 1)])


STORIES = {
    "article": article,
    "hostile": hostile,
    "black_hole": black_hole,
    "tls_refused": tls_refused,
    "nothing": nothing,
    "many": many,
}


T = TypeVar("T")


class Stream:
    """Very many sessions that are made when they are asked for."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __len__(self) -> int:
        return self._number

    def __iter__(self) -> Iterator[Judged]:
        like = gateway_reset()
        return (Judged(number, like.session, like.verdict) for number in range(1, self._number + 1))

    def each(self, tell: Callable[[Judged], T], numbers: Iterable[int] | None = None) -> Iterator[T]:
        chosen = None if numbers is None else frozenset(numbers)
        return (tell(judged) for judged in self if chosen is None or judged.id in chosen)


def very_many(number: int) -> Analysis:
    """An analysis of so many sessions, all of which need attention."""
    few = many(60)
    return Analysis(few.captures, (), Stream(number), few.groups, (), number, number, number, few.dropped_by)
