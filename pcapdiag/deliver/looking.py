"""What a ticket has -> whether it has this analysis already, and whether it kept what was sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any

from pcapdiag.deliver.bundle import File, bears
from pcapdiag.deliver.steps import THE_NOTE, Check, Request, Steps

PAGE, PAGES = 100, 20
"""Notes in a page, and pages that are looked at, where a system lists its notes so."""


def told(rows: Iterable[Mapping[str, Any]], key: str, fingerprint: str) -> bool:
    """Whether one of these notes, with its text under that key, tells of this analysis."""
    return any(bears(str(row.get(key)), fingerprint) for row in rows)


def told_in_pages(page: Callable[[int], Request], fingerprint: str) -> Steps[bool]:
    """The same of notes with a ``body`` that come in pages, counted from 1; one that is not full is the last."""
    for number in range(1, PAGES + 1):
        rows = (yield page(number)).rows()
        if told(rows, "body", fingerprint):
            return True
        if len(rows) < PAGE:
            break
    return False


def kept_whole(text: str, fingerprint: str) -> Check:
    """The note as the ticket has it: its last line is there, so all of it is."""
    return Check(THE_NOTE, "" if bears(text, fingerprint) else "it was not kept whole")


def compared(file: File, octets: bytes | None) -> Check:
    """The file in the ticket (None: it is not there) against the one on disk, by length and SHA-256."""
    if octets is None:
        return Check(file.name, "it is not in the ticket")
    if len(octets) != file.octets:
        return Check(file.name, f"the ticket has {len(octets):,} octets of it instead of {file.octets:,}")
    found = sha256(octets).hexdigest()
    if found != file.sha256:
        return Check(file.name, f"the ticket has other octets: SHA-256 {found} instead of {file.sha256}")
    return Check(file.name)
