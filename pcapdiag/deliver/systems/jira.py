"""Jira: ``jira:MAIL-12``, with Jira's wiki markup (REST version 2; version 3 wants its own document format).

Two ways. Plain Jira has no internal comments, so it needs ``--public``: each file is attached, then a comment names them.
A site with ``service_management = true`` is Jira Service Management, where a comment and its attachments are internal or for the
customer: files are uploaded as temporary ones, and one request attaches them with the comment (``public`` false or true).
The property ``sd.public.comment`` of the platform's API would make the comment internal, but not the attachments.

Documentation: "Jira Cloud platform REST API v2", Issue attachments and Issue comments; "Jira Service Management Cloud REST
API" and "Jira Service Desk Server REST API" (v1005), groups Request and Servicedesk. Not tried with Jira itself: the
requests are checked against the documentation only.
"""

from __future__ import annotations

import re

from pcapdiag.deliver import urls
from pcapdiag.deliver.bundle import Dialect, File
from pcapdiag.deliver.looking import PAGE, PAGES, compared, kept_whole, told
from pcapdiag.deliver.settings import Site
from pcapdiag.deliver.steps import THE_NOTE, Check, Delivered, Form, Json, Purpose, Request, Steps
from pcapdiag.deliver.system import Credential, Job, Limits, System

API = "/rest/api/2"
DESK = "/rest/servicedeskapi"
NO_CHECK = {"X-Atlassian-Token": "no-check"}
"""Without it every multipart body is refused (XSRF protection)."""
EXPERIMENTAL = {"X-ExperimentalApi": "opt-in"}
"""Older servers call their attachments experimental, and want to hear that we know."""


def seen(job: Job) -> Steps[bool]:
    """The newest 2,000 comments are looked at."""
    for page in range(PAGES):
        query = urls.with_query(_comments(job), startAt=page * PAGE, maxResults=PAGE, orderBy="-created")
        answer = yield Request(Purpose.LOOK, "GET", query, like={"comments": [], "total": 0}, octets=64 << 20)
        rows = answer.rows("comments")
        if told(rows, "body", job.parcel.fingerprint):
            return True
        if not rows or (page + 1) * PAGE >= answer.number("total"):
            break
    return False


def deliver(job: Job) -> Steps[Delivered]:
    """By the way that the site's settings say."""
    return (yield from (_to_desk(job) if _is_desk(job.site) else _to_issue(job)))


def _to_issue(job: Job) -> Steps[Delivered]:
    """The comment comes last: what is said in it is then true, and a try that failed does not look like a delivery."""
    attached: list[tuple[File, str]] = []
    for file in job.parcel.files:
        answer = yield Request(
            Purpose.SEND,
            "POST",
            API + urls.path("issue", job.ticket, "attachments"),
            like=[{"id": f"ID of {file.name}", "content": f"/secure/attachment/ID/{file.name}"}],
            headers=NO_CHECK,
            body=Form("file", file),
            brings=(file.name,),
        )
        attached.append((file, answer.text(0, "content")))
    answer = yield Request(
        Purpose.SEND,
        "POST",
        _comments(job),
        like={"id": "ID of the comment", "body": ""},
        body=Json({"body": _note(job)}),
        brings=(THE_NOTE,),
    )
    checks = [kept_whole(answer.text("body"), job.parcel.fingerprint)]
    for file, content in attached:
        checks.append((yield from _check(job, file, content)))
    return Delivered(_page(job, answer.text("id")), tuple(checks))


