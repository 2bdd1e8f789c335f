"""What was hidden from the reader of a report, in one sentence."""

from __future__ import annotations

HIDDEN = {
    "mail": "local parts of mail addresses are pseudonyms",
    "all": "local parts of mail addresses, host names and IP addresses are pseudonyms",
}


def hidden(level: str) -> str | None:
    """``Redacted (mail): local parts of mail addresses are pseudonyms.``; None at level ``none``."""
    return f"Redacted ({level}): {HIDDEN[level]}." if level in HIDDEN else None
