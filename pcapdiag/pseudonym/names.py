"""One key's pseudonyms: of local parts, mail addresses, host names and IP addresses."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b

from pcapdiag.pseudonym import addresses
from pcapdiag.pseudonym.level import Level
from pcapdiag.pseudonym.masker import Masker
from pcapdiag.pseudonym.spelling import meant

KEY_OCTETS = 32
_LETTERS = b"abcdefghijklmnopqrstuvwxyz"
_REMEMBERED = 256
"""Octets of a name up to which its pseudonym is remembered: the same few names come again and again."""
_SPACES = re.compile(rb"(\s+)")

TELLING_NOTHING = frozenset(
    b"com net org edu gov mil int info biz arpa local localdomain localhost lan home corp internal intranet"
    b" test example invalid onion".split()
)
"""Last labels of host names that stay at level ``all``: half the world has them, and ``HELO localhost`` or a name in
``.local`` explains many a refusal. Country codes and the endings that belong to one company do tell something."""


def new_key() -> bytes:
    """A key that nobody knows."""
    return secrets.token_bytes(KEY_OCTETS)


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """The pseudonyms of one key. Can be pickled: reports are written in several processes.

    At level ``none`` every name is its own pseudonym.
    """

    level: Level
    key: bytes = field(default_factory=new_key, repr=False)
    fitted: bool = True
    """An IP address in octets (of a text, an address literal) keeps its length. Where its pseudonym has another, only
    the shape of the address is left (``xxx.x.x.x``). False, for reports: the pseudonym stands there whole."""

    def local_part(self, octets: bytes, length: int | None = None) -> bytes:
        """A local part's pseudonym: letters, as many as there were octets.

        Upper and lower case, with and without quotes are one name. `length` is for a name spelled longer (in xtext or
        with percent signs): its pseudonym begins with the same letters.
        """
        if self.level is Level.NONE:
            return octets
        wanted = len(octets) if length is None else length
        return self._letters(b"local", meant(octets), wanted)

    def mailbox(self, octets: bytes) -> bytes:
        """A mail address with its local part (at level ``all`` also its domain) replaced.

        As it stands between the brackets of a path: the null path (no octets) stays, and so does the form of a source
        route (RFC 5321 4.1.1.3).
        """
        if self.level is Level.NONE or not octets:
            return octets
        route, colon, rest = octets.partition(b":") if octets.startswith(b"@") else (b"", b"", octets)
        if colon:
            hops = b",".join([hop[:1] + self.host(hop[1:]) for hop in route.split(b",")])
            return hops + colon + self.mailbox(rest)
        local, at, domain = octets.rpartition(b"@")
        if not at:
            return self.local_part(octets)
        return self.local_part(local) + at + self.host(domain)

    def host(self, octets: bytes) -> bytes:
        """A host name with its labels replaced, or an address literal, at level ``all`` only.

        Label by label, each by what stands behind it: hosts of one domain still share it, and the same label in two
        domains is two. `TELLING_NOTHING` says what stays.
        """
        if self.level is not Level.ALL or not octets:
            return octets
        return b"".join([word if word.isspace() else self._host(word) for word in _SPACES.split(octets)])

    def _host(self, word: bytes) -> bytes:
        opened, inner, closed = b"", word, b""
        if word[:1] == b"[":
            closed = word[-1:] if word[-1:] == b"]" else b""
            tag = word[1:6] if word[1:6].lower() == b"ipv6:" else b""
            opened, inner = word[:1] + tag, word[1 + len(tag) : len(word) - len(closed)]
        if addresses.is_address(inner):
            return opened + self.address_in(inner) + closed
        return opened + self._labels(inner) + closed

    def _labels(self, name: bytes) -> bytes:
        behind, told, last, ordinary = b"", [], True, True
        for label in reversed(name.split(b".")):
            plain = label.lower()
            if plain:
                ordinary = ordinary and (plain in TELLING_NOTHING if last else plain == b"localhost")
                behind = blake2b(behind + plain, key=self.key, person=b"label").digest()
                last = False
            told.append(label if ordinary or not plain else self._letters(b"host", behind, len(label)))
        return b".".join(reversed(told))

    def address(self, text: str) -> str:
        """An IP address, prefix-preserving, at level ``all`` only: two that share their first n bits do so afterwards.

        Loopback and unspecified addresses stay (`pcapdiag.pseudonym.addresses`).
        """
        return addresses.text(text, self.key) if self.level is Level.ALL else text

    def packed(self, octets: bytes) -> bytes:
        """The same of the 4 or 16 octets of an address in a header.

        Raises:
            ValueError: there are neither 4 nor 16 octets.
        """
        return addresses.packed(octets, self.key) if self.level is Level.ALL else octets

    def address_in(self, octets: bytes) -> bytes:
        """An IP address that stands in text; see `fitted`."""
        if self.level is not Level.ALL:
            return octets
        told = self.address(octets.decode("ascii")).encode("ascii")
        return told if len(told) == len(octets) or not self.fitted else addresses.shape(octets)

    def knowing(self, words: Iterable[bytes], hosts: Iterable[bytes] = (), keep: Iterable[bytes] = ()) -> Masker:
        """What masks free text of a session in which these mail addresses (or local parts) and host names occurred.

        `keep` are words that stay although they may look like addresses: queue ids.
        """
        return Masker.of(self, words, hosts, keep)

    def _letters(self, kind: bytes, name: bytes, length: int) -> bytes:
        make = _letters if len(name) <= _REMEMBERED else _letters.__wrapped__
        return make(self.key, kind, name, length)


@lru_cache(maxsize=16_384)
def _letters(key: bytes, kind: bytes, name: bytes, length: int) -> bytes:
    """As many letters; a shorter pseudonym of the same name is the beginning of a longer one."""
    seed, made = blake2b(name, key=key, person=kind).digest(), []
    for counter in range(-(-length // 64)):
        digest = blake2b(seed, key=key, person=kind, salt=counter.to_bytes(8, "big")).digest()
        made.append(bytes([_LETTERS[octet % 26] for octet in digest]))
    return b"".join(made)[:length]
