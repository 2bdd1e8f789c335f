"""The ladder: what was said and what TCP did between, in order of time, with the silence that explains the end."""

from __future__ import annotations

from pcapdiag.capture.table import FIN, SYN, IcmpError
from pcapdiag.model import Party, Position, Side, Stage
from pcapdiag.report.ladder import RowKind, icmp_says, ladder
from pcapdiag.smtp.dialogue import Body, Missing, TlsEntry
from pcapdiag.tcp.connection import Effect, Odd
from tests.factories import (
    T0,
    at,
    make_closing,
    make_command,
    make_connection,
    make_dialogue,
    make_judged,
    make_reply,
    make_reset,
    make_segment,
    make_verdict,
)

FORBIDDEN = IcmpError(0, 0, 0, 9, "203.0.113.1", 4, 3, 13, None, "192.0.2.10", "198.51.100.25", 49152, 25, 1)


def test_an_orderly_delivery() -> None:
    rows = list(ladder(make_judged()))
    assert [(row.kind.value, row.at.frame) for row, _ in rows] == [
        ("greeting", 4),
        ("command", 5),
        ("reply", 6),
        ("command", 7),
        ("reply", 8),
        ("command", 9),
        ("reply", 10),
        ("command", 11),
        ("reply", 12),
        ("body", 13),
        ("command", 13),
        ("reply", 14),
        ("command", 17),
        ("reply", 18),
        ("fin", 19),
        ("fin", 20),
    ]
    assert rows[0][1] == 100_000_000
    assert sum(after for _, after in rows) == 3_200_000_000


def test_wire_text_is_left_to_the_renderers_and_credentials_never_came() -> None:
    entries = (
        make_reply(220, (b"mx \x1b[2J", b"second"), 4, 0.1),
        make_command(b"AUTH", b"LOGIN", 5, 0.2),
        make_command(b"*", b"", 7, 0.4),
        make_command(b"", b"", 8, 0.5),
        make_command(b".", b"", 9, 0.6),
    )
    rows = [row for row, _ in ladder(make_judged(dialogue=make_dialogue(entries=entries, greeting=entries[0])))]
    assert [(row.wire, row.says) for row in rows[:5]] == [
        (b"mx \x1b[2J\nsecond", ""),
        (b"AUTH LOGIN", ""),
        (b"", "credentials, not kept"),
        (b"", ""),
        (b".", "end of data"),
    ]


def test_tcp_events_stand_where_they_happened() -> None:
    connection = make_connection(
        segments=(
            make_segment(15, Side.SERVER, 1.0, Odd.RETRANSMISSION, length=26),
            make_segment(16, Side.SERVER, 1.5, Odd.RETRANSMISSION | Odd.REFUSED, length=26),
            make_segment(1, Side.CLIENT, 0.0, Odd.RETRANSMISSION, flags=SYN),
        ),
        icmp=((at(21, 3.3), FORBIDDEN),),
        closing=make_closing(fins=(), resets=(make_reset(19, effect=Effect.REFUSED),)),
    )
    verdict = make_verdict(dropped_by=Party.MIDDLEBOX, forged=frozenset({at(19, 3.1)}))
    rows = [row for row, _ in ladder(make_judged(connection=connection, verdict=verdict))]
    odd = [row for row in rows if row.kind not in (RowKind.COMMAND, RowKind.REPLY, RowKind.BODY, RowKind.GREETING)]
    syn, again, reset, icmp, silence = odd
    assert (syn.says, syn.octets, syn.segments) == ("SYN", 0, 1)
    assert (again.at.frame, again.segments, again.octets, again.duration_ns, again.last) == (
        15,
        2,
        52,
        500_000_000,
        at(16, 1.5),
    )
    assert reset.says == "RA, forged"
    assert (icmp.side, icmp.sender, icmp.says) == (None, "203.0.113.1", "ICMP type 3 code 13: prohibited")
    assert silence.kind is RowKind.SILENCE


