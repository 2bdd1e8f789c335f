"""What was said: the nouns of one SMTP conversation, frozen, as the observer leaves them.

Stream offsets count octets of that side's TCP stream from 0. `at` is the frame that completed a thing, `start` the frame
in which it began. Message content is counted and never kept; the arguments of AUTH are gone before a `Command` exists.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from pcapdiag.model import Moment, Position, Side, Stage

DOT = b"."
"""Verb of the pseudo-command that stands for the end of data: the terminator CRLF.CRLF of DATA."""


class Command(NamedTuple):
    """One line of the client outside message content, or the terminator (`DOT`) that ends the content."""

    verb: bytes
    """Upper case, such as ``MAIL`` or ``X-EXPS``; `DOT` for the end of data; empty for a line that is no command; a line
    of an AUTH exchange has the verb ``*`` and no argument."""
    argument: bytes
    """What follows the verb, at most 1,000 octets; credentials removed."""
    at: Moment
    start: Moment
    offset: int
    end: int
    """Offset behind its line end."""
    known: bool
    """False for verbs that RFC 5321 and the extensions in `stages` do not know: they leave the stage alone."""
    cut: bool
    """Not all of it was captured."""


class Reply(NamedTuple):
    """One reply of the server, all its lines."""

    code: int
    enhanced: bytes | None
    """RFC 3463 code of its last line, such as ``5.7.1``; None without one."""
    lines: tuple[bytes, ...]
    """Text of each line behind code and separator, at most 100 lines of 1,000 octets."""
    at: Moment
    start: Moment
    offset: int
    end: int
    complete: bool
    """False when its last line never came (``250-`` and then nothing, or no CRLF)."""
    cut: bool
    unasked: bool
    """No command was waiting for it (the greeting is asked for): a 421 by timer, say."""

    @property
    def positive(self) -> bool:
        return 200 <= self.code < 400

    @property
    def text(self) -> bytes:
        return b"\n".join(self.lines)


class Body(NamedTuple):
    """A stretch of message content, counted."""

    at: Moment
    """Its last octet so far."""
    start: Moment
    octets: int
    """As sent, dot-stuffed, terminator not counted."""
    complete: bool
    """The terminator (or the last announced octet of the BDAT chunk) was sent."""
    chunk: bool
    """It came by BDAT."""
    missing: int
    """Octets of it that were not captured (they count in `octets`)."""


class TlsEntry(NamedTuple):
    """One TLS record, or a run of application records of one side."""

    at: Moment
    side: Side
    type: int
    """20 change_cipher_spec, 21 alert, 22 handshake, 23 application_data, 24 heartbeat (RFC 8446 5.1)."""
    length: int
    """Octets of the record's fragment; of all together in a run."""
    says: str
    """``ClientHello``, ``alert fatal protocol_version``, ``application data (12 records)``, ``encrypted alert``..."""
    end: int
    """Stream offset behind the (last) record."""
    start: Moment | None = None
    """Frame in which the (first) record began; None: the same as `at`."""


class Missing(NamedTuple):
    """Octets that the capture does not hold."""

    at: Moment
    side: Side
    octets: int
    reason: str
    """Value of `pcapdiag.tcp.connection.GapReason`: capture, path, snaplen."""


class OddKind(Enum):
    """What was seen that a dialogue by the book does not hold."""

    EARLY_TALK = "early-talk"
    """The client sent a command before the greeting."""
    PROXY_V1 = "proxy-v1"
    PROXY_V2 = "proxy-v2"
    """A PROXY protocol header stood before the dialogue."""
    UNASKED_REPLY = "unasked-reply"
    PARTIAL_REPLY = "partial-reply"
    PARTIAL_COMMAND = "partial-command"
    """The client's stream ends inside a command line."""
    BARE_LF = "bare-lf"
    """A line of the client or the server, or one in the first 4 KiB of a message, that ends in LF without CR."""
    LONG_LINE = "long-line"
    UNSTUFFED_TEXT = "unstuffed-text"
    """What looks like message text came where commands were expected (a lone dot had ended the message)."""
    MASKED_BANNER = "masked-banner"
    """The greeting consists of asterisks, 2, 0 and space: PIX/ASA inspection."""
    MASKED_VERB = "masked-verb"
    """A verb or an EHLO keyword of only X: ESMTP inspection."""
    NOT_SMTP = "not-smtp"
    """HTTP, a TLS hello on a clear-text port, binary junk."""
    EARLY_REPLY_IN_BODY = "early-reply-in-body"
    """A reply came while the content was still being sent."""
    PIPELINED_AFTER_STARTTLS = "pipelined-after-starttls"


