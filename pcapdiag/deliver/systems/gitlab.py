"""GitLab issues: ``gitlab:group/sub/project#7``. Files are uploaded to the project; a note links them.

Documentation: docs.gitlab.com, "Notes API" (``internal``, which "overrides ``confidential`` when both parameters are submitted";
older servers know only the latter, so both are sent; a note holds 1,000,000 characters) and "Markdown uploads API" (17.6:
download by secret and file name since 17.4). Not tried with GitLab itself: the requests are checked against the
documentation only.
"""

from __future__ import annotations

import re

from pcapdiag.deliver import urls
from pcapdiag.deliver.bundle import Dialect, File, bears
from pcapdiag.deliver.settings import Site
from pcapdiag.deliver.steps import THE_NOTE, Check, Delivered, Form, Json, Purpose, Request, Steps, compared
from pcapdiag.deliver.system import Credential, Job, Limits, System, always_internal

API = "/api/v4"
PAGE, PAGES = 100, 20
SECRET = re.compile(r"/uploads/(?P<secret>[0-9A-Za-z]+)/(?P<name>[^/]+)$")


def seen(job: Job) -> Steps[bool]:
    """The newest 2,000 notes are looked at."""
    for page in range(1, PAGES + 1):
        target = urls.with_query(_notes(job), order_by="created_at", sort="desc", per_page=PAGE, page=page)
        answer = yield Request(Purpose.LOOK, "GET", target, like=[], octets=64 << 20)
        rows = answer.rows()
        if any(bears(str(row.get("body")), job.parcel.fingerprint) for row in rows):
            return True
        if len(rows) < PAGE:
            break
    return False


def deliver(job: Job) -> Steps[Delivered]:
    """The uploads, the note that links them, and each file read back."""
    links: dict[str, str] = {}
    places: list[tuple[File, str]] = []
    for file in job.parcel.files:
        answer = yield Request(
            Purpose.SEND,
            "POST",
            API + urls.path("projects", _project(job), "uploads"),
            like={"markdown": f"[{file.name}](/uploads/SECRET/{file.name})", "url": f"/uploads/SECRET/{file.name}"},
            body=Form("file", file),
        )
        links[file.name] = answer.text("markdown")
        places.append((file, answer.text("url")))
    answer = yield Request(
        Purpose.SEND,
        "POST",
        _notes(job),
        like={"id": "ID of the note", "internal": not job.public, "body": ""},
        body=Json({"body": job.parcel.note(links), "internal": not job.public, "confidential": not job.public}),
        brings=(THE_NOTE, *links),
    )
    checks = [_note_check(answer.at(), job)]
    for file, place in places:
        checks.append((yield from _check(job, file, place)))
    return Delivered(f"{job.site.url}/{job.ticket.replace('#', '/-/issues/')}#note_{answer.text('id')}", tuple(checks))


def _note_check(note: dict[str, object], job: Job) -> Check:
    """A GitLab that knows neither parameter would show the note to everybody, without a word."""
    if not job.public and not (note.get("internal") or note.get("confidential")):
        return Check(THE_NOTE, "GitLab did not make it internal. Delete it if nobody may read it")
    there = bears(str(note.get("body")), job.parcel.fingerprint)
    return Check(THE_NOTE, "" if there else "it was not kept whole")


def _check(job: Job, file: File, place: str) -> Steps[Check]:
    match = SECRET.search(place)
    if match is None:
        return Check(file.name, unseen="GitLab did not say where it keeps it")
    answer = yield Request(
        Purpose.CHECK,
        "GET",
        API + urls.path("projects", _project(job), "uploads", match["secret"], match["name"]),
        octets=file.octets + (1 << 20),
        may_fail=True,
    )
    if not answer.ok:
        return Check(file.name, unseen=f"GitLab before 17.4 gives no uploads back (answered {answer.status})")
    return compared(file, answer.content)


def _project(job: Job) -> str:
    return job.ticket.partition("#")[0]


def _notes(job: Job) -> str:
    return API + urls.path("projects", _project(job), "issues", job.ticket.partition("#")[2], "notes")


def credential(site: Site) -> Credential:
    """Personal, project and group access tokens."""
    return Credential("PRIVATE-TOKEN")


SYSTEM = System(
    name="gitlab",
    title="GitLab",
    shape=re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_.][A-Za-z0-9_.-]*)+#[1-9]\d{0,17}", re.ASCII),
    example="gitlab:group/project#7",
    dialect=Dialect.MARKDOWN,
    limits=Limits(file_octets=100 << 20, note_characters=1_000_000),  # "Maximum attachment size", default since 15.7
    credential=credential,
    deliver=deliver,
    seen=seen,
    no_internal=always_internal,
    url="https://gitlab.com",
    token_env="GITLAB_TOKEN",
)
