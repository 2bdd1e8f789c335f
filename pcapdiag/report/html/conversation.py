"""A judged session's rungs to the lines of its conversation: who to whom, at which stage, told how loud.

Both the drawing and the table beside it, which is its text alternative, are made of these lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pcapdiag.analysis import Judged
from pcapdiag.model import How, Moment, Party, Side, Strength
from pcapdiag.report.clean import frame_number, safe_text
from pcapdiag.report.ladder import RowKind
from pcapdiag.report.names import hosts
from pcapdiag.report.rungs import Rung, Tone, rungs
from pcapdiag.report.words import SIDE, count, sentence

HEAD, TAIL = 20, 40
"""Rungs told of a long conversation: its beginning and, where it broke, more of its end."""
END, ENDED = "The end:", "What ended it:"
MOST = 600
"""Rungs of a conversation that was asked for by id."""


class Lane(Enum):
    """The vertical lines of the drawing."""

    CLIENT = "client"
    MIDDLE = "middle"
    SERVER = "server"


LANE_WORD = {Lane.CLIENT: "client", Lane.MIDDLE: "device in between", Lane.SERVER: "server"}
LANE_OF = {Side.CLIENT: Lane.CLIENT, Side.SERVER: Lane.SERVER}


class Stroke(Enum):
    """How the line of an arrow is drawn, so that colour never says a thing alone."""

    WHOLE = "whole"
    AGAIN = "again"
    """Dashed: sent again."""
    MISSING = "missing"
    """Dotted: not in the capture."""
    FIN = "fin"
    """With a bar behind which nothing comes."""
    RST = "rst"
    """With a cross."""
    SILENCE = "silence"
    """No arrow: nobody says anything."""
    ELIDED = "elided"
    """No arrow: lines that are left out."""


STROKES = {
    RowKind.RETRANSMISSION: Stroke.AGAIN,
    RowKind.GAP: Stroke.MISSING,
    RowKind.FIN: Stroke.FIN,
    RowKind.RST: Stroke.RST,
    RowKind.SILENCE: Stroke.SILENCE,
}


SIGNS = {
    Stroke.AGAIN: "a dashed line was sent again",
    Stroke.MISSING: "a dotted line is missing in the capture",
    Stroke.FIN: "a bar at the start of an arrow is a FIN",
    Stroke.RST: "a cross at the end of an arrow is a RST",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the conversation."""

    at: Moment
    until: Moment
    """The last frame it stands for."""
    frame: str
    """Its number, with the capture's where the session lies in several."""
    source: Lane | None
    """None: nobody sent it."""
    target: Lane | None
    text: str
    """Cleaned; a line feed begins another line."""
    tone: Tone
    stroke: Stroke
    stage: str
    whole: bool
    end: bool
    timed: bool


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a session's drawing and table show."""

    lines: list[Line]
    names: dict[Lane, str]
    """Of the lanes that are needed."""
    calm: bool
    """Nobody dropped it, so that its end is no bad news."""

    @property
    def ended(self) -> str:
        """The words in front of the line that ended it."""
        return END if self.calm else ENDED

    @property
    def legend(self) -> str:
        """What the signs mean that occur."""
        occurring = {line.stroke for line in self.lines}
        signs = [words for stroke, words in SIGNS.items() if stroke in occurring]
        return sentence("; ".join(["time runs down, and pauses are drawn shorter than they were", *signs]))


