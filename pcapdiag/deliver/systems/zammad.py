"""Zammad: ``zammad:1234``, the number in the address of the ticket's page. One article with its files.

Documentation: docs.zammad.org, "Articles" and "Introduction" of the REST API (repository zammad-documentation,
``api/ticket/articles.rst``, commit 3fa72de, of Zammad 5 and 6). Not tried with Zammad itself: the requests are checked against
the documentation only.
"""

from __future__ import annotations

import re

from pcapdiag.deliver import urls
from pcapdiag.deliver.bundle import Dialect, File, bears
from pcapdiag.deliver.settings import Site
from pcapdiag.deliver.steps import THE_NOTE, Base64, Check, Delivered, Json, Purpose, Request, Steps, compared
from pcapdiag.deliver.system import Credential, Job, Limits, System, always_internal

API = "/api/v1"


def seen(job: Job) -> Steps[bool]:
    """Zammad gives all articles of a ticket at once, without pages."""
    target = API + urls.path("ticket_articles", "by_ticket", job.ticket)
    answer = yield Request(Purpose.LOOK, "GET", target, like=[], octets=64 << 20)
    return any(bears(str(row.get("body")), job.parcel.fingerprint) for row in answer.rows())


def deliver(job: Job) -> Steps[Delivered]:
    """An article of type note. In public the customer sees it in the portal; nobody is mailed."""
    files = job.parcel.files
    article = {
        "ticket_id": int(job.ticket),
        "subject": "pcapdiag: analysis of a network trace",
        "body": job.parcel.note(),
        "content_type": "text/plain",
        "type": "note",
        "internal": not job.public,
        "attachments": [
            {"filename": file.name, "data": Base64(file), "mime-type": file.content_type} for file in files
        ],
    }
    answer = yield Request(
        Purpose.SEND,
        "POST",
        API + urls.path("ticket_articles"),
        like={
            "id": "ID of the article",
            "internal": not job.public,
            "attachments": [{"id": f"ID of {file.name}", "filename": file.name} for file in files],
        },
        body=Json(article),
        brings=(THE_NOTE, *(file.name for file in files)),
    )
    id = answer.text("id")
    problem = ""
    if not job.public and answer.at("internal") is not True:
        problem = "Zammad did not make it internal. Delete it if nobody may read it"
    checks = [Check(THE_NOTE, problem)]
    kept = {str(row.get("filename")): str(row.get("id")) for row in answer.rows("attachments")} if files else {}
    for file in files:
        octets = (yield from _read(job, id, file, kept[file.name])) if file.name in kept else None
        checks.append(compared(file, octets))
    return Delivered(f"{job.site.url}/#ticket/zoom/{job.ticket}/{id}", tuple(checks))


def _read(job: Job, article: str, file: File, attachment: str) -> Steps[bytes | None]:
    answer = yield Request(
        Purpose.CHECK,
        "GET",
        API + urls.path("ticket_attachment", job.ticket, article, attachment),
        octets=file.octets + (1 << 20),
        may_fail=True,
    )
    return answer.content if answer.ok else None


def credential(site: Site) -> Credential:
    """An access token; a site with a user has a password instead."""
    return Credential("Authorization", basic=True) if site.user else Credential("Authorization", "Token token={}")


SYSTEM = System(
    name="zammad",
    title="Zammad",
    shape=re.compile(r"[1-9]\d{0,17}", re.ASCII),
    example="zammad:1234",
    dialect=Dialect.PLAIN,
    # Its nginx takes bodies of 50 MB (client_max_body_size), and base64 makes four octets of three.
    limits=Limits(file_octets=30 << 20, total_octets=30 << 20),
    credential=credential,
    deliver=deliver,
    seen=seen,
    no_internal=always_internal,
)
