"""TLS octets of one connection -> what of them may be shown: record headers and the hellos, never what was encrypted.

Whoever holds a key log, or the server's key where there was no forward secrecy, could read the mail from its ciphertext: so
fragments of application data, encrypted handshakes and encrypted alerts become zeros, as long as before. What the handshake
says in clear stays, for a TLS failure is often explained by it; but certificates of clients, which name people, go too,
and at level ``all`` the server's certificates and the name the client asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pcapdiag.model import Side
from pcapdiag.pseudonym import Level, Pseudonyms
from pcapdiag.smtp.tls_hello import server_hello
from pcapdiag.smtp.tls_records import ALERT, CHANGE_CIPHER_SPEC, HANDSHAKE, HEADER, LONGEST, PLAUSIBLE

CLIENT_HELLO, SERVER_HELLO, CERTIFICATE, AUTHORITIES, CERTIFICATE_VERIFY, CERTIFICATE_STATUS = 1, 2, 11, 13, 15, 22
_TOLD = frozenset(
    (0, CLIENT_HELLO, SERVER_HELLO, 3, CERTIFICATE, 12, 13, 14, CERTIFICATE_VERIFY, 16, 21, CERTIFICATE_STATUS)
)
"""Handshake messages that are said in clear (RFC 5246 7.4, RFC 6066 8). What is none of them may be anything."""
_PERSONAL = frozenset((CERTIFICATE, CERTIFICATE_VERIFY))
_HOSTS = frozenset((CERTIFICATE, AUTHORITIES, CERTIFICATE_STATUS))
_SERVER_NAME = 0

Show = Callable[[int, bytes, bytes], None]
"""Stream offset, octets as captured, octets to be shown."""


class TlsMask:
    """Both directions of one connection."""

    def __init__(self, names: Pseudonyms, show: Callable[[Side], Show]) -> None:
        self._sides = {side: _Side(self, side, show(side)) for side in Side}
        self.names = names
        self.version: str | None = None

    def feed(self, side: Side, offset: int, octets: bytes) -> None:
        """The next octets of a side."""
        self._sides[side].feed(offset, octets)

    def gap(self, side: Side, length: int) -> None:
        """The next octets of a side were not captured."""
        self._sides[side].gap(length)

    def finish(self) -> None:
        """Show what had begun."""
        for side in self._sides.values():
            side.flush()


class _Side:
    """The records of one side."""

    def __init__(self, talk: TlsMask, side: Side, show: Show) -> None:
        self._talk = talk
        self._side = side
        self._show = show
        self._pending = b""
        """A header that has begun, or the last octets when the place is lost; and where it stands in the stream."""
        self._pending_at = 0
        self._left = 0
        """Octets of the record's fragment still to come."""
        self._length = 0
        self._type = 0
        self._kept = b""
        """The fragment so far, where it may be shown; and where it stands in the stream."""
        self._kept_at = 0
        self._lost = False
        self._ciphered = False
        self._message = 0
        """Type of the handshake message that goes on in the next record, and how much of it."""
        self._adrift = False
        """After a hole: it is unknown whether the next record begins a message."""
        self._message_left = 0

    def feed(self, offset: int, octets: bytes) -> None:
        at = 0
        while at < len(octets):
            if self._left:
                taken = octets[at : at + self._left]
                self._fragment(offset + at, taken)
                at += len(taken)
            elif self._lost:
                at = self._find(offset, octets, at)
            else:
                at = self._head(offset, octets, at)

    def gap(self, length: int) -> None:
        self.flush()
        self._adrift = True
        if self._left and length <= self._left:
            self._left -= length
            self._type = -1  # what comes behind the hole is not looked at
        else:
            self._lost, self._left = True, 0
        self._pending = b""

    def flush(self) -> None:
        """Show what of a record has come."""
        if self._kept:
            self._show(self._kept_at, self._kept, self._shown(self._kept))
            self._kept = b""
        if self._pending and not self._lost:
            self._show(self._pending_at, self._pending, self._pending)
            self._pending = b""

    def _head(self, offset: int, octets: bytes, at: int) -> int:
        if not self._pending:
            self._pending_at = offset + at
        taken = octets[at : at + HEADER - len(self._pending)]
        self._pending += taken
        if len(self._pending) == HEADER:
            self._begin()
        return at + len(taken)

    def _begin(self) -> None:
        header, self._pending = self._pending, b""
        self._length = int.from_bytes(header[3:])
        if header[0] not in range(20, 25) or header[1] != 3 or self._length > LONGEST:
            # Look for the next header from the octet behind the one that was none.
            self._lost, self._pending = True, header[1:]
            return
        self._type, self._left = header[0], self._length
        self._show(self._pending_at, header, header)
        if self._type == CHANGE_CIPHER_SPEC:
            self._ciphered = True

    def _find(self, offset: int, octets: bytes, at: int) -> int:
        before = self._pending
        window = before + octets[at:]
        found = PLAUSIBLE.search(window)
        if found is None:
            self._pending = window[-3:]
            return len(octets)
        self._lost = False
        inside = found.start() - len(before)
        self._pending = before[inside:] if inside < 0 else b""
        self._pending_at = offset + at + min(inside, 0)
        return at + max(inside, 0)

    def _fragment(self, offset: int, octets: bytes) -> None:
        self._left -= len(octets)
        clear = self._type == HANDSHAKE or (self._type in (ALERT, CHANGE_CIPHER_SPEC) and self._length <= 2)
        if not clear:
            return
        if not self._kept:
            self._kept_at = offset
        self._kept += octets
        if not self._left:
            self.flush()

    def _shown(self, fragment: bytes) -> bytes:
        if self._type != HANDSHAKE:
            return fragment
        if self._ciphered and not (self._talk.version == "TLS 1.3" and fragment[:1] in (b"\x01", b"\x02")):
            return bytes(len(fragment))
        return b"".join(self._messages(fragment))

    def _messages(self, fragment: bytes) -> Iterator[bytes]:
        """RFC 8446 4: type, length in three octets, message."""
        at = 0
        if self._adrift:
            if fragment[0] not in _TOLD or int.from_bytes(fragment[1:4]) + 4 != self._length:
                yield bytes(len(fragment))
                return
            self._adrift, self._message_left = False, 0
        while at < len(fragment):
            if not self._message_left:
                head = fragment[at : at + 4]
                yield head
                at += len(head)
                self._message = head[0]
                self._message_left = int.from_bytes(head[1:4]) if len(head) == 4 else 0
                whole = True
            else:
                whole = False
            message = fragment[at : at + self._message_left]
            at += len(message)
            self._message_left -= len(message)
            yield self._shown_message(message, whole)

    def _shown_message(self, message: bytes, whole: bool) -> bytes:
        kind, names = self._message, self._talk.names
        if kind == SERVER_HELLO and whole and self._side is Side.SERVER:
            self._talk.version = next(iter(server_hello(message).versions), None)
        if kind not in _TOLD or (kind in _PERSONAL and self._side is Side.CLIENT):
            return bytes(len(message))
        if names.level is not Level.ALL:
            return message
        if kind in _HOSTS:
            return bytes(len(message))
        if kind == CLIENT_HELLO:
            return _without_name(message, names) if whole else bytes(len(message))
        return message


def _without_name(message: bytes, names: Pseudonyms) -> bytes:
    """A ClientHello with another server name (RFC 6066 3) of the same length; of one that is cut only what is sure to be safe."""
    at = 34
    for width in (1, 2, 1):  # session id, cipher suites, compression methods
        at += width + int.from_bytes(message[at : at + width])
    at += 2
    while at + 4 <= len(message):
        kind, length = int.from_bytes(message[at : at + 2]), int.from_bytes(message[at + 2 : at + 4])
        if kind == _SERVER_NAME:
            begin = at + 4 + 5  # list's length, name's type, name's length
            name = message[begin : at + 4 + length]
            return message[:begin] + names.host(name) + message[begin + len(name) :]
        at += 4 + length
    return message
