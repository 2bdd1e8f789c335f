"""One line of a session, as it was sent -> the same line without names, credentials and text, octet for octet as long.

What a reader of SMTP needs stays: verbs, keywords, reply codes, numbers, line ends. Everything else has to be known to be harmless;
what is not known to be is filled. The filler is no letter, so that no line of it can be taken for a command.
"""

from __future__ import annotations

import re
from io import BytesIO

from pcapdiag.pseudonym import Masker, commands
from pcapdiag.smtp import auth, grammar
from pcapdiag.smtp.dialogue import DOT
from pcapdiag.smtp.secrets import Secrets

FILLER = b"_"
_CONTROLS = frozenset((*range(0x00, 0x09), *range(0x0E, 0x20), 0x7F))
"""Octets by which the reader of SMTP tells binary junk from text: they become NUL, so that junk stays junk."""


def form(filler: bytes) -> bytes:
    """A table for `bytes.translate` that leaves line ends."""
    kept = {octet: octet for octet in b"\r\n"} | dict.fromkeys(_CONTROLS, 0)
    return bytes(kept.get(octet, filler[0]) for octet in range(256))


_TEXT = form(FILLER)
_SECRET = bytes(octet if octet in b"\r\n=" else ord("A") for octet in range(256))
"""Base64 of nothing but zeros, with the padding where it was."""

_VERB = re.compile(rb"\s*\S+")
_PATH = re.compile(rb"\s*(?:FROM|TO)\s*:?\s*(?:<(?:[^\"<>]|\"(?:[^\"\\]|\\.)*\"?)*>?|[^\s<]\S*)?", re.I)
_SPACES = re.compile(rb"(\s+)")
_NUMBERS = re.compile(rb"[^0-9 \t]")
_SHOUTED = re.compile(rb"[A-Z][A-Z0-9-]{1,11}\Z")

_PARAMETERS = frozenset(
    b"SIZE BODY RET NOTIFY SMTPUTF8 BY HOLDFOR HOLDUNTIL MT-PRIORITY REQUIRETLS TRANSID ORCPT AUTH".split()
)
"""Of MAIL and RCPT: numbers and keywords, and addresses that were replaced."""
_ATTRIBUTES = frozenset(b"NAME ADDR PORT PROTO HELO LOGIN IDENT SOURCE DESTADDR DESTPORT".split())
"""Of XCLIENT and XFORWARD (Postfix, XCLIENT_README and XFORWARD_README)."""
_NO_ARGUMENT = frozenset(b"DATA QUIT RSET STARTTLS TURN X-ANONYMOUSTLS".split())


def filled(octets: bytes) -> bytes:
    """Nothing but the line ends."""
    return octets.translate(_TEXT)


def secret(octets: bytes) -> bytes:
    """A response or challenge of an AUTH exchange. RFC 4954 4: ``*`` gives up, ``=`` is an empty response."""
    return octets if octets.strip() in (b"*", b"=", b"") else octets.translate(_SECRET)


