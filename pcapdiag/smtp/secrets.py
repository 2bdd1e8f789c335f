"""What must not be shown of a session, and how the replies that quote it are cleaned.

Servers quote the line that they refuse (``500 5.5.1 Command unrecognized: "..."``), or whom they did not let in. What was
withheld of the client's lines is remembered until the conversation ends, by its first octets alone: a server that quotes
begins at the beginning, and quotes as much as its buffer holds.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from contextlib import suppress

from pcapdiag.smtp import auth
from pcapdiag.smtp.grammar import enhanced_code

KEY = 8
"""Octets by which a quotation is known; of a shorter piece all."""
_SHORTEST = 4
_MOST = 1024
_WORDS_OF_A_LINE = 8
_TOKEN = re.compile(rb"\S{4,}")
_PRINTABLE = re.compile(rb"[!-~\x80-\xff]{4,}")
_FIELD = re.compile(rb"(?:user|auth|n|a)=", re.I)
"""RFC 7628 3.1, RFC 5802 7, and XOAUTH2: what stands before the name."""
_END_OF_WORD = re.compile(rb"[ \t\"'>)]")
_CLOSING = {b'"': b'"', b"'": b"'", b"`": b"'", b"<": b">", b"(": b")", b"[": b"]"}


class Secrets:
    """What was withheld in one conversation."""

    __slots__ = ("_lines", "_words", "forgotten")

    def __init__(self) -> None:
        self._words: dict[bytes, None] = {}
        """Beginnings of credentials, which a reply may hold anywhere; lower case."""
        self._lines: dict[bytes, None] = {}
        """Beginnings of texts, of which a reply may repeat any number of words; lower case."""
        self.forgotten = False
        """More was withheld than is remembered: of a refusal only the codes are shown."""

    def shown(self, argument: bytes) -> bytes:
        """What of AUTH's argument may be shown; the rest is withheld."""
        name = auth.mechanism(argument)
        self.withhold(argument.strip()[len(name) :])
        return name

    def withhold(self, line: bytes) -> None:
        """Remember the words of a line that may be credentials, and what they hold in base64."""
        for word in _TOKEN.findall(line)[:_WORDS_OF_A_LINE]:
            self._remember(self._words, word)
            for inner in _decoded(word):
                self._remember(self._words, inner)

    def unread(self, text: bytes) -> None:
        """Remember text that is not shown: a line that is no command, or what has no business behind a verb."""
        self._remember(self._lines, text.strip())

    def _remember(self, among: dict[bytes, None], piece: bytes) -> None:
        if len(piece) >= _SHORTEST:
            among[piece[:KEY].lower()] = None
            if len(among) > _MOST:
                del among[next(iter(among))]
                self.forgotten = True

    def cleaned(self, code: int, text: bytes) -> bytes:
        """A line of a reply without what it quotes of that."""
        if self.forgotten and code in auth.REFUSALS:
            return (enhanced_code(text) or b"") + b" " + auth.WITHHELD
        return self.scrub(text)

    def scrub(self, text: bytes) -> bytes:
        """Text of the server without what it quotes of that."""
        out, at = b"", 0
        for begin, end in self.quotations(text):
            out, at = out + text[at:begin] + auth.WITHHELD, end
        return out + text[at:]

    def quotations(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Where a text repeats what was withheld: begin and end, in order."""
        plain, at = text.lower(), 0
        while at < len(plain):
            end = self._end(plain, at)
            if end:
                yield at, end
            at = end or at + 1

    def _end(self, plain: bytes, at: int) -> int:
        """Where the quotation that begins here ends; 0 where none does."""
        for size in (KEY, *range(KEY - 1, _SHORTEST - 1, -1)):
            key = plain[at : at + size]
            whole = len(key) == size and (size == KEY or not (_in_word(plain, at) or _in_word(plain, at + size)))
            if whole and key in self._lines:
                closing = plain.find(_CLOSING.get(plain[at - 1 : at] if at else b"", b"\n"), at + size)
                return closing if closing >= 0 else len(plain)
            if whole and key in self._words:
                found = _END_OF_WORD.search(plain, at + size) if size == KEY else None
                return at + size if size < KEY else found.start() if found else len(plain)
        return 0


def _in_word(text: bytes, at: int) -> bool:
    """Do letters or digits stand on both sides of this place?"""
    return at > 0 and text[at - 1 : at].isalnum() and text[at : at + 1].isalnum()


def _decoded(word: bytes) -> Iterator[bytes]:
    """What a response of an AUTH exchange says: names, passwords, tokens (RFC 4616, XOAUTH2, CRAM-MD5, NTLM)."""
    with suppress(ValueError):
        said = b64decode(word.rstrip(b"=") + b"=" * (-len(word.rstrip(b"=")) % 4), validate=True)
        if said.startswith(b"NTLMSSP\0"):
            said = said.replace(b"\0", b"")  # names in UTF-16
        for found in _PRINTABLE.findall(said)[:_WORDS_OF_A_LINE]:
            yield _FIELD.sub(b"", found, count=1) if _FIELD.match(found) else found
