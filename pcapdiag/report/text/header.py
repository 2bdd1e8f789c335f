"""What was read, and the whole result in one paragraph: who dropped what, where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pcapdiag.analysis import Analysis, Group, Judged
from pcapdiag.model import CaptureInfo, Party
from pcapdiag.report.clean import plain, safe_text, short_name
from pcapdiag.report.text.clock import Clock
from pcapdiag.report.text.style import Style
from pcapdiag.report.text.words import HOW, PARTY, STAGE, count, listed

NOT_DROPPED = (Party.NOBODY, Party.UNDETERMINED)
MOST_CAPTURES = 20
"""Files told one by one; a ring of a thousand files is told in one line."""


def lead(analysis: Analysis, style: Style, *, shown: int, only: Judged | None) -> Iterator[str]:
    """The result in a paragraph. `only` is the session when there is but one."""
    if only is not None:
        paths = [info.path for info in analysis.captures]
        yield from style.prose(plain(only.verdict.summary, paths))
        return
    sentences = [f"{count(analysis.total, 'SMTP session')}: {_counts(analysis)}."]
    worst = _worst(analysis.groups)
    if worst is not None and analysis.dropped > 1:
        sentences.append(
            f"Most often ({worst.sessions:,} of {analysis.total:,}) {PARTY[worst.dropped_by]} ended it by {HOW[worst.how]} "
            f"on {safe_text(worst.server)}, {STAGE[worst.stage]}."
        )
    if analysis.attention:
        sentences.append(f"{count(analysis.attention, 'session needs', 'sessions need')} attention.")
    else:
        sentences.append("None needs attention.")
    if shown != analysis.total:
        sentences.append(f"Your filter shows {shown:,} of them.")
    yield from style.prose(" ".join(sentences))


def nothing(analysis: Analysis, style: Style, *, ports: Sequence[int] | None) -> Iterator[str]:
    """The result when there is no session at all, and what to try."""
    packets = sum(info.packets for info in analysis.captures)
    where = (
        "on any port"
        if ports is None
        else f"on {count(len(ports), 'port').partition(' ')[2]} {listed([str(port) for port in ports])}"
    )
    yield from style.prose(f"No SMTP session was found in {count(packets, 'packet')}; we looked {where}.")
    if not packets:
        return
    if ports is not None:
        yield from style.prose(
            "If the mail runs on another port, name it with --port N, or let --any-port find SMTP by what is said."
        )
    yield from style.prose("If it should be there, check that the capture was taken where the mail passes.")


def _counts(analysis: Analysis) -> str:
    parts = []
    for party in (Party.SERVER, Party.CLIENT, Party.MIDDLEBOX, Party.PATH):
        if number := analysis.dropped_by.get(party, 0):
            parts.append(f"{number:,} dropped by {PARTY[party]}")
    if number := analysis.dropped_by.get(Party.NOBODY, 0):
        parts.append(f"{number:,} ended as {'it' if number == 1 else 'they'} should, or still open")
    if number := analysis.dropped_by.get(Party.UNDETERMINED, 0):
        parts.append(f"{number:,} undetermined")
    return listed(parts)


def _worst(groups: Sequence[Group]) -> Group | None:
    dropped = [group for group in groups if group.dropped_by not in NOT_DROPPED]
    return max(dropped, key=lambda group: (group.sessions, -group.first_ns), default=None)


def captures(analysis: Analysis, style: Style, clock: Clock) -> Iterator[str]:
    """What was read: one entry a file, with what a reader must know about it; then what could not be read."""
    infos = analysis.captures
    traces = len({info.trace for info in infos})
    for index, info in enumerate(infos[:MOST_CAPTURES]):
        number = f"[{index}] " if len(infos) > 1 else ""
        yield from style.prose(f"{number}{short_name(info.path)}: {_about(info, clock)}", indent="    ", first="  ")
        yield from _notes(info, style)
    if len(infos) > MOST_CAPTURES:
        rest = infos[MOST_CAPTURES:]
        packets, mail = sum(info.packets for info in rest), sum(info.smtp_packets for info in rest)
        yield f"  and {count(len(rest), 'more file')}: {count(packets, 'packet')}, {mail:,} of mail"
        for info in rest:
            yield from _notes(info, style, name=short_name(info.path) + ": ")
    if len(infos) > 1:
        yield from style.prose(_together(len(infos), traces), indent="  ")
    for error in analysis.errors:
        text = f"not read: {safe_text(error.path)}: {safe_text(error.says)}"
        yield from (style.paint(line, "red") for line in style.prose(text, indent="    ", first="  ! "))


def _about(info: CaptureInfo, clock: Clock) -> str:
    parts = [info.format, "/".join(info.link_types)] if info.link_types else [info.format]
    parts.append(f"{count(info.packets, 'packet')} ({info.smtp_packets:,} of mail)")
    if info.first_time_ns is not None and info.last_time_ns is not None:
        parts.append(clock.span(info.first_time_ns, info.last_time_ns))
    return ", ".join(parts)


def _notes(info: CaptureInfo, style: Style, name: str = "") -> Iterator[str]:
    texts = [safe_text(note.says) for note in info.notes]
    told = {note.code for note in info.notes}
    if info.dropped_by_capture and "dropped" not in told:
        texts.append(
            f"the capture itself lost {count(info.dropped_by_capture, 'packet')}: gaps are not proof of loss on the way"
        )
    for text in texts:
        yield from (style.paint(line, "yellow") for line in style.prose(name + text, indent="      ", first="    ! "))


def _together(files: int, traces: int) -> str:
    if traces == 1:
        return f"The {files} files follow one another and were read as one trace."
    if traces == files:
        return "The files were read as separate traces: no session spans two of them."
    return f"The {files} files make {traces} traces: no session spans two of them."
