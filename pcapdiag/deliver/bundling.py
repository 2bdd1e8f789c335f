"""An `Analysis` -> a `Bundle` in a folder: the note and the files; and a folder written before -> the same bundle again.

The folder is what a failed delivery leaves behind, with all that another try needs (``bundle.json``), so that a capture from
a pipe can be sent later, too, and pseudonyms are the same that a first try may have brought to the ticket.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from pcapdiag.analysis import Analysis, Judged
from pcapdiag.deliver.bundle import CLOSING_CHARACTERS, Bundle, Dialect, File
from pcapdiag.deliver.settings import Site
from pcapdiag.deliver.system import System
from pcapdiag.errors import UsageError
from pcapdiag.pseudonym import Level
from pcapdiag.report import formats
from pcapdiag.report.brief import short
from pcapdiag.report.dialects import dialect
from pcapdiag.report.document import Paragraph
from pcapdiag.report.facts import session_key
from pcapdiag.report.options import Options
from pcapdiag.target import draft_of

SCHEMA = "pcapdiag.bundle/1"
MANIFEST = "bundle.json"
DIGITS = 16
"""Of the fingerprint: two analyses of one ticket never share 64 bits by chance."""
HOW_TO_FIND = "The pcapng file counts its frames anew; the comment of each packet names its frame in the capture."
CONTENT_TYPES = {".html": "text/html", ".pcapng": "application/x-pcapng", ".json": "application/json"}
"""The files, the most useful first."""
ENDINGS = {Dialect.PLAIN: ".txt", Dialect.MARKDOWN: ".md", Dialect.JIRA: ".jira.txt", Dialect.TEXTILE: ".textile.txt"}


def fingerprint(analysis: Analysis, level: Level) -> str:
    """The same for the same sessions of the same captures, redacted alike, in every run. Made before redaction, whose
    pseudonyms differ from run to run."""
    captures = sorted(info.sha256 or "" for info in analysis.captures)
    sessions = sorted(analysis.sessions.each(_key))
    story = "\n".join([level.value, *captures, "", *sessions])
    return hashlib.sha256(story.encode()).hexdigest()[:DIGITS]


def _key(judged: Judged) -> str:
    return session_key(judged.session.connection)


class Cut(NamedTuple):
    """What became of the slice of the packets."""

    written: bool
    remark: str = ""
    """Why there is none, or what it says otherwise than the capture."""


def pack(
    analysis: Analysis,
    options: Options,
    name: str,
    folder: Path,
    system: System,
    site: Site,
    *,
    attached: bool,
    cut: Callable[[Path], Cut],
) -> Bundle:
    """Write everything into the folder.

    Args:
        analysis: Redacted as its readers may see it.
        name: The fingerprint.
        attached: The files go with the note, which then points to them.
        cut: Writes the slice of the packets.
    """
    stem = f"pcapdiag-{name[:8]}"
    page, packets, exact = (folder / f"{stem}{ending}" for ending in CONTENT_TYPES)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(page, formats.render("html", analysis, options))
        slice_ = cut(packets)
        _write(exact, formats.render("json", analysis, options))
        paths = [page, packets, exact] if slice_.written else [page, exact]
        markup = system.dialect_of(site)
        note = _note(analysis, options, markup, system.limits.note_characters, attached, slice_)
        files = tuple(_file(path, CONTENT_TYPES[path.suffix]) for path in paths)
        bundle = Bundle(name, markup, note, files, slice_.remark)
        _write(folder / f"{stem}{ENDINGS[markup]}", [note])
        _write(folder / MANIFEST, [json.dumps(_manifest(bundle), indent=2) + "\n"])
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror or error}") from error
    return bundle


def _note(analysis: Analysis, options: Options, markup: Dialect, most: int | None, attached: bool, slice_: Cut) -> str:
    writer = dialect(markup.value)
    limit = None if most is None else most - CLOSING_CHARACTERS
    note = short(analysis, writer, options, attached=attached, limit=limit)
    if slice_.written:
        note += "\n" + writer.write([Paragraph(" ".join(part for part in (HOW_TO_FIND, slice_.remark) if part))])
    return note


def _write(path: Path, pieces: Iterable[str]) -> None:
    """The file, whole or not at all."""
    with draft_of(path) as draft:
        with open(draft.name, "w", encoding="utf-8", newline="\n") as stream:
            stream.writelines(pieces)
        draft.put_in_place()


def _file(path: Path, content_type: str) -> File:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return File(path, content_type, path.stat().st_size, digest)


def _manifest(bundle: Bundle) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "fingerprint": bundle.fingerprint,
        "dialect": bundle.dialect.value,
        "note": bundle.note,
        "files": [
            {"name": file.name, "content_type": file.content_type, "octets": file.octets, "sha256": file.sha256}
            for file in bundle.files
        ],
    }


def unpack(folder: Path, system: System, site: Site) -> Bundle:
    """The bundle of a folder written before; UsageError where its files are no longer what they were."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if manifest["schema"] != SCHEMA:
            raise UsageError(f"{folder / MANIFEST} is {manifest['schema']}, not {SCHEMA}: another pcapdiag wrote it")
        files = tuple(_file(folder / Path(row["name"]).name, row["content_type"]) for row in manifest["files"])
        name, note = manifest["fingerprint"], manifest["note"]
        if not isinstance(note, str) or not re.fullmatch(f"[0-9a-f]{{{DIGITS}}}", name):
            raise ValueError(f"fingerprint {name!r}, a note of {type(note).__name__}")
        bundle = Bundle(name, Dialect(manifest["dialect"]), note, files)
        expected = [row["sha256"] for row in manifest["files"]]
    except FileNotFoundError as error:
        raise UsageError(f"{folder} is no folder of an earlier pcapdiag attach: {error.filename} is missing") from None
    except OSError as error:
        raise UsageError(f"{folder} cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(f"{folder / MANIFEST} is not what pcapdiag wrote: {error!r}") from None
    for file, digest in zip(files, expected, strict=True):
        if file.sha256 != digest:
            raise UsageError(f"{file.path} has changed since pcapdiag wrote it: its SHA-256 was {digest}")
    if bundle.dialect is not system.dialect_of(site):
        raise UsageError(
            f"the note in {folder} is written in {bundle.dialect.value}, and {site.name} reads {system.dialect_of(site).value}: "
            "analyse the capture again for this ticket"
        )
    return bundle
