"""The packets that a verdict rests on, a row each: what the evidence names, every FIN and RST, and the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pcapdiag.analysis import Judged
from pcapdiag.model import Moment
from pcapdiag.report.clean import frame_number
from pcapdiag.report.clock import Clock
from pcapdiag.report.facts import flag_names
from pcapdiag.report.html.conversation import LANE_WORD, Line, Stroke
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
    said: dict[Moment, list[Line]] = {}
    for line in lines:
        if line.timed:
            said.setdefault(line.at, []).append(line)
    segments = {segment.at: segment for segment in connection.segments}
    several = connection.first.capture != connection.last.capture
    rows = [
        PacketRow(
            frame_number(at, several=several),
            clock.fine(at.time_ns),
            columns.get(at) or _of_lines(said.get(at, [])),
            _says(said.get(at, []), segments.get(at)),
            at == verdict.end,
        )
        for at in sorted(wanted[:MOST])
    ]
    return Packets(rows, len(wanted) - len(rows))


def _of_segment(segment: Segment) -> Tcp:
    return Tcp(
        segment.side.value,
        flag_names(segment.flags),
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
        flag_names(reset.flags),
        NONE if reset.offset is None else str(reset.offset + 1),
        NONE,  # only the number in the header is known, which nothing here compares with
        str(reset.length),
        str(reset.ttl),
        NONE if reset.ip_id < 0 else str(reset.ip_id),
        str(reset.window),
    )


def _of_lines(lines: Sequence[Line]) -> Tcp:
    return Tcp(LANE_WORD[lines[0].source]) if lines and lines[0].source is not None else Tcp()


def _says(lines: Sequence[Line], segment: Segment | None) -> str:
    """All that was said in it; where nothing was, what is unusual about it."""
    if said := [line.text.split("\n")[0] for line in lines if line.stroke is not Stroke.AGAIN]:
        return cut("; ".join(said), LONGEST)
    if segment is None:
        return NONE
    words = [each.name.lower().replace("_", " ") for each in Odd if each in segment.odd and each.name]
    return ", ".join(words) or ("data" if segment.length else "acknowledgement")


__all__ = ["PacketRow", "Packets", "Tcp", "packets"]
