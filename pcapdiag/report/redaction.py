"""What was hidden from the reader of a report, in the words that all reports share."""

from __future__ import annotations

HIDDEN = {
    "mail": "local parts of mail addresses are pseudonyms",
    "all": "local parts of mail addresses, host names and IP addresses are pseudonyms",
}
REAL = {
    "none": "mail addresses, IP addresses and host names are the real ones",
    "mail": "times, IP addresses, host names, queue ids and sizes are the real ones",
    "all": "times, queue ids and sizes are the real ones",
}


def hidden(level: str) -> str | None:
    """``Redacted (mail): local parts of mail addresses are pseudonyms.``; None at level ``none``."""
    return f"Redacted ({level}): {HIDDEN[level]}." if level in HIDDEN else None


def in_full(level: str) -> str:
    """The same for whoever did not make the report: what is hidden, what is real, and what never was there."""
    told = (
        f"Redacted ({level}): {HIDDEN[level]}, the same name always the same one" if level in HIDDEN else "Not redacted"
    )
    return f"{told}; {REAL[level]}. Credentials and the text of messages are in no report."
