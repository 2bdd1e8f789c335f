"""Names -> other names of the same length, always the same for the same key.

What a report or a slice must not tell (local parts of mail addresses; at level ``all`` also IP addresses and host names) is
replaced by pseudonyms: equal names get equal pseudonyms, different names almost always different ones, and nobody
without the key can go back or try out names. Octets keep their number, so that sizes and sequence numbers stay true.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from hashlib import blake2b

KEY_OCTETS = 32
_LETTERS = b"abcdefghijklmnopqrstuvwxyz"


def new_key() -> bytes:
    """A key that nobody knows."""
    return secrets.token_bytes(KEY_OCTETS)


class Level(Enum):
    """How much is hidden."""

    NONE = "none"
    MAIL = "mail"
    """Local parts of mail addresses. Times, IP addresses, HELO, queue ids and sizes stay: the other side finds the mail by them."""
    ALL = "all"
    """IP addresses and host names, too."""


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """The pseudonyms of one key. Can be pickled: reports are written in several processes."""

    level: Level
    key: bytes = field(default_factory=new_key, repr=False)

    def local_part(self, octets: bytes) -> bytes:
        """A local part's pseudonym: letters, as many as there were octets; upper and lower case are one."""
        return self._letters(b"local", octets.lower(), len(octets))

    def mailbox(self, octets: bytes) -> bytes:
        """A mail address with its local part (at level ``all`` also its domain) replaced."""
        if self.level is Level.NONE or not octets:
            return octets
        local, at, domain = octets.rpartition(b"@")
        if not at:
            return self.local_part(octets)
        return self.local_part(local) + at + self.host(domain)

    def host(self, octets: bytes) -> bytes:
        """A host name (or an address literal) with its labels replaced, at level ``all`` only."""
        return octets

    def address(self, text: str) -> str:
        """An IP address, prefix-preserving: two that share their first n bits share them afterwards; at level ``all`` only."""
        return text

    def knowing(self, words: Iterable[bytes]) -> Masker:
        """What masks free text of a session in which these local parts (at level ``all`` also host names) occurred."""
        return Masker(self, frozenset(words))

    def _letters(self, kind: bytes, octets: bytes, length: int) -> bytes:
        made = b""
        while len(made) < length:
            counter = len(made).to_bytes(4, "big")
            digest = blake2b(counter + octets, key=self.key, person=kind).digest()
            made += bytes(_LETTERS[octet % 26] for octet in digest)
        return made[:length]


@dataclass(frozen=True, slots=True)
class Masker:
    """Masks free text, octet for octet."""

    names: Pseudonyms
    words: frozenset[bytes]

    def text(self, octets: bytes) -> bytes:
        """The text with every mail address and every known word replaced; as long as before."""
        return octets
