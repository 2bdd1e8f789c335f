"""One line of a session, as it was sent -> the same line without names, credentials and text, octet for octet as long.

What a reader of SMTP needs stays: verbs, keywords, reply codes, numbers, line ends. Everything else has to be known to be harmless;
what is not known to be is filled. The filler is no letter, so that no line of it can be taken for a command.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pcapdiag.pseudonym import Level, Masker, Pseudonyms
from pcapdiag.smtp import auth, grammar
from pcapdiag.smtp.dialogue import DOT

FILLER = b"_"
_TEXT = bytes.maketrans(bytes(range(256)), bytes(octet if octet in b"\r\n" else FILLER[0] for octet in range(256)))
_SECRET = bytes.maketrans(bytes(range(256)), bytes(octet if octet in b"\r\n=" else ord("A") for octet in range(256)))
"""Base64 of nothing but zeros, with the padding where it was."""
_BINARY = bytes.maketrans(
    bytes(range(256)),
    bytes(octet if octet in b"\r\n" else 0 if octet < 32 and octet != 9 or octet == 127 else FILLER[0] for octet in range(256)),
)

_VERB = re.compile(rb"\s*\S+")
_PATH = re.compile(rb"(\s*(?:FROM|TO)\s*:?\s*)(<?)((?:[^\"<>\s]|\"(?:[^\"\\]|\\.)*\"?)*)", re.I)
_WORDS = re.compile(rb"(\s+)")
_NUMBERS = re.compile(rb"[^0-9 \t\r\n]")
_SHOUTED = re.compile(rb"[A-Z][A-Z0-9-]{1,11}\Z")
_TOKEN = re.compile(rb"\S{4,}")

_PLAIN_PARAMETERS = frozenset(
    b"SIZE BODY RET NOTIFY SMTPUTF8 BY HOLDFOR HOLDUNTIL DELIVERBY MT-PRIORITY REQUIRETLS TRANSID CONPERM CONNEG".split()
)
"""Of MAIL and RCPT: they are made of numbers and keywords."""
_PLAIN_ATTRIBUTES = frozenset(b"PORT PROTO SOURCE DESTPORT IDENT".split())
"""Of XCLIENT and XFORWARD (Postfix's XCLIENT_README): they name no person and no host."""
_HOST_ATTRIBUTES = frozenset(b"NAME HELO".split())
_ADDRESS_ATTRIBUTES = frozenset(b"ADDR DESTADDR".split())
_ABSENT = (b"[UNAVAILABLE]", b"[TEMPUNAVAIL]")
_NO_ARGUMENT = frozenset(b"DATA QUIT RSET STARTTLS TURN X-ANONYMOUSTLS BDAT".split())
_DOMAINS = frozenset(b"EHLO HELO LHLO ETRN ATRN".split())
_PATHS = frozenset(b"MAIL RCPT SEND SOML SAML".split())


def filled(octets: bytes) -> bytes:
    """Nothing but the line ends."""
    return octets.translate(_TEXT)


def secret(octets: bytes) -> bytes:
    """A response or challenge of an AUTH exchange. RFC 4954 4: ``*`` gives up, ``=`` is an empty response."""
    return octets if octets.strip() in (b"*", b"=", b"") else octets.translate(_SECRET)


class Lines:
    """Masks the lines of one session."""

    def __init__(self, names: Pseudonyms, masker: Masker, withheld: Iterable[bytes]) -> None:
        """`withheld`: words that a reply may quote and must not."""
        self._names = names
        self._masker = masker
        words = sorted(set(withheld), key=len, reverse=True)
        self._withheld = re.compile(b"|".join(re.escape(word) for word in words)) if words else None

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
        return line[:end] + self._argument(verb, behind[end:]) + line[max(end, len(behind)) :]

    def _argument(self, verb: bytes, argument: bytes) -> bytes:
        if verb in _NO_ARGUMENT:
            plain = not argument.strip() or (verb == b"BDAT" and grammar.chunk_size(argument) is not None)
            return argument if plain else filled(argument)
        if verb in _PATHS:
            return self._path(argument)
        if verb in _DOMAINS:
            host = self._names.level is Level.ALL and b"@" not in argument
            return self._names.host(argument) if host else self._masker.mailboxes(argument)
        if verb in (b"VRFY", b"EXPN"):
            return self._address(argument)
        if verb in (b"AUTH", b"X-EXPS"):
            return _mechanism(argument)
        if verb in (b"XCLIENT", b"XFORWARD"):
            return b"".join([self._attribute(word) for word in _WORDS.split(argument)])
        if verb == b"XEXCH50":
            return _NUMBERS.sub(FILLER, argument)
        return b"".join([word if word.isspace() else filled(word) for word in _WORDS.split(argument)])

    def _path(self, argument: bytes) -> bytes:
        """``FROM:<path> NAME=value ...``."""
        found = _PATH.match(argument)
        if found is None:
            return filled(argument)
        head, opened, path = found.groups()
        rest = argument[found.end() :]
        closed = rest[:1] if rest[:1] == b">" else b""
        whole = closed or not opened
        told = self._names.mailbox(path) if whole else self._cut(path)
        words = _WORDS.split(rest[len(closed) :])
        return head + opened + told + closed + b"".join([self._parameter(word) for word in words])

    def _cut(self, path: bytes) -> bytes:
        """A path whose end was not captured: where its local part ends may not be known."""
        return self._names.mailbox(path) if b"@" in path else FILLER * len(path)

    def _address(self, argument: bytes) -> bytes:
        inner = argument.strip()
        at = argument.find(inner)
        bare = inner.removeprefix(b"<").removesuffix(b">")
        begin = at + inner.find(bare)
        return argument[:begin] + self._names.mailbox(bare) + argument[begin + len(bare) :]

    def _parameter(self, word: bytes) -> bytes:
        name, equals, value = word.partition(b"=")
        plain = name.upper()
        if word.isspace() or plain in _PLAIN_PARAMETERS:
            return word
        if plain == b"ORCPT":
            kind, semicolon, address = value.partition(b";")
            return name + equals + kind + semicolon + self._xtext(address) if semicolon else filled(word)
        if plain == b"AUTH" and equals:
            return name + equals + (value if value == b"<>" else self._xtext(value))
        return name + equals + filled(value) if equals else filled(word)

    def _xtext(self, address: bytes) -> bytes:
        """RFC 3461 4: an address in which ``+40`` may stand for the at sign."""
        for at in (b"@", b"+40"):
            local, found, domain = address.rpartition(at)
            if found:
                return self._names.local_part(local) + found + self._names.host(domain)
        return self._names.local_part(address)

    def _attribute(self, word: bytes) -> bytes:
        name, equals, value = word.partition(b"=")
        plain = name.upper()
        if word.isspace() or plain in _PLAIN_ATTRIBUTES or value.upper() in _ABSENT:
            return word
        if plain in _HOST_ATTRIBUTES:
            return name + equals + self._names.host(value)
        if plain in _ADDRESS_ATTRIBUTES:
            return name + equals + self._literal(value)
        if plain == b"LOGIN":
            return name + equals + self._xtext(value)
        return name + equals + filled(value) if equals else filled(word)

    def _literal(self, value: bytes) -> bytes:
        """``IPV6:2001:db8::1`` or ``192.0.2.1``; anything else goes at level ``all``."""
        if self._names.level is not Level.ALL:
            return value
        tag = value[:5] if value[:5].upper() == b"IPV6:" else b""
        try:
            return tag + self._names.address_in(value[len(tag) :])
        except ValueError:
            return tag + filled(value[len(tag) :])

    # --- The server --------------------------------------------------------------------------------------------------

    def reply(self, octets: bytes) -> bytes:
        """All lines of a reply."""
        lines = _split(octets)
        return b"".join([self._reply_line(line, several=len(lines) > 1) for line in lines])

    def _reply_line(self, line: bytes, *, several: bool) -> bytes:
        text = line.rstrip(b"\r\n")
        words = grammar.reply_line(text)
        if words is None:
            return filled(line)
        head, told = text[:4], text[4:]
        if words.code == 334:
            told = told if auth.challenge(told) == told else secret(told)
        elif not grammar.is_masked_banner(told):
            told = self._told(told, several)
        return head + told + line[len(text) :]

    def _told(self, text: bytes, several: bool) -> bytes:
        code = grammar.enhanced_code(text) or b""
        behind = text[len(code) :]
        if self._withheld is not None:
            behind = self._withheld.sub(lambda found: b"*" * len(found[0]), behind)
        # The lines of an answer to EHLO are keywords, which may be people's names as well: HELP, MARK.
        return code + (self._masker.mailboxes(behind) if several else self._masker.text(behind))


def tokens(line: bytes) -> list[bytes]:
    """The words of a line that replies to it must not quote."""
    return _TOKEN.findall(line)[:8]


def unknown(verb: bytes, line: bytes) -> bytes:
    """A line that is no command, read as the parser reads it: another protocol, binary junk, a header field, a verb."""
    text = line.rstrip(b"\r\n")
    end = line[len(text) :]
    if grammar.is_http(text):
        method, _, rest = text.partition(b" ")
        at = rest.find(b"HTTP/")
        version = rest[at : at + 8]
        return method + b" " + filled(rest[:at]) + version + filled(rest[at + len(version) :]) + end
    if grammar.is_binary(text):
        return text.translate(_BINARY) + end
    if grammar.is_header_field(text):
        at = text.find(b":")
        return filled(text[:at]) + text[at : at + 2] + filled(text[at + 2 :]) + end
    found = _VERB.match(text)
    if found is not None and (grammar.is_masked_verb(verb) or (verb and _SHOUTED.match(found[0].strip()))):
        return text[: found.end()] + _words(text[found.end() :]) + end
    return _words(text) + end


def _words(text: bytes) -> bytes:
    return b"".join([word if word.isspace() else filled(word) for word in _WORDS.split(text)])


def _mechanism(argument: bytes) -> bytes:
    """What follows AUTH: the mechanism stays where it is one, and the response goes."""
    words = _WORDS.split(argument)
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
    return [line + b"\n" for line in octets.split(b"\n")[:-1]] + [rest for rest in (octets.rpartition(b"\n")[2],) if rest]
