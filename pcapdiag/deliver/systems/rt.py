"""Request Tracker 5, REST 2: ``rt:4711``. A comment is internal, correspondence goes to the requestors.

Documentation: RT 5.0 ``docs/web/REST2`` (the POD of ``lib/RT/REST2.pm``, 5.0.3), sections "Replying/Commenting Tickets" and
"Add Attachments". Tried with RT 5.0.3 of Debian 12. What that showed, and the documentation does not say: a comment on a
ticket that is not there is answered 400 "Message could not be recorded"; `Content` is base64 where one attachment is read, but
plain text in a list; an attachment beyond ``$MaxAttachmentSize`` is answered 201 and truncated or dropped when RT is set
to (``$TruncateLongAttachments``, ``$DropLongAttachments``), so each is read back.
"""

from __future__ import annotations

import binascii
import json
import re
from base64 import b64decode
from typing import Any

from pcapdiag.deliver import urls
from pcapdiag.deliver.bundle import Dialect
from pcapdiag.deliver.looking import PAGE, PAGES, compared, kept_whole, told
from pcapdiag.deliver.settings import Site
from pcapdiag.deliver.steps import THE_NOTE, Answer, Base64, Check, Delivered, Json, Purpose, Request, Steps
from pcapdiag.deliver.system import Credential, Job, Limits, System, always_internal
from pcapdiag.errors import DeliveryFailed

API = "/REST/2.0"
MOST_PARTS = 100
"""RT gives no more at once; a delivery has five."""


def seen(job: Job) -> Steps[bool]:
    """The ticket first: RT lists the texts of a ticket that is not there as none. Then its newest 2,000 texts."""
    yield Request(Purpose.LOOK, "GET", API + urls.path("ticket", job.ticket), like={"id": job.ticket})
    texts = json.dumps([{"field": "ContentType", "value": "text/plain"}])
    for page in range(1, PAGES + 1):
        answer = yield Request(
            Purpose.LOOK,
            "GET",
            urls.with_query(
                API + urls.path("ticket", job.ticket, "attachments"),
                query=texts,
                fields="Content",
                orderby="id",
                order="DESC",
                per_page=PAGE,
                page=page,
            ),
            like={"items": [], "pages": 1},
        )
        if told(answer.rows("items"), "Content", job.parcel.fingerprint):
            return True
        if page >= answer.number("pages"):
            break
    return False


def deliver(job: Job) -> Steps[Delivered]:
    """One request brings everything; then each attachment of the transaction is read."""
    files = job.parcel.files
    message = {
        "Subject": f"pcapdiag: analysis of a network trace ({job.parcel.fingerprint})",
        "Content": job.parcel.note(),
        "ContentType": "text/plain",
        "Attachments": [
            {"FileName": file.name, "FileType": file.content_type, "FileContent": Base64(file)} for file in files
        ],
    }
    answer = yield Request(
        Purpose.SEND,
        "POST",
        API + urls.path("ticket", job.ticket, "correspond" if job.public else "comment"),
        like=["Comments added"],
        like_headers={"location": "/transaction/0"},
        body=Json(message),
        brings=(THE_NOTE, *(file.name for file in files)),
    )
    transaction = _transaction(answer)
    rows = [{"id": "ID of the note", "Filename": "", "ContentType": "text/plain"}]
    rows += [{"id": f"ID of {file.name}", "Filename": file.name, "ContentType": file.content_type} for file in files]
    target = API + urls.path("transaction", transaction, "attachments")
    listed = yield Request(
        Purpose.CHECK,
        "GET",
        urls.with_query(target, fields="Filename,ContentType", per_page=MOST_PARTS),
        like={"items": rows},
    )
    checks = yield from _checks(job, listed.rows("items"))
    return Delivered(f"{job.site.url}/Ticket/Display.html?id={job.ticket}#txn-{transaction}", checks)


def _checks(job: Job, rows: list[dict[str, Any]]) -> Steps[tuple[Check, ...]]:
    """The parts of the transaction, read one by one: the note is the text without a file name."""
    ids = {str(row.get("Filename")): str(row.get("id")) for row in rows if row.get("Filename")}
    notes = [str(row.get("id")) for row in rows if row.get("ContentType") == "text/plain" and not row.get("Filename")]
    note = (yield from _read(THE_NOTE, 1 << 20, notes[0])) if notes else b""
    checks = [kept_whole(note.decode("utf-8", "replace"), job.parcel.fingerprint)]
    for file in job.parcel.files:
        octets = (yield from _read(file.name, file.octets, ids[file.name])) if file.name in ids else None
        checks.append(compared(file, octets))
    return tuple(checks)


def _transaction(answer: Answer) -> str:
    """The transaction is named by the answer's Location: ``/REST/2.0/transaction/33``."""
    match = re.search(r"/transaction/(\d+)$", answer.headers.get("location", ""))
    if match is None:
        raise DeliveryFailed("RT took the comment, but did not say under which number, so it cannot be read back")
    return match[1]


def _read(name: str, octets: int, id: str) -> Steps[bytes]:
    answer = yield Request(
        Purpose.CHECK,
        "GET",
        API + urls.path("attachment", id),
        like={"Content": f"{name} in base64"},
        octets=2 * octets + (1 << 20),
    )
    try:
        return b64decode(answer.at("Content") or "")
    except (binascii.Error, TypeError):
        return b""


def credential(site: Site) -> Credential:
    """RT 5.0 authentication tokens; a site with a user has a password instead."""
    return Credential("Authorization", basic=True) if site.user else Credential("Authorization", "token {}")


SYSTEM = System(
    name="rt",
    title="Request Tracker",
    shape=re.compile(r"[1-9]\d{0,17}", re.ASCII),
    example="rt:4711",
    dialect=Dialect.PLAIN,
    limits=Limits(file_octets=10 << 20),  # $MaxAttachmentSize in RT_Config.pm
    credential=credential,
    deliver=deliver,
    seen=seen,
    no_internal=always_internal,
)
