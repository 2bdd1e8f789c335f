"""A capture file -> its SHA-256, so that both sides of a ticket know that they speak of the same file."""

from __future__ import annotations

import hashlib


def sha256_of(path: str) -> str | None:
    """Hexadecimal SHA-256 of the file as it lies on disk, compressed or not; None for what cannot be read again (a pipe)."""
    try:
        with open(path, "rb") as file:
            if not file.seekable():
                return None
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
