"""Rungs to a ladder: who said what to whom, one line a frame, client on the left and server on the right.

    10:00:01.000              1  │ SYN ───────────────────────────────► │
    10:00:01.030    30 ms     2  │ ◄─────────────────────────── SYN+ACK │
    10:00:01.062    31 ms     4  │ ◄────── 220 gw.example.net SMTP ready │

The text stands at the side of whoever speaks and the shaft shows the way, so that a glance down the page tells the
conversation. Refusals are told in full, everything else in one line; a long conversation is told from both ends.
It refuses to know SMTP and TCP: whoever makes the rungs does.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from pcapdiag.model import Moment, Side
from pcapdiag.report.clean import duration_text, frame_number
from pcapdiag.report.clock import Clock
from pcapdiag.report.rungs import Rung, Tone
from pcapdiag.report.text.style import Style, columns
from pcapdiag.report.words import count

HEAD, TAIL = 14, 26
"""Rungs told of a long conversation: its beginning and, where it broke, more of its end."""
AFTER, ROOMY = 9, 72
"""Columns of the time since the rung before, and of a page that has room for it."""
LONGEST_TEXT = 5
"""Lines of one rung."""


PAINT = {Tone.PLAIN: (), Tone.QUIET: ("dim",), Tone.WARN: ("yellow",), Tone.BAD: ("red",), Tone.END: ("red", "bold")}


class Ladder:
    """Draws the rungs of one session."""

    def __init__(self, style: Style, clock: Clock, *, several_files: bool) -> None:
        self._style = style
        self._clock = clock
        self._several_files = several_files
        self._after = AFTER if style.width >= ROOMY else 0

    def draw(self, rungs: Sequence[Rung], client: str, server: str, *, whole: bool) -> Iterator[str]:
        """The lines of the ladder between the two hosts of those names. `whole`: nothing is left out."""
        labels = [self._frame(rung.at) for rung in rungs]
        frame_width = max(5, *(len(label) for label in labels)) if labels else 5
        left = 2 + 12 + 1 + self._after + 1 + frame_width + 2
        inner = self._style.width - left - 2
        yield from self._head(client, server, frame_width, inner)
        before: Moment | None = None
        for index, rung in enumerate(rungs):
            skipped = len(rungs) - HEAD - TAIL
            if not whole and skipped > 3 and HEAD <= index < HEAD + skipped:
                if index == HEAD:
                    yield from self._elided(rungs[HEAD : HEAD + skipped], left, inner)
                before = rung.at
                continue
            yield from self._rung(rung, labels[index].rjust(frame_width), before, inner)
            before = rung.at if rung.timed else before

    def _frame(self, at: Moment) -> str:
        return frame_number(at, several=self._several_files)

    def _head(self, client: str, server: str, frame_width: int, inner: int) -> Iterator[str]:
        half = inner // 2
        left, right = self._style.cut(client, half), self._style.cut(server, half)
        middle = left + " " * max(1, inner + 2 - columns(left) - columns(right)) + right
        after = "after" if self._after else ""
        yield self._style.paint(f"  {'time':<12} {after:>{self._after}} {'frame':>{frame_width}}  {middle}", "dim")

    def _rung(self, rung: Rung, label: str, before: Moment | None, inner: int) -> Iterator[str]:
        after = "" if before is None or not self._after else duration_text(rung.at.time_ns - before.time_ns)
        after = after if len(after) <= AFTER else " ".join(after.split()[:2])  # days are enough: 5118 d 1 h
        margin = f"  {self._clock.fine(rung.at.time_ns)} {after:>{self._after}} {label} "
        if not rung.timed or rung.at == before:  # what came in one frame has its time once
            margin = " " * len(margin)
        mark = self._style.paint(self._style.glyphs.cross, *PAINT[Tone.END]) if rung.end else " "
        for number, line in enumerate(self._lines(rung, inner)):
            yield (self._style.paint(margin, "dim") + mark if number == 0 else " " * (len(margin) + 1)) + line

    def _lines(self, rung: Rung, inner: int) -> Iterator[str]:
        rail = self._style.glyphs.rail
        if rung.side is None:
            broken = self._style.glyphs.broken_rail
            for text in self._text(rung, inner - 2):
                room = inner - columns(text)
                line = " " * (room // 2) + self._style.paint(text, *PAINT[rung.tone]) + " " * (room - room // 2)
                yield broken + line + broken
            return
        texts = self._text(rung, inner - 6)
        block = max(columns(text) for text in texts)
        for number, text in enumerate(texts):
            padded = text + " " * (block - columns(text)) if rung.side is Side.SERVER else text
            yield rail + self._arrow(rung, padded, inner, shaft=number == 0) + rail

    def _arrow(self, rung: Rung, text: str, inner: int, *, shaft: bool) -> str:
        glyphs = self._style.glyphs
        room = inner - columns(text) - 4
        drawn = glyphs.shaft * room if shaft else " " * (room + 1)
        words = self._style.paint(text, *PAINT[rung.tone])
        if rung.side is Side.CLIENT:
            return f" {words} {drawn}{glyphs.right if shaft else ''} "
        return f" {glyphs.left if shaft else ''}{drawn} {words} "

    def _text(self, rung: Rung, width: int) -> list[str]:
        given = rung.text.split("\n")
        if not rung.whole:
            more = f" (+{count(len(given) - 1, 'line')})" if len(given) > 1 else ""
            return [self._style.cut(given[0], width - len(more)) + more]
        wrapped = [part for line in given for part in textwrap.wrap(line, width, break_on_hyphens=False) or [""]]
        if len(wrapped) > LONGEST_TEXT:
            wrapped = [*wrapped[: LONGEST_TEXT - 1], f"(+{count(len(wrapped) - LONGEST_TEXT + 1, 'line')})"]
        return [self._style.cut(line, width) for line in wrapped]

    def _elided(self, left_out: Sequence[Rung], left: int, inner: int) -> Iterator[str]:
        broken = self._style.glyphs.broken_rail
        first, last = self._frame(left_out[0].at), self._frame(left_out[-1].at)
        text = self._style.cut(f"{len(left_out):,} more, frames {first} to {last}", inner - 2)
        room = inner - columns(text)
        yield (
            " " * left + broken + " " * (room // 2) + self._style.paint(text, "dim") + " " * (room - room // 2) + broken
        )
