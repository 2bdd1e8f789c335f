"""The short way of whole chunks by the book, which most octets take.

A chunk that one frame brought, whole lines that all end in CRLF, verbs in capitals: its commands or replies are told from
whole slices, without the questions that the readers of `client` and `server` ask about every line. What is not by the book
is left to them, from the first line on that is not. For any octets the result must be the one that they would have given.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from pcapdiag.model import Moment, Stage
from pcapdiag.smtp.conversation import Conversation
from pcapdiag.smtp.grammar import LINE_LIMIT, TEXT_LIMIT, enhanced_code, is_argument
from pcapdiag.smtp.makers import make_command
from pcapdiag.smtp.replies import LINES_LIMIT
from pcapdiag.smtp.stages import STEPS, Kind
from pcapdiag.smtp.transactions import Sent

_DATA = Kind.DATA
_LF = ord("\n")  # to look for a number in octets costs a tenth of looking for octets
CHUNK_LIMIT = LINE_LIMIT
"""Chunks that end in CRLF and are not longer go the short way: no line can be too long in them."""

_ARGUMENTS = {b"EHLO ": b"", b"HELO ": b"", b"LHLO ": b"", b"MAIL ": b"FROM:", b"RCPT ": b"TO:"}
"""The first five octets of a line -> how the rest begins."""
_STEPS: dict[bytes, tuple[bytes, Kind, Stage | None, bytes]] = {
    **{verb: (verb, *STEPS[verb], b"") for verb in (b"DATA", b"RSET", b"QUIT")},
    **{begins: (begins[:4], *STEPS[begins[:4]], argument) for begins, argument in _ARGUMENTS.items()},
}
"""The same, and verbs without argument, which are the whole line -> verb, kind, stage, and how the argument begins."""

_CODES = {b"%d" % code: code for code in range(100, 600)}


def take_commands(conversation: Conversation, octets: bytes, offset: int, at: Moment) -> Sent | None:
    """Hand on the commands at the beginning of a chunk, as far as they are by the book, to DATA: the latest of them."""
    if len(octets) > CHUNK_LIMIT:
        return None
    sent = None
    lines = octets.split(b"\r\n")
    if lines.pop():
        return None
    for line in lines:
        step = _STEPS.get(line[:5])
        if step is None or len(line) > TEXT_LIMIT or _LF in line:
            break
        verb, kind, stage, begins = step
        argument = line[5:].strip()
        if begins and argument[: len(begins)] != begins and not is_argument(verb, argument):
            break
        end = offset + len(line) + 2
        command = make_command((verb, argument, at, at, offset, end, True, False))
        sent = conversation.command(command, kind, stage)
        offset = end
        if kind is _DATA:
            break
    if sent is not None:
        conversation.settle(at)
    return sent


class Said(NamedTuple):
    """One reply of a chunk."""

    code: int
    enhanced: bytes | None
    lines: tuple[bytes, ...]
    length: int
    """Octets of all its lines."""


@lru_cache(maxsize=1024)
def replies(octets: bytes) -> tuple[Said, ...]:
    """The replies at the beginning of a chunk, as far as they are by the book. Servers repeat themselves: most are known."""
    found: list[Said] = []
    texts: list[bytes] = []
    first, length = b"", 0
    lines = octets.split(b"\r\n")
    if lines.pop():
        return ()
    for line in lines:
        digits, separator = line[:3], line[3:4]
        if _LF in line or digits not in _CODES or (texts and digits != first) or len(texts) == LINES_LIMIT:
            break
        texts.append(line[4 : 4 + TEXT_LIMIT])
        length += len(line) + 2
        if separator == b" ":
            found.append(Said(_CODES[digits], enhanced_code(texts[-1]), tuple(texts), length))
            texts, length = [], 0
        elif separator == b"-":
            first = digits
        else:
            break
    return tuple(found)
