"""Nouns that every layer shares, and nothing else.

Words come from RFC 9293, then RFC 5321, then Wireshark. Units are in the names (``waited_ns``). Everything here is
frozen. The meanings of `Party`, `How`, `Stage`, `Strength` and `Impact` are the contract of ``docs/reference/verdict.md``;
their values are the words of the JSON output and never change.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Side(Enum):
    """Who a frame *says* sent it: a claim of the source address, never a verdict (see `Party`)."""

    CLIENT = "client"
    SERVER = "server"

    @property
    def other(self) -> Side:
        return Side.SERVER if self is Side.CLIENT else Side.CLIENT


class Party(Enum):
    """Who *did* it. Only a rule of `pcapdiag.diagnosis` goes from a `Side` to a `Party`."""

    CLIENT = "client"
    SERVER = "server"
    MIDDLEBOX = "middlebox"
    PATH = "path"
    NOBODY = "nobody"
    UNDETERMINED = "undetermined"


class How(Enum):
    """How that party ended the connection."""

    QUIT = "quit"
    FIN = "fin"
    RST = "rst"
    TIMEOUT = "timeout"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    OPEN = "open"


class Stage(Enum):
    """The SMTP step in progress, as the wire shows it (RFC 5321 section 4.5.3.2 and its extensions)."""

    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    TLS = "tls"
    ENCRYPTED = "encrypted"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"
    END_OF_DATA = "end-of-data"
    QUIT = "quit"
    OTHER = "other"


class Strength(Enum):
    """How sure a finding is: proven (wrong never), likely (wrong in under 2%), possible (an alternative is named)."""

    PROVEN = "proven"
    LIKELY = "likely"
    POSSIBLE = "possible"


class Impact(Enum):
    """What the end of the session did to the mail; the worst message decides."""

    NONE = "none"
    UNKNOWN = "unknown"
    DELAYED = "delayed"
    REJECTED = "rejected"
    DUPLICATE_RISK = "duplicate-risk"


class Vantage(Enum):
    """Where the capture was taken."""

    CLIENT = "client"
    SERVER = "server"
    MIDDLE = "middle"


class Moment(NamedTuple):
    """One frame on the time line of a trace. Moments order by time, then capture, then frame number."""

    time_ns: int
    """Nanoseconds since 1970-01-01 UTC (``frame.time_epoch``)."""
    capture: int
    """Index of the capture file in the analysis."""
    frame: int
    """Wireshark's ``frame.number`` in that file, from 1."""


class Endpoint(NamedTuple):
    """One end of a connection. `address` is RFC 5952 text for IPv6, dotted quad for IPv4, without brackets or zone."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class Position(NamedTuple):
    """Where the dialogue stood from the moment `at` on, and whose turn it was."""

    stage: Stage
    owing: Side | None
    at: Moment


# --- Parts of a sentence ---------------------------------------------------------------------------------------------
# A sentence is a tuple of parts. Each renderer escapes, and redaction masks, by kind of part: plain `str` are our own
# words, everything else is marked.


class Wire(NamedTuple):
    """Text that came from the network: hostile until a renderer has cleaned it."""

    octets: bytes


class Mailbox(NamedTuple):
    """An e-mail address from the network: hostile, and personal."""

    octets: bytes


class Address(NamedTuple):
    """An IP address, RFC 5952 text."""

    text: str


class Duration(NamedTuple):
    """A length of time."""

    ns: int


Part = str | Wire | Mailbox | Address | Duration | Moment
"""`Moment` as a part reads "frame 38" (with the file's name where the analysis has several)."""

Says = tuple[Part, ...]


class Note(NamedTuple):
    """Something about a capture that a reader of the verdict must know, such as that it is cut at the end.

    `code` is one word for scripts: ``truncated``, ``damaged``, ``dropped``, ``snaplen``, ``unknown-link``, ``disorder``...
    """

    code: str
    says: str
    frame: int | None = None


class CaptureInfo(NamedTuple):
    """One capture file as read to its end (or to its damage)."""

    path: str
    format: str
    """``pcap``, ``pcapng``, with the compression in front when there is one: ``gzip pcap``."""
    link_types: tuple[str, ...]
    """Wireshark's names without ``LINKTYPE_``, such as ``EN10MB``."""
    packets: int
    smtp_packets: int
    snaplen: int | None
    first_time_ns: int | None
    last_time_ns: int | None
    dropped_by_capture: int | None
    """Packets the capturing kernel said it lost (pcapng interface statistics); None when nothing was said."""
    notes: tuple[Note, ...] = ()
    trace: int = 0
    """Files of the same trace follow one another in time; no session spans two traces."""
    sha256: str | None = None
    """Of the file as it lies on disk; None where nobody asked for it, or there is no file (`pipeline.with_checksums`)."""
