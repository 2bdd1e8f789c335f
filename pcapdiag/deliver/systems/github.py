"""GitHub issues and pull requests: ``github:owner/repo#5``. A comment, and nothing else: the API takes no attachments.

Documentation: docs.github.com, "REST API endpoints for issue comments", API version 2022-11-28. A comment holds 65,536
characters ("body is too long (maximum is 65536 characters)", answered 422). Not tried with GitHub itself: the requests are
checked against the documentation only.
"""

from __future__ import annotations

import re

from pcapdiag.deliver import urls
from pcapdiag.deliver.bundle import Dialect, bears
from pcapdiag.deliver.settings import Site
from pcapdiag.deliver.steps import THE_NOTE, Check, Delivered, Json, Purpose, Request, Steps
from pcapdiag.deliver.system import Credential, Job, Limits, System

HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
PAGE, PAGES = 100, 20
MOST_CHARACTERS = 65_000


def seen(job: Job) -> Steps[bool]:
    """Comments are listed with the oldest first; the first 2,000 are looked at."""
    for page in range(1, PAGES + 1):
        target = urls.with_query(_comments(job), per_page=PAGE, page=page)
        answer = yield Request(Purpose.LOOK, "GET", target, like=[], headers=HEADERS, octets=32 << 20)
        rows = answer.rows()
        if any(bears(str(row.get("body")), job.parcel.fingerprint) for row in rows):
            return True
        if len(rows) < PAGE:
            break
    return False


def deliver(job: Job) -> Steps[Delivered]:
    """One comment."""
    answer = yield Request(
        Purpose.SEND,
        "POST",
        _comments(job),
        like={"id": "ID of the comment", "html_url": f"https://github.com/{job.ticket.replace('#', '/issues/')}"},
        headers=HEADERS,
        body=Json({"body": job.parcel.note()}),
        brings=(THE_NOTE,),
    )
    owner, repository, _ = _parts(job)
    target = urls.path("repos", owner, repository, "issues", "comments", answer.text("id"))
    read = yield Request(Purpose.CHECK, "GET", target, like={"body": ""}, headers=HEADERS)
    there = bears(read.text("body"), job.parcel.fingerprint)
    return Delivered(answer.text("html_url"), (Check(THE_NOTE, "" if there else "it was not kept whole"),))


def _parts(job: Job) -> tuple[str, str, str]:
    repository, _, number = job.ticket.partition("#")
    owner, _, name = repository.partition("/")
    return owner, name, number


def _comments(job: Job) -> str:
    owner, repository, number = _parts(job)
    return urls.path("repos", owner, repository, "issues", number, "comments")


def credential(site: Site) -> Credential:
    """Documented in "Authenticating to the REST API"."""
    return Credential("Authorization", "Bearer {}")


SYSTEM = System(
    name="github",
    title="GitHub",
    shape=re.compile(r"[A-Za-z0-9-]{1,39}/(?!\.{1,2}#)[A-Za-z0-9._-]{1,100}#[1-9]\d{0,17}", re.ASCII),
    example="github:owner/repo#5",
    dialect=Dialect.MARKDOWN,
    limits=Limits(file_octets=0, note_characters=MOST_CHARACTERS),
    credential=credential,
    deliver=deliver,
    seen=seen,
    no_internal=lambda site: "GitHub shows every comment to everybody who sees the issue",
    keeps_files=lambda site, public: "because GitHub's API takes no attachments",
    url="https://api.github.com",
    token_env="GITHUB_TOKEN",
)
