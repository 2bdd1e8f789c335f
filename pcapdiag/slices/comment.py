"""What a slice says of itself: the comment on its section, and on each packet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pcapdiag.analysis import Judged
from pcapdiag.model import CaptureInfo
from pcapdiag.pseudonym import Level
from pcapdiag.report.clean import safe_text, short_name
from pcapdiag.report.telling import headline, verdict_sentence
from pcapdiag.report.words import count
from pcapdiag.slices.finding import Found
from pcapdiag.version import __version__

LONGEST = 4000
"""Of the sentence about one session."""

_LEVELS = {
    Level.NONE: "Nothing was redacted: these are the octets that were captured.",
    Level.MAIL: "Local parts of mail addresses are pseudonyms; credentials, message content and what TLS had encrypted are filler.",
    Level.ALL: "Mail addresses, host names, IP and MAC addresses are pseudonyms; credentials, message content and what TLS had encrypted "
    "are filler.",
}


def program() -> str:
    """Who wrote the file."""
    return f"pcapdiag {__version__}"


def section(told: Sequence[Judged], found: Sequence[Found], captures: Sequence[CaptureInfo], level: Level) -> str:
    """The comment on the section; `told` and `captures` are redacted. The verdict stands first, for readers that cut."""
    return "\n".join(
        [
            *_sessions(told, found, captures),
            *_files(found, captures),
            f"Redaction: {level.value}. {_LEVELS[level]}",
            *_advice(),
        ]
    )


def packet(captures: Sequence[CaptureInfo], capture: int, frame: int) -> str:
    """The comment on a packet: where it was before."""
    return f"frame {frame} of {safe_text(short_name(captures[capture].path))}"


def _sessions(told: Sequence[Judged], found: Sequence[Found], captures: Sequence[CaptureInfo]) -> Iterator[str]:
    paths = [info.path for info in captures]
    for judged, each in zip(told, found, strict=True):
        session, verdict = judged.session, judged.verdict
        ends = f"{session.client} to {session.server}"
        sentence = verdict_sentence(verdict, paths)[:LONGEST]
        yield f"Session {judged.id} ({headline(verdict)}; {verdict.rule}): {sentence}"
        yield f"{ends}; {_frames(each, paths)}."


def _frames(found: Found, paths: Sequence[str]) -> str:
    """``41 packets: frames 12 to 97 of trace.pcap``."""
    total = sum(map(len, found.frames.values()))
    spans = [
        f"frames {numbers[0]} to {numbers[-1]} of {safe_text(short_name(paths[capture]))}"
        for capture, numbers in sorted(found.frames.items())
    ]
    return f"{count(total, 'packet')}: {', '.join(spans)}"


def _files(found: Sequence[Found], captures: Sequence[CaptureInfo]) -> Iterator[str]:
    for capture in sorted({capture for each in found for capture in each.frames}):
        info = captures[capture]
        if info.sha256 is not None:
            yield f"SHA-256 of {safe_text(short_name(info.path))}: {info.sha256}"


def _advice() -> Iterator[str]:
    yield (
        "Only the packets of these sessions are here. What pcapdiag knew of the hosts from their other connections (usual TTLs, clocks, "
        "signs of life) is not, so that a verdict that rests on it may read weaker."
    )
    yield f"Cut by {program()}."