MASKS = frozenset({OddKind.MASKED_BANNER, OddKind.MASKED_VERB})
"""Signs that a device on the way rewrites the dialogue."""


class Oddity(NamedTuple):
    """One such thing."""

    kind: OddKind
    at: Moment
    side: Side
    octets: bytes
    """At most 200 octets that show it; no credentials, no content."""


Entry = Command | Reply | Body | TlsEntry | Missing


class Exchange(NamedTuple):
    """One command (or the terminator) and what became of it."""

    command: Command
    reply: Reply | None
    """None: no complete reply was seen. LMTP's end of data: the last of its replies, when all came."""
    stage: Stage


class Recipient(NamedTuple):
    """One RCPT of a message."""

    address: bytes
    reply: Reply | None
    final: Reply | None
    """LMTP: its own reply to the end of data (RFC 2033 4.2)."""

    @property
    def accepted(self) -> bool | None:
        """None: not answered."""
        return None if self.reply is None else 200 <= self.reply.code < 300


class MailTransaction(NamedTuple):
    """One message: from MAIL to the reply to its end of data, to RSET, or to the end of the session."""

    mail_from: bytes
    """Reverse-path without brackets; empty for ``<>``."""
    mail: Exchange
    recipients: tuple[Recipient, ...]
    """At most 1,000."""
    recipients_total: int
    declared_size: int | None
    """SIZE= of MAIL (RFC 1870)."""
    octets: int | None
    """Content as sent, terminator not counted; None when none was sent."""
    complete: bool
    """The terminator was sent."""
    terminator: Command | None
    """The `DOT`, or the last BDAT command with LAST; `at` is the frame of the content's last octet."""
    reply: Reply | None
    """To the end of data."""
    queue_id: bytes | None
    """From the text of a 2xx reply to the end of data, where its form is known."""
    reset: bool
    """Given up by RSET, EHLO or HELO before its end of data."""


class Tls(NamedTuple):
    """What can be seen of TLS without keys."""

    start: Moment
    """First record."""
    implicit: bool
    """From the first octet (port 465), not after STARTTLS."""
    version: str | None
    """Chosen by the server, such as ``TLS 1.3``; None when no ServerHello was seen."""
    offered: tuple[str, ...]
    """Versions the client offered."""
    server_name: bytes | None
    """SNI (RFC 6066 section 3)."""
    finished: Moment | None
    """Handshake finished as far as the outside can see: the first application record of the side that had to wait."""
    alerts: tuple[tuple[Moment, Side, str, str, int], ...]
    """Alerts in clear: moment, side, level, description, stream offset behind the record."""
    records: tuple[TlsEntry, ...]
    """Single records in time order (alerts and application data), the first 16 and the last 32."""
    application: tuple[int, int]
    """Application-data records of client and server (encrypted alerts and TLS 1.3's handshake tail not counted as far as
    the length tells)."""
    suite: int | None = None
    """Cipher suite chosen by the server, as numbered by IANA."""


class Dialogue(NamedTuple):
    """One SMTP conversation."""

    entries: tuple[Entry, ...]
    """In time order; of a very long conversation the first 400 and the last 400."""
    entries_total: int
    exchanges: tuple[Exchange, ...]
    """Bounded in the same way."""
    greeting: Reply | None
    """Complete or partial."""
    helo: bytes | None
    """Argument of the last EHLO, HELO or LHLO."""
    extensions: tuple[bytes, ...]
    """Keywords of the last EHLO reply, upper case."""
    transactions: tuple[MailTransaction, ...]
    """The last 200."""
    transactions_total: int
    positions: tuple[Position, ...]
    """Every change of stage or of who owes, in time order, bounded (first 100, last 300); never empty once something was
    observed."""
    tls: Tls | None
    oddities: tuple[Oddity, ...]
    """At most 50."""
    recognised: bool
    """At least one SMTP or TLS step was recognised."""
    lmtp: bool
    outstanding: tuple[Command, ...]
    """Commands without a complete reply at the end of the observed octets, oldest first."""

    def position_at(self, moment: Moment) -> Position | None:
        """Where the dialogue stood just before `moment`: the last position whose `at` is earlier."""
        found = None
        for position in self.positions:
            if position.at >= moment:
                break
            found = position
        return found
