"""Any ticket system that takes mail: ``mailto:desk@example.net?subject=[MAIL-12]`` (RFC 6068). The files are attachments.

Whom a mail desk shows it to is not ours to say, so it is sent with ``--public`` only. A ticket behind an address cannot be
looked at: what was mailed is remembered on this machine (`pcapdiag.deliver.memory`).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pcapdiag.deliver import urls
from pcapdiag.deliver.bundle import Dialect
from pcapdiag.deliver.steps import THE_NOTE, Check, Delivered, Letter, Steps
from pcapdiag.deliver.system import Credential, Job, Limits, System
from pcapdiag.errors import UsageError

ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?", re.ASCII)
"""Dot-string and domain of RFC 5321 section 4.1.2: no quoted local parts, no literals."""
FIELDS = ("subject", "cc", "in-reply-to")
MESSAGE_ID = re.compile(r"<[!-;=?-~]+@[!-;=?-~]+>", re.ASCII)


def deliver(job: Job) -> Steps[Delivered]:
    """One message."""
    letter = letter_for(job)
    answer = yield letter
    taken = answer.content.decode("utf-8", "replace") or "the mail server's word"
    unseen = f"a mail cannot be read back; the mail server took it: {taken}"
    names = (THE_NOTE, *(file.name for file in letter.files))
    return Delivered("", tuple(Check(name, unseen=unseen) for name in names))


def letter_for(job: Job) -> Letter:
    """The message for whom the address names."""
    place = place_of(job.ticket)
    return Letter(
        recipients=place.recipients,
        copies=place.copies,
        subject=place.subject or "Analysis of a network trace",
        text=job.parcel.note(),
        files=job.parcel.files,
        in_reply_to=place.in_reply_to,
        brings=(THE_NOTE, *(file.name for file in job.parcel.files)),
    )


class Place(NamedTuple):
    """What an address asks for."""

    recipients: tuple[str, ...]
    copies: tuple[str, ...]
    subject: str
    in_reply_to: str | None


def place_of(ticket: str) -> Place:
    """UsageError where the address asks for more than an address may, such as header fields of its own (RFC 6068 section 4)."""
    recipients, fields = urls.mailto(ticket)
    values: dict[str, str] = {}
    for name, value in fields:
        field = name.lower()
        if field not in FIELDS:
            raise UsageError(f"mailto: {name!r} is none of {', '.join(FIELDS)}")
        if not value.isprintable():
            raise UsageError(f"mailto: the {field} has control characters")
        if field in values:
            raise UsageError(f"mailto: {field} stands there twice")
        values[field] = value
    reply = values.get("in-reply-to")
    if reply is not None and not MESSAGE_ID.fullmatch(reply):
        raise UsageError("mailto: in-reply-to is no message identifier such as <a@example.net>")
    copies = _addresses(values["cc"]) if values.get("cc") else ()
    return Place(_addresses(recipients), copies, values.get("subject", ""), reply)


def valid(ticket: str) -> None:
    """For `System.valid`."""
    place_of(ticket)


def _addresses(text: str) -> tuple[str, ...]:
    addresses = tuple(part.strip() for part in text.split(","))
    for address in addresses:
        if not ADDRESS.fullmatch(address):
            raise UsageError(f"mailto: {address!r} is no mail address")
    return addresses


SYSTEM = System(
    name="mailto",
    title="mail",
    shape=re.compile(r"[^\s@]+@.+"),
    example="mailto:desk@example.net",
    dialect=Dialect.PLAIN,
    # Postfix takes 10,240,000 octets (message_size_limit), and base64 with its line ends makes 78 octets of 57.
    limits=Limits(file_octets=7_000_000, total_octets=7_000_000),
    credential=lambda site: Credential("AUTH"),
    deliver=deliver,
    seen=None,
    valid=valid,
    no_internal=lambda site: "nobody can say who reads the mail of that address",
    options=frozenset({"host", "port", "security", "sender"}),
    needs=("host", "sender"),
    always_secret=False,
)
