"""What was read: one entry a file, with what a reader must know about it; then what could not be read."""

from __future__ import annotations

from collections.abc import Iterator

from pcapdiag.analysis import Analysis
from pcapdiag.model import CaptureInfo
from pcapdiag.report.clean import safe_text, short_name
from pcapdiag.report.clock import Clock
from pcapdiag.report.summary import about, notes, together
from pcapdiag.report.text.style import Style
from pcapdiag.report.words import count

MOST_CAPTURES = 20
"""Files told one by one; a ring of a thousand files is told in one line."""


def captures(analysis: Analysis, style: Style, clock: Clock) -> Iterator[str]:
    """See the head of the module."""
    infos = analysis.captures
    for index, info in enumerate(infos[:MOST_CAPTURES]):
        number = f"[{index}] " if len(infos) > 1 else ""
        yield from style.prose(f"{number}{short_name(info.path)}: {about(info, clock)}", indent="    ", first="  ")
        yield from _notes(info, style)
    if len(infos) > MOST_CAPTURES:
        rest = infos[MOST_CAPTURES:]
        packets, mail = sum(info.packets for info in rest), sum(info.smtp_packets for info in rest)
        yield f"  and {count(len(rest), 'more file')}: {count(packets, 'packet')}, {mail:,} of mail"
        for info in rest:
            yield from _notes(info, style, name=short_name(info.path) + ": ")
    if len(infos) > 1:
        yield from style.prose(together(infos), indent="  ")
    for error in analysis.errors:
        text = f"not read: {safe_text(error.path)}: {safe_text(error.says)}"
        yield from (style.paint(line, "red") for line in style.prose(text, indent="    ", first="  ! "))


def _notes(info: CaptureInfo, style: Style, name: str = "") -> Iterator[str]:
    for text in notes(info):
        yield from (style.paint(line, "yellow") for line in style.prose(name + text, indent="      ", first="    ! "))
