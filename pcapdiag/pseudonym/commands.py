"""The argument of a command -> the same in pseudonyms, octet for octet; and the names that stand in it.

A path, a parameter and a user's name are known by their place, so here nothing is guessed (free text: `masker`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from pcapdiag.pseudonym.spelling import from_xtext

if TYPE_CHECKING:
    from pcapdiag.pseudonym.masker import Masker

PATHS = frozenset((b"MAIL", b"RCPT", b"SEND", b"SOML", b"SAML"))
USERS = frozenset((b"VRFY", b"EXPN"))
HELLOS = frozenset((b"EHLO", b"HELO", b"LHLO"))
HOSTS = HELLOS | {b"ETRN", b"ATRN"}
ATTRIBUTES = frozenset((b"XCLIENT", b"XFORWARD"))
"""Postfix, XCLIENT_README and XFORWARD_README: ``NAME=... ADDR=... LOGIN=...``, values in xtext."""

PATH_LINE = re.compile(rb"(?:(?:MAIL|SEND|SOML|SAML) FROM|RCPT TO):", re.I)
_BEFORE = re.compile(rb"\s*(?:FROM|TO)\s*:?\s*", re.I)
_QUOTED = re.compile(rb'<(?:[^"<>]++|"(?:[^"\\]|\\.)*+"?)*+', re.S)
_BARE = re.compile(rb"[^\s<]\S*+")
_MAILBOX = re.compile(rb"[^\s<>:\"@]{1,256}@[^\s<>@]{1,256}")
"""Where none belongs, or behind what does not: ``FROM:"Anna" <anna@example.com>``, ``HELO anna@example.com``."""
_WORDS = re.compile(rb"(\s+)")
_NOT_SAID = frozenset((b"[UNAVAILABLE]", b"[TEMPUNAVAIL]", b"<>", b""))


class _Path(NamedTuple):
    """Where a path stands in an argument, without its brackets."""

    begin: int
    end: int


def masked(masker: Masker, verb: bytes, argument: bytes) -> bytes:
    """The argument of a command in pseudonyms."""
    if verb in PATHS:
        return _masked_path(masker, argument)
    if verb in USERS:
        return _each_word(argument, lambda word: _masked_user(masker, word))
    if verb in ATTRIBUTES:
        return _each_word(argument, lambda word: _masked_attribute(masker, word))
    if verb in HOSTS:
        told = masker.mailboxes(argument) if b"@" in argument else argument
        return masker.names.host(argument) if told == argument else told
    return masker.text(argument)


def names_said(verb: bytes, argument: bytes) -> Iterator[bytes]:
    """Mail addresses and users' names in the argument of a command."""
    if verb in PATHS:
        path = _path(argument)
        if path is None:
            return
        yield argument[path.begin : path.end].strip()
        yield from _MAILBOX.findall(argument)
        for word in argument[path.end :].split():
            key, _, value = word.partition(b"=")
            if key.upper() in (b"AUTH", b"ORCPT") and value not in _NOT_SAID:
                yield from_xtext(_behind_type(key, value))
    elif verb in USERS:
        yield argument.strip(b"<> ")
        for word in argument.split():
            yield word.strip(b"<>")
    elif verb in ATTRIBUTES:
        for word in argument.split():
            key, _, value = word.partition(b"=")
            if key.upper() == b"LOGIN" and value not in _NOT_SAID:
                yield from_xtext(value)
    elif verb in HOSTS:
        yield from _MAILBOX.findall(argument)


def _each_word(octets: bytes, told: Callable[[bytes], bytes]) -> bytes:
    return b"".join([word if word.isspace() else told(word) for word in _WORDS.split(octets)])


# --- MAIL and RCPT ---------------------------------------------------------------------------------------------------


def _path(argument: bytes) -> _Path | None:
    """RFC 5321 4.1.2, and as clients in the wild write it: with spaces around the colon, without brackets."""
    before = _BEFORE.match(argument)
    if before is None:
        return None
    begin = before.end()
    if argument[begin : begin + 1] == b"<":
        if b'"' in argument and (quoted := _QUOTED.match(argument, begin)):
            return _Path(begin + 1, quoted.end())
        end = argument.find(b">", begin)
        return _Path(begin + 1, len(argument) if end < 0 else end)
    bare = _BARE.match(argument, begin)
    return _Path(*bare.span()) if bare else None


def _masked_path(masker: Masker, argument: bytes) -> bytes:
    path = _path(argument)
    if path is None:
        return masker.free_text(argument)
    mailbox, rest = argument[path.begin : path.end], argument[path.end :]
    told = masker.names.mailbox(mailbox)
    return argument[: path.begin] + told + _each_word(rest, lambda word: _masked_parameter(masker, word))


def _masked_parameter(masker: Masker, word: bytes) -> bytes:
    """``ORCPT=rfc822;anna+2Btag@example.com`` (RFC 3461 4.2), ``AUTH=anna+40example.com`` (RFC 4954 5), and others."""
    key, equals, value = word.partition(b"=")
    if key.upper() not in (b"AUTH", b"ORCPT") or value in _NOT_SAID:
        return key + equals + masker.free_text(value) if equals else masker.free_text(word)
    spelled = _behind_type(key, value)
    return key + equals + value[: len(value) - len(spelled)] + _masked_xtext(masker, spelled)


def _behind_type(key: bytes, value: bytes) -> bytes:
    return value.partition(b";")[2] if key.upper() == b"ORCPT" and b";" in value else value


def _masked_xtext(masker: Masker, spelled: bytes) -> bytes:
    """A mail address in xtext; a sign that is spelled out is no part of the pseudonym's beginning."""
    at = max((spelled.rfind(mark), len(mark)) for mark in (b"@", b"+40"))
    place, length = at if at[0] >= 0 else (len(spelled), 0)
    local, domain = spelled[:place], spelled[place + length :]
    told = masker.names.local_part(from_xtext(local), len(local))
    return told + spelled[place : place + length] + masker.names.host(domain)


# --- Others ----------------------------------------------------------------------------------------------------------


def _masked_user(masker: Masker, word: bytes) -> bytes:
    inner = word.strip(b"<>")
    begin = word.find(inner)
    return word[:begin] + masker.names.mailbox(inner) + word[begin + len(inner) :]


def _masked_attribute(masker: Masker, word: bytes) -> bytes:
    key, equals, value = word.partition(b"=")
    name = key.upper()
    if not equals or value.upper() in _NOT_SAID:
        return word
    if name == b"LOGIN":
        return key + equals + _masked_xtext(masker, value)
    if name in (b"NAME", b"HELO"):
        return key + equals + masker.names.host(value)
    return key + equals + masker.mailboxes(value)
