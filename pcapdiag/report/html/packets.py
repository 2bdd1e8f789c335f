"""The packets that a verdict rests on, a row each: what the evidence names, every FIN and RST, and the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pcapdiag.analysis import Judged
from pcapdiag.report.clock import Clock
from pcapdiag.report.facts import flag_letters
from pcapdiag.report.html.conversation import Line, Stroke
from pcapdiag.report.html.measure import cut
from pcapdiag.tcp.connection import Odd, Reset, Segment

MOST = 40
"""The end, closes and resets come before what is only cited."""
LONGEST = 90
"""Characters of what a packet was."""
NONE = "–"
"""Where the bounded sample of segments does not hold the packet, or it is no TCP."""


class Tcp(NamedTuple):
    """The columns of a packet. Sequence numbers are relative: 1 is a side's first octet, as in Wireshark."""

    source: str = NONE
    flags: str = NONE
    seq: str = NONE
    ack: str = NONE
    length: str = NONE
    ttl: str = NONE
    ip_id: str = NONE
    window: str = NONE


class PacketRow(NamedTuple):
    """One packet."""

    frame: str
    time: str
    tcp: Tcp
    says: str
    end: bool


class Packets(NamedTuple):
    """The rows in time order."""

    rows: list[PacketRow]
    left_out: int


def packets(judged: Judged, lines: Sequence[Line], clock: Clock) -> Packets:
    """The packets that matter in a session; `lines` of its conversation say what each was."""
    connection, verdict = judged.session.connection, judged.verdict
    cited = {at for evidence in (*verdict.evidence, *verdict.against) for at in evidence.frames}
    closing = [*(fin.at for fin in connection.closing.fins), *(reset.at for reset in connection.closing.resets)]
    wanted = list(dict.fromkeys([verdict.end, *closing, *sorted(cited)]))
    columns = {segment.at: _of_segment(segment) for segment in connection.segments}
    columns = {reset.at: _of_reset(reset) for reset in connection.closing.resets} | columns
    said = {line.at: line for line in reversed(lines) if line.timed}
    odd = {segment.at: segment.odd for segment in connection.segments}
    several = connection.first.capture != connection.last.capture
    rows = [
        PacketRow(
            f"{at.capture}:{at.frame}" if several else str(at.frame),
            clock.fine(at.time_ns),
            columns.get(at) or _of_line(said.get(at)),
            _says(said.get(at), odd.get(at, Odd.NONE)),
            at == verdict.end,
        )
        for at in sorted(wanted[:MOST])
    ]
    return Packets(rows, len(wanted) - len(rows))


def _of_segment(segment: Segment) -> Tcp:
    return Tcp(
        segment.side.value,
        flag_letters(segment.flags),
        str(segment.offset + 1),
        NONE if segment.ack is None else str(segment.ack + 1),
        str(segment.length),
        str(segment.ttl),
        NONE if segment.ip_id < 0 else str(segment.ip_id),
        str(segment.window),
    )


def _of_reset(reset: Reset) -> Tcp:
    return Tcp(
        reset.claimed.value,
        flag_letters(reset.flags),
        NONE if reset.offset is None else str(reset.offset + 1),
        NONE,  # only the number in the header is known, which nothing here compares with
        str(reset.length),
        str(reset.ttl),
        NONE if reset.ip_id < 0 else str(reset.ip_id),
        str(reset.window),
    )


def _of_line(line: Line | None) -> Tcp:
    return Tcp(line.source.value) if line is not None and line.source is not None else Tcp()


def _says(line: Line | None, odd: Odd) -> str:
    """What was said in it; where nothing was, what is unusual about it."""
    if line is not None and line.stroke is not Stroke.AGAIN:
        return cut(line.text.split("\n")[0], LONGEST)
    words = [each.name.lower().replace("_", " ") for each in Odd if each in odd and each.name]
    return ", ".join(words) or "acknowledgement or data"


__all__ = ["PacketRow", "Packets", "Tcp", "packets"]
