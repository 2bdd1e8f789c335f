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
from pcapdiag.smtp.tls_hello import HANDSHAKE_TYPES, alert_words, client_hello, server_hello
from pcapdiag.smtp.tls_records import ALERT, APPLICATION, CHANGE_CIPHER_SPEC, HANDSHAKE, Record, RecordReader

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


class TlsTalk:
    """Both directions of one TLS connection, from its first record."""

    def __init__(self, log: Log, implicit: bool, start: Moment, midway: bool = False) -> None:
        self._log = log
        self._implicit = implicit
        self._start = start
        self._readers = {Side.CLIENT: RecordReader(), Side.SERVER: RecordReader()}
        self._message_left = {Side.CLIENT: 0, Side.SERVER: 0}
        self._ciphered = {Side.CLIENT: midway, Side.SERVER: midway}
        self._version: str | None = None
        self._suite: int | None = None
        self._cut_hello = False
        """The ServerHello was cut off before it told the version, and the client has sent nothing since."""
        self._offered: tuple[str, ...] = ()
        self._server_name: bytes | None = None
        self._finished: Moment | None = start if midway else None
        self._alerts: list[tuple[Moment, Side, str, str, int]] = []
        self._records: list[TlsEntry] = []
        self._application = {Side.CLIENT: 0, Side.SERVER: 0}
        self._tail_records = 0
        self._run = 0
        """Records in the latest entry when that is a run of application data."""
        self._tickets_possible = 0
        """Length of the server's one record so far after the handshake: a second of this length makes both tickets.
        -1: the client has spoken since."""
        self._ticket = 0
        """Length of a ticket that was told by its place."""

    @property
    def stage(self) -> Stage:
        return Stage.ENCRYPTED if self._finished else Stage.TLS

    def feed(self, side: Side, octets: bytes, offset: int, moment: Callable[[int], Moment]) -> None:
        """The next octets of a side."""
        self._log.positions.stand(self.stage, side.other, moment(offset))
        self._cut_hello &= side is Side.SERVER
        for record in self._readers[side].feed(octets, offset, moment):
            self._record(side, record)
            self._log.positions.stand(self.stage, side.other, record.at)
        trim(self._records, _FIRST, _LAST)

    def gap(self, side: Side, offset: int, length: int, at: Moment) -> None:
        self._cut_hello &= side is Side.SERVER
        for record in self._readers[side].gap(offset, length, at):
            self._record(side, record)
        if side is Side.CLIENT and self._version == _TLS13 and self._readers[side].lost and self._finished is None:
            self._finished = at  # after the ServerHello a client has nothing else to send first than its Finished

    def result(self) -> Tls:
        trim(self._records, _FIRST, _LAST)
        return Tls(
            self._start,
            self._implicit,
            self._version,
            self._offered,
            self._server_name,
            self._finished,
            tuple(self._alerts),
            tuple(self._records),
            (self._application[Side.CLIENT], self._application[Side.SERVER]),
            self._suite,
        )

    def _record(self, side: Side, record: Record) -> None:
        if record.type == APPLICATION:
            self._application_record(side, record)
            return
        if record.type == ALERT:
            self._alert(side, record)
            return
        if record.type == CHANGE_CIPHER_SPEC:
            # RFC 8446 D.4: in TLS 1.3 it is a decoy, and a second ClientHello may follow it in clear.
            self._ciphered[side] = self._version != _TLS13
            says = "change cipher spec"
        elif record.type == HANDSHAKE:
            says = (
                "encrypted handshake" if self._ciphered[side] else self._handshake(side, record.fragment, record.length)
            )
        else:
            says = f"record of type {record.type}"
        self._entry(side, record, says)

    def _handshake(self, side: Side, fragment: bytes, length: int) -> str:
        """Names of the messages in a clear handshake record (RFC 8446 4: type, length, message)."""
        names: list[str] = []
        at = min(self._message_left[side], length)
        if at:
            names.append("handshake (continued)")
        self._message_left[side] -= at
        while at + 4 <= len(fragment) and len(names) < 8:
            kind = fragment[at]
            size = int.from_bytes(fragment[at + 1 : at + 4], "big")
            message = fragment[at + 4 : at + 4 + size]
            names.append(self._message(side, kind, message))
            at += 4 + size
        self._message_left[side] = max(self._message_left[side], at - length, 0)
        return ", ".join(names) or "handshake"

    def _message(self, side: Side, kind: int, message: bytes) -> str:
        name = HANDSHAKE_TYPES.get(kind, f"handshake message {kind}")
        if kind == 1 and side is Side.CLIENT:
            hello = client_hello(message)
            self._offered, self._server_name = hello.versions, hello.server_name
        elif kind == 2 and side is Side.SERVER:
            hello = server_hello(message)
            self._version, self._suite = next(iter(hello.versions), None), hello.suite
            self._cut_hello = not hello.versions
            if self._version == _TLS13:
                self._ciphered = {Side.CLIENT: False, Side.SERVER: False}
            return "HelloRetryRequest" if hello.retry else name
        return name

    def _alert(self, side: Side, record: Record) -> None:
        if record.length == 2 and len(record.fragment) == 2 and not self._ciphered[side]:
            level, description = alert_words(record.fragment)
            if len(self._alerts) < _ALERTS_KEPT:
                self._alerts.append((record.at, side, level, description, record.end))
            says = f"alert {level} {description}"
        else:
            says = "encrypted alert"
        self._records.append(self._entry(side, record, says))

    def _application_record(self, side: Side, record: Record) -> None:
        if self._cut_hello and side is Side.SERVER:
            # Before TLS 1.3 the server sends none ahead of the client's Finished (RFC 5246 7.3).
            self._version, self._cut_hello = _TLS13, False
            self._ciphered = {Side.CLIENT: False, Side.SERVER: False}
        if self._version == _TLS13 and self._in_handshake_tail(side, record):
            return
        if self._version in (_TLS13, None) and record.length == _ALERT_13:
            self._records.append(self._entry(side, record, "encrypted alert (by its length)"))
            return
        if self._finished is None:
            self._finished = record.at
        if side is Side.SERVER and self._version == _TLS13 and self._is_ticket(record):
            return
        if side is Side.CLIENT:
            self._tickets_possible = -1
        self._application[side] += 1
        self._records.append(self._single(side, record, "application data"))
        self._append_to_run(side, record)

    def _in_handshake_tail(self, side: Side, record: Record) -> bool:
        """TLS 1.3: the rest of the handshake travels as application data (RFC 8446 4.4)."""
        if self._finished is not None:
            return False
        if side is Side.SERVER:
            self._entry(side, record, "encrypted handshake")
            return True
        if record.length == _ALERT_13:
            return False
        self._tail_records += 1
        if record.length in _FINISHED or self._tail_records > 3:
            self._finished = record.at
        elif record.length < _CERTIFICATE and self._tail_records > 1:
            # Certificate and Finished shared the record before: this one is the first of the mail.
            return False
        self._entry(side, record, "encrypted handshake")
        return True

    def _is_ticket(self, record: Record) -> bool:
        """NewSessionTicket messages (RFC 8446 4.6.1), by place and length.

        After STARTTLS the client speaks first: what the server sends before are tickets. Otherwise two records of like
        length at the very beginning are.
        """
        seen = self._tickets_possible
        if not self._implicit and not self._application[Side.CLIENT]:
            self._ticket = record.length
            self._entry(Side.SERVER, record, "session ticket (by its place)")
            return True
        if self._ticket and not self._application[Side.SERVER] and abs(record.length - self._ticket) <= _ALIKE:
            self._entry(Side.SERVER, record, "session ticket (by its length)")
            return True
        if seen < 0 and self._application[Side.SERVER]:
            return False
        if self._application[Side.SERVER] == 0:
            self._tickets_possible = record.length
            return False
        if self._application[Side.SERVER] > 1 or min(record.length, seen) < _SMALLEST_TICKET:
            return False
        if abs(record.length - seen) > _ALIKE:
            return False
        latest = self._log.entries[-1] if self._log.entries else None
        if isinstance(latest, TlsEntry) and self._run == 1:
            self._application[Side.SERVER] = 0
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

    def _single(self, side: Side, record: Record, says: str) -> TlsEntry:
        return TlsEntry(record.at, side, record.type, record.length, says, record.end, record.start)

    def _entry(self, side: Side, record: Record, says: str) -> TlsEntry:
        entry = self._single(side, record, says)
        self._log.entries.append(entry)
        self._run = 0
        return entry

    def _append_to_run(self, side: Side, record: Record) -> None:
        """Application records of one side in a row are one entry."""
        latest = self._log.entries[-1] if self._log.entries else None
        if self._run and isinstance(latest, TlsEntry) and latest.side is side:
            self._run += 1
            says = f"application data ({self._run} records)"
            length = latest.length + record.length
            run = latest._replace(at=record.at, length=length, says=says, end=record.end)
            self._log.entries[-1] = run
            return
        self._log.entries.append(self._single(side, record, "application data"))
        self._run = 1