def test_a_retransmission_between_two_others_of_the_other_side_is_its_own_row() -> None:
    sides = (Side.CLIENT, Side.CLIENT, Side.SERVER, Side.CLIENT)
    segments = tuple(make_segment(30 + i, side, 5 + i, Odd.RETRANSMISSION, flags=FIN) for i, side in enumerate(sides))
    rows = [row for row, _ in ladder(make_judged(connection=make_connection(segments=segments)))]
    assert [(row.segments, row.says) for row in rows if row.kind is RowKind.RETRANSMISSION] == [
        (2, "FIN"),
        (1, "FIN"),
        (1, "FIN"),
    ]


class TestSilence:
    POSITIONS = (Position(Stage.BODY, Side.CLIENT, at(12, 0.55)), Position(Stage.END_OF_DATA, Side.SERVER, at(13, 0.6)))

    def test_between_two_rows_it_is_told_with_who_owed(self) -> None:
        dialogue = make_dialogue(
            entries=(
                Body(at(13, 0.6), at(13, 0.6), 512, True, False, 0),
                make_reply(250, b"ok", 14, 600.6),
            ),
            positions=self.POSITIONS,
        )
        connection = make_connection(closing=make_closing(fins=()), until_ns=T0 + 601_000_000_000)
        kinds = [
            (row.kind, row.side, row.duration_ns, row.at)
            for row, _ in ladder(make_judged(connection=connection, dialogue=dialogue))
        ]
        assert kinds[1] == (RowKind.SILENCE, Side.SERVER, 600_000_000_000, at(13, 0.6))
        assert len(kinds) == 3

    def test_up_to_the_end_of_the_capture_where_nobody_closed(self) -> None:
        dialogue = make_dialogue(positions=self.POSITIONS)
        connection = make_connection(
            closing=make_closing(fins=()),
            until_ns=T0 + 900_000_000_000,
            segments=tuple(make_segment(30 + i, Side.CLIENT, 5 + i * 2, Odd.RETRANSMISSION) for i in range(3)),
        )
        rows = [row for row, _ in ladder(make_judged(connection=connection, dialogue=dialogue))]
        assert (rows[-1].kind, rows[-1].at, rows[-1].duration_ns) == (RowKind.SILENCE, at(32, 9), 891_000_000_000)

    def test_short_pauses_and_what_comes_after_the_end_are_not_told(self) -> None:
        rows = [row for row, _ in ladder(make_judged(connection=make_connection(until_ns=T0 + 900_000_000_000)))]
        assert RowKind.SILENCE not in {row.kind for row in rows}


def test_what_the_capture_lacks_and_what_tls_hides() -> None:
    entries = (
        Missing(at(5, 0.2), Side.SERVER, 1460, "capture"),
        TlsEntry(at(6, 0.3), Side.CLIENT, 22, 512, "ClientHello", 512),
        Body(at(7, 0.4), at(7, 0.4), 10, False, True, 3),
        make_reply(421, b"bye", 8, 0.5, unasked=True, complete=False),
    )
    rows = [row for row, _ in ladder(make_judged(dialogue=make_dialogue(entries=entries)))]
    assert [(row.kind.value, row.says, row.octets) for row in rows[:4]] == [
        ("gap", "acknowledged, not captured", 1460),
        ("tls", "ClientHello", 512),
        ("body", "BDAT, 3 octets of it not captured, not complete", 10),
        ("reply", "unasked, not complete", None),
    ]


def test_icmp_in_words() -> None:
    def says(version: int, type: int, code: int, mtu: int | None = None) -> str:
        return icmp_says(IcmpError(0, 0, 0, 1, "203.0.113.1", version, type, code, mtu, "", "", 1, 2, None))

    assert says(4, 3, 4, 1400) == "ICMP type 3 code 4: packet too big, next-hop MTU 1400"
    assert says(6, 2, 0) == "ICMPv6 type 2 code 0: packet too big"
    assert says(4, 3, 1) == "ICMP type 3 code 1: unreachable"
    assert says(4, 11, 0) == "ICMP type 11 code 0: time exceeded"
    assert says(6, 3, 0) == "ICMPv6 type 3 code 0: time exceeded"
    assert says(6, 1, 1) == "ICMPv6 type 1 code 1: prohibited"
    assert says(4, 4, 0) == "ICMP type 4 code 0"
