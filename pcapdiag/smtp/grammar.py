"""Lines: what one line of the client or of the server says, by itself.

Octets in, small values out; no state. Tolerant as receivers in the wild are: verbs in any case, spaces where none belong,
paths without angle brackets.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from pcapdiag.smtp.stages import STEPS

LINE_LIMIT = 2048
"""Octets of a line that are looked at. RFC 5321 4.5.3.1.4 asks receivers for 512 with the CRLF, extensions add some
hundreds (RFC 4954 4: 500 for MAIL); what is longer is noted and read up to here."""
TEXT_LIMIT = 1000

HTTP_METHODS = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"CONNECT", b"TRACE", b"PATCH"))

# To look for a number in octets costs a tenth of looking for octets.
_QUOTE, _EQUALS = ord('"'), ord("=")

_UNKNOWN_VERB = re.compile(rb"[A-Z][A-Z0-9-]{1,19}\Z")
_ENHANCED = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}(?![^ \t])")
_PATH = re.compile(rb"\s*(?:FROM|TO)\s*:?\s*(<(?:[^\"<>]|\"(?:[^\"\\]|\\.)*\"?)*>?|[^\s<]\S*)?", re.I)
_SIZE = re.compile(rb"\sSIZE=(\d{1,20})(?!\S)", re.I)
_CHUNK = re.compile(rb"\s*(\d{1,20})(?:\s+(LAST))?\s*\Z", re.I)
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_FIELD = re.compile(rb"[!-9;-~]{1,60}:[ \t]")
_MASKED = re.compile(rb"X{4,}[A-Z]?\Z")


class Words(NamedTuple):
    """One line of the client, taken apart."""

    verb: bytes
    """Upper case; empty when the line does not begin like a command."""
    argument: bytes
    known: bool


def command_line(line: bytes) -> Words:
    """Take a line without its line end apart. RFC 5321 2.4: verbs are not case sensitive."""
    verb, _, argument = line.partition(b" ")
    verb = verb.upper()
    if verb in STEPS and verb != b".":
        return Words(verb, argument.strip()[:TEXT_LIMIT], True)
    # A verb may be followed by a tab, or stand behind spaces (receivers commonly accept both).
    words = line.split(None, 1)
    if not words:
        return Words(b"", b"", False)
    verb = words[0].upper()
    argument = words[1].strip()[:TEXT_LIMIT] if len(words) > 1 else b""
    if verb in STEPS and verb != b".":
        return Words(verb, argument, True)
    # Programs write verbs in one case; mixed case is text or base64.
    uniform = words[0] in (verb, verb.lower(), verb.capitalize())
    if uniform and _UNKNOWN_VERB.match(verb):
        return Words(verb, b"", False)
    return Words(b"", b"", False)


class ReplyLine(NamedTuple):
    """One line of a reply (RFC 5321 4.2.1)."""

    code: int
    last: bool
    text: bytes


def reply_line(line: bytes) -> ReplyLine | None:
    """`250-SIZE` and `250 Ok` without line end; None when the line is no reply line."""
    digits = line[:3]
    if len(digits) != 3 or not digits.isdigit() or digits[0] not in b"12345":
        return None
    separator = line[3:4]
    if separator == b" " or not separator:
        return ReplyLine(int(digits), True, line[4:])
    if separator == b"-":
        return ReplyLine(int(digits), False, line[4:])
    if separator == b"\t":
        return ReplyLine(int(digits), True, line[4:])
    return None


def begun_code(begun: bytes) -> int | None:
    """The reply code of which one or two digits were captured, good enough to tell what kind it is; None: no digits.

    RFC 5321 4.2.3 lists one code that begins with 42: 421.
    """
    if len(begun) > 2 or not begun.isdigit():
        return None
    return 421 if begun == b"42" else int(begun.ljust(3, b"0"))


def enhanced_code(text: bytes) -> bytes | None:
    """The RFC 3463 code in front of a reply's text."""
    if text[1:2] == b"." and (found := _ENHANCED.match(text)):
        return found[0]
    return None


def path_of(argument: bytes) -> bytes:
    """The path in the argument of MAIL or RCPT, without brackets; empty for ``<>`` and where none is found."""
    _, opened, rest = argument.partition(b"<")
    if opened and _QUOTE not in argument:
        return rest.partition(b">")[0]
    found = _PATH.match(argument)
    path = (found[1] or b"") if found else b""
    return path.removeprefix(b"<").removesuffix(b">")


def declared_size(argument: bytes) -> int | None:
    """SIZE= of MAIL (RFC 1870 3)."""
    found = _SIZE.search(argument) if _EQUALS in argument else None
    return int(found[1]) if found else None


def chunk_size(argument: bytes) -> tuple[int, bool] | None:
    """Octets and LAST of BDAT (RFC 3030 2); None when they cannot be read."""
    found = _CHUNK.match(argument)
    return (int(found[1]), found[2] is not None) if found else None