def _to_desk(job: Job) -> Steps[Delivered]:
    """Comment and attachments become visible at once, or not at all."""
    if not job.parcel.files:
        return (yield from _desk_comment(job))
    temporary = yield from _temporary(job)
    rows = [
        {"filename": file.name, "_links": {"content": f"/secure/attachment/ID/{file.name}"}}
        for file in job.parcel.files
    ]
    answer = yield Request(
        Purpose.SEND,
        "POST",
        _request(job) + "/attachment",
        like={"comment": {"id": "ID of the comment", "public": job.public}, "attachments": {"values": rows}},
        headers=EXPERIMENTAL,
        body=Json(
            {"temporaryAttachmentIds": temporary, "public": job.public, "additionalComment": {"body": _note(job)}}
        ),
        brings=(THE_NOTE, *(file.name for file in job.parcel.files)),
    )
    checks = [_desk_check(answer.at("comment", "public"), job)]
    kept = {str(row.get("filename")): row for row in answer.rows("attachments", "values")}
    for file in job.parcel.files:
        content = (kept.get(file.name, {}).get("_links") or {}).get("content")
        checks.append((yield from _check(job, file, str(content))) if content else compared(file, None))
    return Delivered(_page(job, answer.text("comment", "id")), tuple(checks))


def _temporary(job: Job) -> Steps[list[str]]:
    """The files uploaded to the desk that the request belongs to; Jira forgets those that are not used."""
    described = yield Request(Purpose.LOOK, "GET", _request(job), like={"serviceDeskId": "ID-of-the-desk"})
    desk = described.text("serviceDeskId")
    temporary = []
    for file in job.parcel.files:
        answer = yield Request(
            Purpose.SEND,
            "POST",
            DESK + urls.path("servicedesk", desk, "attachTemporaryFile"),
            like={"temporaryAttachments": [{"temporaryAttachmentId": f"temporary ID of {file.name}"}]},
            headers=NO_CHECK | EXPERIMENTAL,
            body=Form("file", file),
        )
        temporary.append(answer.text("temporaryAttachments", 0, "temporaryAttachmentId"))
    return temporary


def _desk_comment(job: Job) -> Steps[Delivered]:
    """A comment without files, all of which were too large."""
    answer = yield Request(
        Purpose.SEND,
        "POST",
        _request(job) + "/comment",
        like={"id": "ID of the comment", "public": job.public},
        body=Json({"body": _note(job), "public": job.public}),
        brings=(THE_NOTE,),
    )
    return Delivered(_page(job, answer.text("id")), (_desk_check(answer.at("public"), job),))


def _request(job: Job) -> str:
    return DESK + urls.path("request", job.ticket)


def _desk_check(public: object, job: Job) -> Check:
    if public and not job.public:
        return Check(THE_NOTE, "Jira did not make it internal. Delete it if nobody may read it")
    return Check(THE_NOTE)


def _check(job: Job, file: File, content: str) -> Steps[Check]:
    """Jira names the address of each attachment itself. It gets our secret at the site's own origin only (`send`)."""
    answer = yield Request(Purpose.CHECK, "GET", content, octets=file.octets + (1 << 20), may_fail=True)
    if not answer.ok:
        return Check(file.name, unseen=f"Jira did not give it back (answered {answer.status})")
    return compared(file, answer.content)


def _note(job: Job) -> str:
    return job.parcel.note({file.name: f"[^{file.name}]" for file in job.parcel.files})


def _comments(job: Job) -> str:
    return API + urls.path("issue", job.ticket, "comment")


def _page(job: Job, comment: str) -> str:
    return f"{job.site.url}/browse/{job.ticket}?focusedCommentId={comment}"


def _is_desk(site: Site) -> bool:
    return bool(site.options.get("service_management"))


def credential(site: Site) -> Credential:
    """Jira Cloud: user (a mail address) and API token; a server of one's own: a personal access token, without a user."""
    return Credential("Authorization", basic=True) if site.user else Credential("Authorization", "Bearer {}")


def no_internal(site: Site) -> str:
    """See the head of this file."""
    if _is_desk(site):
        return ""
    return "Jira shows every comment to everybody who sees the issue (a service desk: service_management = true)"


SYSTEM = System(
    name="jira",
    title="Jira",
    shape=re.compile(r"[A-Z][A-Z0-9_]{1,254}-[1-9]\d{0,17}", re.ASCII),
    example="jira:MAIL-12",
    dialect=Dialect.JIRA,
    # jira.attachment.size and jira.text.field.character.limit
    limits=Limits(file_octets=10 << 20, note_characters=32_767),
    credential=credential,
    deliver=deliver,
    seen=seen,
    no_internal=no_internal,
    options=frozenset({"service_management"}),
)
