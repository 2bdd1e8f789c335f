"""Base64 in free text."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

_TOKEN = re.compile(rb"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{4,}+={0,2}")


def decoded_base64(octets: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Where each word stands that is base64 of printable text, the word, and that text."""
    for found in _TOKEN.finditer(octets):
        letters = found[0].rstrip(b"=")
        if len(letters) % 4 == 1:
            continue
        text = binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))
        if text.isascii() and text.decode("ascii").replace("\0", " ").isprintable():
            yield found.start(), found[0], text
