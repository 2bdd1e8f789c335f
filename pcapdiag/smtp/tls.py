"""TLS records of both sides -> what can be seen of TLS without keys.

What it refuses to know: the content. It follows the handshake as far as it is in clear, says when it was finished as seen
from outside, and counts what follows. Where only the length of a record tells what it holds, the words say so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from pcapdiag.model import Moment, Side, Stage
from pcapdiag.smtp.bounded import trim
from pcapdiag.smtp.dialogue import Tls, TlsEntry
from pcapdiag.smtp.history import Entries, Positions
from pcapdiag.smtp.makers import make_tls_entry
from pcapdiag.smtp.tls_hello import HANDSHAKE_TYPES, alert_words, client_hello, server_hello
from pcapdiag.smtp.tls_records import ALERT, APPLICATION, CHANGE_CIPHER_SPEC, HANDSHAKE, Record, RecordReader

# Looked up once: members of an enumeration are slow to reach.
_CLIENT, _SERVER = Side.CLIENT, Side.SERVER
_TLS, _ENCRYPTED = Stage.TLS, Stage.ENCRYPTED

_TLS13 = "TLS 1.3"
# RFC 8446 5.2: fragment = content, one octet of type, a tag of 16. Finished is 4 + 32 or 4 + 48 octets (SHA-256, SHA-384).
_FINISHED = (53, 69)
_ALERT_13 = 2 + 1 + 16
_SMALLEST_TICKET = 150
_ALIKE = 1
_CERTIFICATE = 300
_ALERTS_KEPT = 16
_FIRST, _LAST = 16, 32
"""Records that are kept of many."""


class Log(Protocol):
    """Where entries and positions go."""

    entries: Entries
    positions: Positions


class _Half:
    """What one side has sent."""

    __slots__ = ("application", "ciphered", "message_left", "other", "reader", "side")

    def __init__(self, side: Side) -> None:
        self.side = side
        self.other = side.other
        self.reader = RecordReader()
        self.message_left = 0
        """Octets of its latest handshake message that are still to come in other records."""
        self.ciphered = False
        self.application = 0


class TlsTalk:
    """Both directions of one TLS connection, from its first record."""

    def __init__(self, log: Log, implicit: bool, start: Moment) -> None:
        self._log = log
        self._implicit = implicit
        self.start = start
        """When the first record began."""
        self._client, self._server = _Half(_CLIENT), _Half(_SERVER)
        self._version: str | None = None
        self._suite: int | None = None
        self._cut_hello = False
        """The ServerHello was cut off before it told the version, and the client has sent nothing since."""
        self._offered: tuple[str, ...] = ()
        self._server_name: bytes | None = None
        self._finished: Moment | None = None
        self._alerts: list[tuple[Moment, Side, str, str, int]] = []
        self._records: list[TlsEntry] = []
        self._tail_records = 0
        self._run = 0
        """Records in the latest entry when that is a run of application data."""
        self._tickets_possible = 0
        """Length of the server's one record so far after the handshake: a second of this length makes both tickets.
        -1: the client has spoken since."""
        self._ticket = 0
        """Length of a ticket that was told by its place."""

    def feed(self, side: Side, octets: bytes, offset: int, moment: Callable[[int], Moment]) -> None:
        """The next octets of a side."""
        half = self._half(side)
        self._stand(half, moment(offset))
        for record in half.reader.feed(octets, offset, moment):
            self._record(half, record)
            self._stand(half, record.at)
        trim(self._records, _FIRST, _LAST)

    def gap(self, side: Side, offset: int, length: int, at: Moment) -> None:
        half = self._half(side)
        for record in half.reader.gap(offset, length, at):
            self._record(half, record)
        if side is _CLIENT and self._version == _TLS13 and half.reader.lost and self._finished is None:
            self._finished = at  # after the ServerHello a client has nothing else to send first than its Finished

    def result(self) -> Tls:
        trim(self._records, _FIRST, _LAST)
        return Tls(
            self.start,
            self._implicit,
            self._version,
            self._offered,
            self._server_name,
            self._finished,
            tuple(self._alerts),
            tuple(self._records),
            (self._client.application, self._server.application),
            self._suite,
        )

    def _half(self, side: Side) -> _Half:
        """The side that sends now."""
        if side is _SERVER:
            return self._server
        self._cut_hello = False
        return self._client

    def _stand(self, half: _Half, at: Moment) -> None:
        """This side has sent something."""
        self._log.positions.stand(_ENCRYPTED if self._finished else _TLS, half.other, at)

    def _record(self, half: _Half, record: Record) -> None:
        if record.type == APPLICATION:
            self._application_record(half, record)
            return
        if record.type == ALERT:
            self._alert(half, record)
            return
        if record.type == CHANGE_CIPHER_SPEC:
            # RFC 8446 D.4: in TLS 1.3 it is a decoy, and a second ClientHello may follow it in clear.
            half.ciphered = self._version != _TLS13
            says = "change cipher spec"
        elif record.type == HANDSHAKE:
            says = "encrypted handshake" if half.ciphered else self._handshake(half, record.fragment, record.length)
        else:
            says = f"record of type {record.type}"
        self._entry(half, record, says)

    def _handshake(self, half: _Half, fragment: bytes, length: int) -> str:
        """Names of the messages in a clear handshake record (RFC 8446 4: type, length, message)."""
        names: list[str] = []
        at = min(half.message_left, length)
        if at:
            names.append("handshake (continued)")
        half.message_left -= at
        while at + 4 <= len(fragment) and len(names) < 8:
            kind = fragment[at]
            size = int.from_bytes(fragment[at + 1 : at + 4], "big")
            message = fragment[at + 4 : at + 4 + size]
            names.append(self._message(half.side, kind, message))
            at += 4 + size
        half.message_left = max(half.message_left, at - length, 0)
        return ", ".join(names) or "handshake"

    def _message(self, side: Side, kind: int, message: bytes) -> str:
        name = HANDSHAKE_TYPES.get(kind, f"handshake message {kind}")
        if kind == 1 and side is _CLIENT:
            hello = client_hello(message)
            self._offered, self._server_name = hello.versions, hello.server_name
        elif kind == 2 and side is _SERVER:
            hello = server_hello(message)
            self._version, self._suite = next(iter(hello.versions), None), hello.suite
            self._cut_hello = not hello.versions
            if self._version == _TLS13:
                self._client.ciphered = self._server.ciphered = False
            return "HelloRetryRequest" if hello.retry else name
        return name

    def _alert(self, half: _Half, record: Record) -> None:
        if record.length == 2 and len(record.fragment) == 2 and not half.ciphered:
            level, description = alert_words(record.fragment)
            if len(self._alerts) < _ALERTS_KEPT:
                self._alerts.append((record.at, half.side, level, description, record.end))
            says = f"alert {level} {description}"
        else:
            says = "encrypted alert"
        self._records.append(self._entry(half, record, says))

    def _application_record(self, half: _Half, record: Record) -> None:
        if self._cut_hello and half is self._server:
            # Before TLS 1.3 the server sends none ahead of the client's Finished (RFC 5246 7.3).
            self._version, self._cut_hello = _TLS13, False
            self._client.ciphered = self._server.ciphered = False
        if self._version == _TLS13 and self._in_handshake_tail(half, record):
            return
        if self._version in (_TLS13, None) and record.length == _ALERT_13:
            self._records.append(self._entry(half, record, "encrypted alert (by its length)"))
            return
        if self._finished is None:
            self._finished = record.at
        if half is self._server and self._version == _TLS13 and self._is_ticket(record):
            return
        if half is self._client:
            self._tickets_possible = -1
        half.application += 1
        entry = _single(half, record, "application data")
        self._records.append(entry)
        self._append_to_run(entry)

    def _in_handshake_tail(self, half: _Half, record: Record) -> bool:
        """TLS 1.3: the rest of the handshake travels as application data (RFC 8446 4.4)."""
        if self._finished is not None:
            return False
        if half is self._server:
            self._entry(half, record, "encrypted handshake")
            return True
        if record.length == _ALERT_13:
            return False
        self._tail_records += 1
        if record.length in _FINISHED or self._tail_records > 3:
            self._finished = record.at
        elif record.length < _CERTIFICATE and self._tail_records > 1:
            # Certificate and Finished shared the record before: this one is the first of the mail.
            return False
        self._entry(half, record, "encrypted handshake")
        return True

    def _is_ticket(self, record: Record) -> bool:
        """NewSessionTicket messages (RFC 8446 4.6.1), by place and length.

        After STARTTLS the client speaks first: what the server sends before are tickets. Otherwise two records of like
        length at the very beginning are.
        """
        seen, server = self._tickets_possible, self._server
        if not self._implicit and not self._client.application:
            self._ticket = record.length
            self._entry(server, record, "session ticket (by its place)")
            return True
        if self._ticket and not server.application and abs(record.length - self._ticket) <= _ALIKE:
            self._entry(server, record, "session ticket (by its length)")
            return True
        if seen < 0 and server.application:
            return False
        if server.application == 0:
            self._tickets_possible = record.length
            return False
        if server.application > 1 or min(record.length, seen) < _SMALLEST_TICKET:
            return False
        if abs(record.length - seen) > _ALIKE:
            return False
        latest = self._log.entries[-1] if self._log.entries else None
        if isinstance(latest, TlsEntry) and self._run == 1:
            server.application = 0
            self._records.pop()
            self._run = 0
            merged = latest._replace(
                at=record.at,
                length=latest.length + record.length,
                says="session tickets (by their lengths)",
                end=record.end,
            )
            self._log.entries[-1] = merged
            return True
        return False

    def _entry(self, half: _Half, record: Record, says: str) -> TlsEntry:
        entry = _single(half, record, says)
        self._log.entries.append(entry)
        self._run = 0
        return entry

    def _append_to_run(self, record: TlsEntry) -> None:
        """Application records of one side in a row are one entry."""
        entries = self._log.entries
        latest = entries[-1] if entries else None
        if self._run and isinstance(latest, TlsEntry) and latest.side is record.side:
            self._run += 1
            says = f"application data ({self._run} records)"
            length = latest.length + record.length
            entries[-1] = make_tls_entry((record.at, record.side, latest.type, length, says, record.end, latest.start))
            return
        entries.append(record)
        self._run = 1


def _single(half: _Half, record: Record, says: str) -> TlsEntry:
    kind, length, _, start, at, end = record
    return make_tls_entry((at, half.side, kind, length, says, end, start))