class Lines:
    """Masks the lines of one session."""

    def __init__(self, masker: Masker, secrets: Secrets) -> None:
        """`secrets`: what a reply may quote and must not."""
        self._masker = masker
        self._secrets = secrets

    # --- The client --------------------------------------------------------------------------------------------------

    def command(self, verb: bytes, line: bytes) -> bytes:
        """A command that is known; `line` may be cut."""
        if verb == DOT:
            return line
        if verb == b"*":
            return secret(line)
        found = _VERB.match(line)
        if found is None:
            return filled(line)
        end = found.end()
        behind = line.rstrip(b"\r\n")
        told = line[:end] + self._argument(verb, behind[end:]) + line[max(end, len(behind)) :]
        return told if not grammar.is_binary(line) else _junk(line, told)

    def _argument(self, verb: bytes, argument: bytes) -> bytes:
        if verb in commands.PATHS:
            path = _PATH.match(argument)
            if path is None:
                return _words(argument)
            told = commands.masked(self._masker, verb, argument)
            return told[: path.end()] + _named(told[path.end() :], _PARAMETERS)
        if verb in commands.ATTRIBUTES:
            return _named(commands.masked(self._masker, verb, argument), _ATTRIBUTES)
        if verb in commands.HOSTS or verb in commands.USERS:
            return commands.masked(self._masker, verb, argument)
        if verb in (b"AUTH", b"X-EXPS"):
            return _mechanism(argument)
        if verb == b"XEXCH50":
            return _NUMBERS.sub(FILLER, argument)
        if verb == b"BDAT" and grammar.chunk_size(argument) is not None:
            return argument
        return argument if verb in _NO_ARGUMENT and not argument.strip() else _words(argument)

    # --- The server --------------------------------------------------------------------------------------------------

    def reply(self, octets: bytes, *, keywords: bool = False) -> bytes:
        """All lines of a reply. `keywords`: it answers EHLO, and behind the first line may name what people are called, too."""
        lines = _split(octets)
        return b"".join([self._reply_line(line, keywords and number > 0) for number, line in enumerate(lines)])

    def _reply_line(self, line: bytes, keywords: bool) -> bytes:
        text = line.rstrip(b"\r\n")
        words = grammar.reply_line(text)
        if words is None:
            return filled(line)
        head, told = text[:4], text[4:]
        if words.code == 334:
            told = told if auth.challenge(told) == told else secret(told)
        elif not grammar.is_masked_banner(told):
            told = self._told(words.code, told, keywords)
        return head + told + line[len(text) :]

    def _told(self, code: int, text: bytes, keywords: bool) -> bytes:
        enhanced = grammar.enhanced_code(text) or b""
        behind = text[len(enhanced) :]
        if self._secrets.forgotten and code in auth.REFUSALS:
            return enhanced + filled(behind)
        if code in auth.REFUSALS:  # a slice need not say what was refused: the line itself stands in it
            behind = auth.QUOTED.sub(lambda found: b"*" * len(found[0]), behind)
        for begin, end in self._secrets.quotations(behind):
            behind = behind[:begin] + b"*" * (end - begin) + behind[end:]
        return enhanced + (self._masker.mailboxes(behind) if keywords else self._masker.text(behind))


def unknown(verb: bytes, line: bytes) -> bytes:
    """A line that is no command, read as the parser reads it: another protocol, binary junk, a header field, a verb."""
    text = line.rstrip(b"\r\n")
    end = line[len(text) :]
    if grammar.is_http(text):
        method, _, rest = text.partition(b" ")
        at = rest.find(b"HTTP/")
        version = rest[at : at + 8]
        return method + b" " + _words(rest[:at]) + version + filled(rest[at + len(version) :]) + end
    if grammar.is_binary(text):
        return filled(line)
    if grammar.is_header_field(text):
        at = text.find(b":")
        return filled(text[:at]) + text[at : at + 2] + filled(text[at + 2 :]) + end
    found = _VERB.match(text)
    if found is not None and (grammar.is_masked_verb(verb) or (verb and _SHOUTED.match(found[0].strip()))):
        return text[: found.end()] + _words(text[found.end() :]) + end
    return _words(text) + end


def _named(octets: bytes, names: frozenset[bytes]) -> bytes:
    """Words of the form ``NAME=value`` with these names; of others only the name, when they have one."""
    told = []
    for word in _SPACES.split(octets):
        name, equals, value = word.partition(b"=")
        plain = word.isspace() or name.upper() in names
        told.append(word if plain else name + equals + filled(value) if equals else filled(word))
    return b"".join(told)


def _junk(line: bytes, told: bytes) -> bytes:
    """With the octets that make it no text."""
    return bytes([0 if octet in _CONTROLS else seen for octet, seen in zip(line, told, strict=True)])


def _words(text: bytes) -> bytes:
    return b"".join([word if word.isspace() else filled(word) for word in _SPACES.split(text)])


def _mechanism(argument: bytes) -> bytes:
    """What follows AUTH: the mechanism stays where it is one, and the response goes."""
    words = _SPACES.split(argument)
    known = auth.mechanism(argument)
    told, seen = [], False
    for word in words:
        if word.isspace() or not word:
            told.append(word)
        elif not seen and known:
            told.append(word)
            seen = True
        else:
            told.append(secret(word))
    return b"".join(told)


def _split(octets: bytes) -> list[bytes]:
    """At line feeds only: a lone carriage return ends no line."""
    return BytesIO(octets).readlines()
