"""What was read, one card a file, with the checksum by which two companies know that they speak of the same one."""

from __future__ import annotations

from typing import NamedTuple

from pcapdiag.analysis import Analysis
from pcapdiag.model import CaptureInfo
from pcapdiag.report.clean import duration_text, safe_text, short_name
from pcapdiag.report.clock import Clock
from pcapdiag.report.summary import notes
from pcapdiag.report.words import count

FEW, MOST = 3, 200
"""Up to so many files each has its card; more stand in a table, of a ring of a thousand the first ones and a sum."""


class Capture(NamedTuple):
    """One file."""

    number: str
    """As frame numbers name the file where there are several: ``[0]``; else empty."""
    name: str
    format: str
    packets: str
    time: str
    sha256: str
    notes: list[str]


class Captures(NamedTuple):
    """The files of an analysis."""

    told: list[Capture]
    few: bool
    rest: str
    """What is not told one by one; empty when all are."""
    zone: str
    """In which zone the times of the page are."""


def captures(analysis: Analysis, clock: Clock) -> Captures:
    """See `Captures`."""
    infos = analysis.captures
    times = [info.first_time_ns for info in infos if info.first_time_ns is not None]
    return Captures(
        [_capture(info, clock, f"[{index}]" if len(infos) > 1 else "") for index, info in enumerate(infos[:MOST])],
        len(infos) <= FEW,
        _rest(infos[MOST:]),
        clock.offset(min(times)) if times else "",
    )


def _capture(info: CaptureInfo, clock: Clock, number: str) -> Capture:
    return Capture(
        number,
        short_name(info.path),
        ", ".join([info.format, *([" / ".join(info.link_types)] if info.link_types else [])]),
        f"{count(info.packets, 'packet')}, {info.smtp_packets:,} of mail",
        _time(info, clock),
        info.sha256 or "",
        notes(info),
    )


def _time(info: CaptureInfo, clock: Clock) -> str:
    if info.first_time_ns is None or info.last_time_ns is None:
        return ""
    lasted = duration_text(info.last_time_ns - info.first_time_ns)
    return f"{clock.span(info.first_time_ns, info.last_time_ns)} ({lasted})"


def _rest(infos: tuple[CaptureInfo, ...]) -> str:
    if not infos:
        return ""
    packets, mail = sum(info.packets for info in infos), sum(info.smtp_packets for info in infos)
    noted = sum(bool(notes(info)) for info in infos)
    remarks = f"; {count(noted, 'file')} of these with remarks, which --format json has" if noted else ""
    return f"And {count(len(infos), 'more file')}: {count(packets, 'packet')}, {mail:,} of mail{remarks}."


def errors(analysis: Analysis) -> list[str]:
    """What could not be read. The name only: where files lie on our machine is nobody else's business."""
    return [f"{short_name(error.path)}: {safe_text(error.says)}" for error in analysis.errors]
