"""`Bundle`: what goes into a ticket, as the ticket systems know it. No analysis, no capture, only text and files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

FINGERPRINT_WORDS = "pcapdiag analysis"


class Dialect(Enum):
    """How a ticket system marks up text. The value names the dialect of `pcapdiag.report.dialects`."""

    PLAIN = "plain"
    MARKDOWN = "markdown"
    JIRA = "jira"
    TEXTILE = "textile"


@dataclass(frozen=True, slots=True)
class File:
    """A file on disk."""

    path: Path
    content_type: str
    octets: int
    sha256: str

    @property
    def name(self) -> str:
        """Letters, digits, dots and hyphens: inert in every dialect."""
        return self.path.name

    @property
    def contents(self) -> str:
        """By which they are known again: ``12,345 octets, SHA-256 ...``"""
        return f"{self.octets:,} octets, SHA-256 {self.sha256}"


@dataclass(frozen=True, slots=True)
class Bundle:
    """One analysis, ready to go into a ticket."""

    fingerprint: str
    """The same for the same sessions of the same captures, redacted alike, and for no others: hexadecimal digits."""
    dialect: Dialect
    note: str
    """The note's text without what `closing` adds."""
    files: tuple[File, ...]
    """The most useful first."""
    remark: str = ""
    """What the sender should know of it, beside the note."""


def fingerprint_line(fingerprint: str) -> str:
    """The last line of every note, by which the same analysis is known again."""
    return f"{FINGERPRINT_WORDS} {fingerprint}"


def bears(text: str, fingerprint: str) -> bool:
    """Whether a note that was found in a ticket tells of this analysis."""
    return fingerprint_line(fingerprint) in " ".join(text.split())


@dataclass(frozen=True, slots=True)
class Parcel:
    """The part of a bundle that one site takes."""

    bundle: Bundle
    files: tuple[File, ...]
    kept: tuple[File, ...] = ()
    """Files that stay on the sender's disk."""
    why_kept: str = ""
    """``larger than the 5,242,880 octets this site takes``."""

    @property
    def fingerprint(self) -> str:
        return self.bundle.fingerprint

    def note(self, shown: Mapping[str, str] | None = None) -> str:
        """The note with its closing lines. `shown`: how a file is written in it, by name (a link); by default by its name.

        Lists with an asterisk are lists in Markdown, in Jira's and Redmine's markup, and in plain text.
        """
        shown = shown or {}
        lines: list[str] = []
        if self.files:
            lines += ["Files with this note:", ""]
            lines += [f"* {shown.get(file.name, file.name)}, {file.contents}" for file in self.files]
            lines.append("")
        if self.kept:
            lines += [f"Not attached, {self.why_kept}; whoever wrote this note has them:", ""]
            lines += [f"* {file.name}, {file.contents}" for file in self.kept]
            lines.append("")
        return "\n".join([self.bundle.note.rstrip(), "", *lines, fingerprint_line(self.fingerprint), ""])


CLOSING_CHARACTERS = 4_000
"""No closing is longer, with links: so much less may a note have than its ticket system takes."""
