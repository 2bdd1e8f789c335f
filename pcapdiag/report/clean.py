"""Hostile octets in, text out that no terminal, log or JSON reader can be fooled with.

Text from the wire may hold escape sequences, right-to-left overrides, zero-width characters, NUL, or no UTF-8 at all.
What leaves here holds none of these, and can be turned back into the very octets (tests do): UTF-8 is kept, and

* an octet that is no valid UTF-8, and a control character of ASCII, becomes ``\\xNN``: that *octet*;
* a character of the categories Cc, Cf, Zl, Zp beyond ASCII becomes ``\\uNNNN`` (``\\UNNNNNNNN`` beyond U+FFFF): that
  *character*. So U+0085 is ``\\u0085`` and the stray octet 85 is ``\\x85``, which would otherwise read the same;
* a backslash becomes two.

LF stays only where it separates the lines of one reply (`wire_text`); `wire_line` is for what has one line.
What is not from the wire but not ours either (paths, messages of the operating system) goes through `safe_text`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from pcapdiag.model import Address, Duration, Mailbox, Moment, Part, Says, Wire

_HIDDEN = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs"})
"""General categories that never reach a reader raw. Cs: what `surrogateescape` makes of invalid octets."""

_SUSPECT = re.compile(r"[^ -\[\]-~]")
"""Everything but printable ASCII without the backslash: each such character is looked at by itself."""


def wire_text(octets: bytes) -> str:
    """Octets of the wire as harmless text; LF, which separates the lines of a reply, stays."""
    if octets.isascii() and (text := octets.decode("ascii")).isprintable() and "\\" not in text:
        return text
    return "\n".join(map(wire_line, octets.split(b"\n")))


def wire_line(octets: bytes) -> str:
    """Octets of the wire as one line of harmless text: LF becomes ``\\x0a`` like any other control character."""
    text = octets.decode("utf-8", "surrogateescape")
    if text.isprintable() and "\\" not in text:
        return text
    return _SUSPECT.sub(lambda match: _escaped(match[0]), text)


def safe_text(text: str) -> str:
    """Text of the operating system (a path, an error) made harmless. Backslashes stay single: Windows paths have them."""
    if text.isprintable():
        return text
    return _SUSPECT.sub(lambda match: match[0] if match[0] == "\\" else _escaped(match[0]), text)


@lru_cache(maxsize=4096)
def _escaped(char: str) -> str:
    code = ord(char)
    if char == "\\":
        return "\\\\"
    if unicodedata.category(char) not in _HIDDEN:
        return char
    if 0xDC80 <= code <= 0xDCFF:  # surrogateescape: U+DC80 + (octet - 0x80)
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def plain(says: Says, captures: Sequence[str] = ()) -> str:
    """A sentence as one line of harmless text.

    `captures` are the paths of the analysis: where there are several, a frame is named with its file. The lines of a
    reply that is quoted in a sentence are separated by a space.
    """
    told = ""
    for part in says:
        told += part if isinstance(part, str) and part.isprintable() else _part(part, captures)
    return told


def _part(part: Part, captures: Sequence[str]) -> str:
    if isinstance(part, Duration):
        return duration_text(part.ns)
    if isinstance(part, Address):
        return safe_text(part.text)
    if isinstance(part, Wire):
        return wire_text(part.octets).replace("\n", " ")
    if isinstance(part, Mailbox):
        return wire_line(part.octets)
    return frame_text(part, captures) if isinstance(part, Moment) else safe_text(part)


def frame_text(moment: Moment, captures: Sequence[str] = ()) -> str:
    """``frame 38``, or ``frame 38 of b.pcap`` where the analysis has several files."""
    if len(captures) < 2 or moment.capture >= len(captures):
        return f"frame {moment.frame}"
    return f"frame {moment.frame} of {short_name(captures[moment.capture])}"


def frame_number(at: Moment, *, several: bool) -> str:
    """``38``; with the capture's number, ``1:38``, where the session lies in several."""
    return f"{at.capture}:{at.frame}" if several else str(at.frame)


def short_name(path: str) -> str:
    """The last component of a path, whichever system wrote it."""
    return safe_text(re.split(r"[/\\]", path)[-1] or path)


_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def duration_text(ns: int) -> str:
    """A length of time for people: ``0.4 ms``, ``35 ms``, ``1.2 s``, ``600 s``, ``2 h 4 min``.

    Seconds are kept up to two hours, because timers of mail software are known by them (300 s, 600 s, 3600 s).
    """
    if ns < 0:
        return "-" + duration_text(-ns)
    if ns < 10_000_000:
        return f"{_trimmed(ns / 1e6, 2)} ms"
    if ns < 999_500_000:
        return f"{ns / 1e6:.0f} ms"
    seconds = ns / 1e9
    if seconds < 99.95:
        return f"{_trimmed(seconds, 1)} s"
    if seconds < 7200:
        return f"{seconds:.0f} s"
    whole = round(seconds)
    for (unit, name), (smaller, smaller_name) in pairwise(_UNITS):
        if whole >= unit:
            rest = whole % unit // smaller
            return f"{whole // unit} {name}" + (f" {rest} {smaller_name}" if rest else "")
    return f"{whole} s"


def _trimmed(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
