"""Redmine: ``redmine:88``. Files are uploaded one by one, each giving a token; one PUT brings them with the note.

Documentation: redmine.org, wiki pages Rest_api ("Attaching files") and Rest_Issues ("Updating an issue", ``private_notes``).
Tried with Redmine 5.0.4 of Debian 12. What that showed, and the documentation does not say: Redmine writes the files into an
entry of the history of their own, which everybody sees who sees the issue, also where the note is private. So an internal
note leaves the files on disk, unless the settings say ``attach_to_internal = true``.
"""

from __future__ import annotations

import re

from pcapdiag.deliver import urls
from pcapdiag.deliver.bundle import Dialect, File, bears
from pcapdiag.deliver.settings import Site
from pcapdiag.deliver.steps import THE_NOTE, Check, Delivered, Json, Octets, Purpose, Request, Steps, compared
from pcapdiag.deliver.system import Credential, Job, Limits, System, always_internal


def seen(job: Job) -> Steps[bool]:
    """Redmine gives all notes of an issue at once, without pages."""
    answer = yield _issue(Purpose.LOOK, job, "journals", {"issue": {"journals": []}})
    return any(bears(str(row.get("notes")), job.parcel.fingerprint) for row in answer.rows("issue", "journals"))


def deliver(job: Job) -> Steps[Delivered]:
    """Uploads bring nothing into the issue yet; Redmine forgets those that are not used."""
    files = job.parcel.files
    uploads = []
    for file in files:
        answer = yield Request(
            Purpose.SEND,
            "POST",
            urls.with_query("/uploads.json", filename=file.name),
            like={"upload": {"token": f"token of {file.name}"}},
            headers={"Content-Type": "application/octet-stream"},
            body=Octets(file),
        )
        token = answer.text("upload", "token")
        uploads.append({"token": token, "filename": file.name, "content_type": file.content_type})
    shown = {file.name: f"attachment:{file.name}" for file in files}
    changes = {"notes": job.parcel.note(shown), "private_notes": not job.public, "uploads": uploads}
    yield Request(
        Purpose.SEND,
        "PUT",
        urls.path("issues", f"{job.ticket}.json"),
        body=Json({"issue": changes}),
        brings=(THE_NOTE, *(file.name for file in files)),
    )
    checks = yield from _checks(job, files)
    return Delivered(f"{job.site.url}/issues/{job.ticket}", checks)


def _checks(job: Job, files: tuple[File, ...]) -> Steps[tuple[Check, ...]]:
    """Redmine answers a PUT with nothing (204), so the issue is looked at again: for the note, and for each file."""
    rows = [{"id": f"ID of {file.name}", "filename": file.name} for file in files]
    answer = yield _issue(Purpose.CHECK, job, "journals,attachments", {"issue": {"journals": [], "attachments": rows}})
    notes = [row for row in answer.rows("issue", "journals") if bears(str(row.get("notes")), job.parcel.fingerprint)]
    checks = [_note_check(notes, job.public)]
    if files:
        newest = {str(row.get("filename")): str(row.get("id")) for row in answer.rows("issue", "attachments")}
        for file in files:
            octets = (yield from _read(file, newest[file.name])) if file.name in newest else None
            checks.append(compared(file, octets))
    return tuple(checks)


def _note_check(notes: list[dict[str, object]], public: bool) -> Check:
    """Without the right to set notes private Redmine drops `private_notes` and not the note, without a word."""
    if not notes:
        return Check(THE_NOTE, "it is not in the issue")
    if not public and not notes[-1].get("private_notes"):
        return Check(
            THE_NOTE, "it is not private: this account may not set notes private. Delete it if nobody may read it"
        )
    return Check(THE_NOTE)


def _read(file: File, id: str) -> Steps[bytes | None]:
    target = urls.path("attachments", "download", id, file.name)
    answer = yield Request(Purpose.CHECK, "GET", target, octets=file.octets + (1 << 20), may_fail=True)
    return answer.content if answer.ok else None


def _issue(purpose: Purpose, job: Job, include: str, like: object) -> Request:
    target = urls.with_query(urls.path("issues", f"{job.ticket}.json"), include=include)
    return Request(purpose, "GET", target, like=like, octets=64 << 20)


def credential(site: Site) -> Credential:
    """Documented in Rest_api, "Authentication"."""
    return Credential("X-Redmine-API-Key")


def keeps_files(site: Site, public: bool) -> str:
    """See the head of this file."""
    if public or site.options.get("attach_to_internal"):
        return ""
    return "because Redmine would show them to everybody who sees the issue"


SYSTEM = System(
    name="redmine",
    title="Redmine",
    shape=re.compile(r"[1-9]\d{0,17}", re.ASCII),
    example="redmine:88",
    dialect=Dialect.TEXTILE,  # its default; markup = "markdown" where its administrator chose that
    limits=Limits(file_octets=5 << 20, note_characters=60_000),  # attachment_max_size; MySQL's TEXT holds 65,535 octets
    credential=credential,
    deliver=deliver,
    seen=seen,
    no_internal=always_internal,
    keeps_files=keeps_files,
    options=frozenset({"attach_to_internal", "markup"}),
)