def conversation(judged: Judged, *, whole: bool) -> Conversation:
    """The conversation of a session. `whole`: nothing is left out that memory can bear."""
    told = rungs(judged)
    teller = _Teller(judged)
    head, tail = (MOST // 2, MOST // 2) if whole else (HEAD, TAIL)
    skipped = len(told) - head - tail
    if skipped <= 3:
        lines = [teller.line(rung) for rung in told]
    else:
        lines = [
            *(teller.line(rung) for rung in told[:head]),
            teller.elided(told[head : head + skipped]),
            *(teller.line(rung) for rung in told[head + skipped :]),
        ]
    return Conversation(lines, teller.names(lines), judged.verdict.dropped_by is Party.NOBODY)


class _Teller:
    def __init__(self, judged: Judged) -> None:
        self._session = judged.session
        self._verdict = judged.verdict
        connection = judged.session.connection
        self._several = connection.first.capture != connection.last.capture
        self._errors = dict(connection.icmp)
        self._positions = judged.session.dialogue.positions

    def line(self, rung: Rung) -> Line:
        source, target = self._way(rung)
        text = rung.text
        if source is Lane.MIDDLE and rung.side is not None:
            text += f", in the name of {SIDE[rung.side]}"
        stroke = STROKES.get(rung.kind, Stroke.WHOLE) if rung.kind else Stroke.WHOLE
        return Line(
            rung.at,
            rung.last or rung.at,
            self._frame(rung.at),
            source,
            target,
            text,
            self._tone(rung),
            stroke,
            self._stage(rung.at),
            rung.whole,
            rung.end or self._timed_out(rung),
            rung.timed,
        )

    def _tone(self, rung: Rung) -> Tone:
        """A close is bad news only where somebody dropped the connection."""
        calm = self._verdict.dropped_by is Party.NOBODY and rung.kind is RowKind.FIN and rung.tone is Tone.BAD
        return Tone.PLAIN if calm else rung.tone

    def _timed_out(self, rung: Rung) -> bool:
        """It is the run of retransmissions that nobody answered."""
        verdict = self._verdict
        again = rung.kind is RowKind.RETRANSMISSION and verdict.how is How.TIMEOUT
        return again and rung.at <= verdict.end <= (rung.last or rung.at)

    def elided(self, left_out: list[Rung]) -> Line:
        """One line for many."""
        first, last = left_out[0].at, left_out[-1].at
        text = f"{count(len(left_out), 'more line')}, frames {self._frame(first)} to {self._frame(last)}"
        stage = self._stage(first)
        return Line(first, last, "", None, None, text, Tone.QUIET, Stroke.ELIDED, stage, False, False, False)

    def names(self, lines: list[Line]) -> dict[Lane, str]:
        """What is written above each lane."""
        names = dict(zip((Lane.CLIENT, Lane.SERVER), hosts(self._session), strict=True))
        if Lane.MIDDLE in {line.source for line in lines}:
            senders = {safe_text(error.sender) for error in self._errors.values()} - self._hosts()
            sure = self._verdict.strength is not Strength.POSSIBLE
            names[Lane.MIDDLE] = senders.pop() if len(senders) == 1 else "a device" if sure else "a device, possibly"
        return names

    def _way(self, rung: Rung) -> tuple[Lane | None, Lane | None]:
        """From which lane to which. A frame's source is a claim: what the verdict holds for a device's comes from there."""
        if rung.side is None:
            return self._way_of_error(rung.at)
        if rung.kind is RowKind.SILENCE:
            return None, None
        target = LANE_OF[rung.side.other]
        ended_between = rung.end and self._verdict.dropped_by is Party.MIDDLEBOX
        forged = rung.at in self._verdict.forged or ended_between
        return (Lane.MIDDLE if forged else LANE_OF[rung.side]), target

    def _way_of_error(self, at: Moment) -> tuple[Lane | None, Lane | None]:
        """An ICMP error goes to whoever sent the packet that it quotes."""
        error = self._errors.get(at)
        if error is None:
            return None, None
        target = Lane.CLIENT if error.src == self._session.client.address else Lane.SERVER
        if error.sender not in self._hosts():
            return Lane.MIDDLE, target
        return (Lane.SERVER, Lane.CLIENT) if target is Lane.CLIENT else (Lane.CLIENT, Lane.SERVER)

    def _hosts(self) -> set[str]:
        return {self._session.client.address, self._session.server.address}

    def _frame(self, at: Moment) -> str:
        return frame_number(at, several=self._several)

    def _stage(self, at: Moment) -> str:
        """The step in progress once that frame was there."""
        stage = "connect"
        for position in self._positions:
            if position.at > at:
                break
            stage = position.stage.value
        return stage


def way(line: Line) -> str:
    """From whom to whom, in words: ``client to server``."""
    if line.source is None or line.target is None:
        return ""
    return f"{LANE_WORD[line.source]} to {LANE_WORD[line.target]}"