@lru_cache(maxsize=256)
def keywords(lines: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The extensions in the lines of a reply to EHLO (RFC 5321 4.1.1.1), upper case; a server always says the same."""
    return tuple([line.partition(b" ")[0].upper()[:64] for line in lines[1:]])


def is_masked_verb(verb: bytes) -> bool:
    """Only X: what ESMTP inspection writes over verbs and keywords that it does not allow (``XXXXXXXA``)."""
    return verb.startswith(b"XXXX") and _MASKED.match(verb) is not None


@lru_cache(maxsize=256)
def masked(keywords: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Those of the extensions that are masked."""
    return tuple([keyword for keyword in keywords if is_masked_verb(keyword)])


def is_masked_banner(text: bytes) -> bool:
    """The 220 line of a PIX or ASA: every character but 2, 0 and space became an asterisk."""
    return not text.strip(b"*20 -\t") and b"**" in text


def is_http(line: bytes) -> bool:
    method, _, rest = line.partition(b" ")
    return method in HTTP_METHODS and b"HTTP/" in rest


def is_binary(line: bytes) -> bool:
    return _BINARY.search(line) is not None


def is_header_field(line: bytes) -> bool:
    """``Subject: ...`` (RFC 5322 2.2): message text, never a command."""
    return _FIELD.match(line) is not None


_PLAIN = frozenset((b"DATA", b"QUIT", b"RSET", b"STARTTLS", b"TURN"))


# Of commands that take no argument the length of the line, of others the least.
_ALONE = {b"DATA": 6, b"QUIT": 6, b"RSET": 6, b"NOOP": 6, b"HELP": 6, b"STARTTLS": 10}
_WITH_ARGUMENT = {b"MAIL": 13, b"RCPT": 12, b"EHLO": 7, b"HELO": 7}


_TAKE_PATHS = frozenset((b"MAIL", b"RCPT", b"SEND", b"SOML", b"SAML"))
_TAKE_NAMES = frozenset((b"EHLO", b"HELO", b"LHLO", b"VRFY", b"EXPN", b"ETRN", b"ATRN", b"XCLIENT", b"XFORWARD"))
_FROM_OR_TO = re.compile(rb"(?:FROM|TO)\s*:|(?:FROM|TO)?\s*<|(?:FROM|TO)\s+\S+@", re.I)
_TWO_NUMBERS = re.compile(rb"\d+\s+\d+\Z")


def is_argument(verb: bytes, argument: bytes) -> bool:
    """Is this what stands behind such a verb, as far as it may be shown?

    When DATA was refused or its reply was lost, message text is read as commands: "mail me", "help the needy". NOOP and HELP
    take any text (RFC 5321 4.1.1.8, 4.1.1.9), the URL of BURL carries an authorization token (RFC 4468, URLAUTH of RFC 4467).
    """
    if verb in _TAKE_PATHS:
        return _FROM_OR_TO.match(argument) is not None
    if verb == b"XEXCH50":
        return _TWO_NUMBERS.match(argument) is not None
    if verb == b"BDAT":
        return chunk_size(argument) is not None
    return verb in _TAKE_NAMES


def begun_verb(octets: bytes, length: int) -> bytes:
    """The verb of a line of which the snap length left so few octets; nothing where they and its length fit no verb."""
    begun = octets.upper()
    if not 0 < len(begun) < 4:
        return b""
    found = [verb for verb, whole in _ALONE.items() if verb.startswith(begun) and whole == length]
    found += [verb for verb, least in _WITH_ARGUMENT.items() if verb.startswith(begun) and length >= least]
    return found[0] if len(found) == 1 else b""


def is_plausible(line: Words) -> bool:
    """Could this line stand alone as a command? Stricter than `command_line`: message text says "help me", too."""
    verb, argument, known = line
    if not known:
        return False
    if verb in _PLAIN:
        return not argument
    if verb in (b"MAIL", b"SEND", b"SOML", b"SAML"):
        return argument[:4].upper() == b"FROM"
    if verb == b"RCPT":
        return argument[:2].upper() == b"TO"
    if verb == b"BDAT":
        return chunk_size(argument) is not None
    return b" " not in argument or verb in (b"AUTH", b"XCLIENT", b"XFORWARD", b"BURL")


def is_commands(octets: bytes) -> bool:
    """Nothing but whole command lines."""
    return octets.endswith(b"\n") and all(is_plausible(command_line(o.rstrip(b"\r"))) for o in octets[:-1].split(b"\n"))


def request_shown(line: bytes) -> bytes:
    """An HTTP request line without what may be secret in its target."""
    method, _, rest = line.partition(b" ")
    target, _, version = rest.rpartition(b" ")
    return method + b" " + target.partition(b"?")[0].rpartition(b"@")[2] + b" " + version
