"""A `Letter` -> the message that is mailed (RFC 5322, MIME), its files in base64, octet for octet."""

from __future__ import annotations

from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid

from pcapdiag.deliver.steps import Letter


def message(letter: Letter, sender: str, now: datetime) -> EmailMessage:
    """The message from that sender, with an identifier of its own."""
    made = EmailMessage(policy=SMTP)
    made["From"] = sender
    made["To"] = ", ".join(letter.recipients)
    if letter.copies:
        made["Cc"] = ", ".join(letter.copies)
    made["Subject"] = letter.subject
    made["Date"] = format_datetime(now)
    made["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    if letter.in_reply_to:
        made["In-Reply-To"] = made["References"] = letter.in_reply_to
    made.set_content(letter.text, cte="quoted-printable")
    for file in letter.files:
        kind, _, subtype = file.content_type.partition("/")
        made.add_attachment(file.path.read_bytes(), maintype=kind, subtype=subtype, filename=file.name)
    return made
