"""`SmtpObserver`: the octets of one connection -> `Dialogue`. Sans-I/O, in the manner of h11.

The two directions are read by `ClientStream` and `ServerStream`; the `Conversation` pairs what they find. This module is
the place where one direction changes how the other is read: 354 opens the content, 334 makes the next line a secret, the
220 to STARTTLS turns both into TLS. Nothing here raises at traffic.
"""

from __future__ import annotations

from enum import Enum
from operator import attrgetter

from pcapdiag.model import Moment, Side
from pcapdiag.smtp.client import ClientStream
from pcapdiag.smtp.clock import Clock, Marks
from pcapdiag.smtp.conversation import Conversation
from pcapdiag.smtp.dialogue import Dialogue, OddKind, Reply
from pcapdiag.smtp.grammar import begun_code
from pcapdiag.smtp.server import ServerStream
from pcapdiag.smtp.stages import Reading
from pcapdiag.smtp.tls import TlsTalk

# Looked up once: members of an enumeration are slow to reach.
_CLIENT = Side.CLIENT
_AS_BEFORE, _CONTENT, _NO_CONTENT = Reading.AS_BEFORE, Reading.CONTENT, Reading.NO_CONTENT

_SNAPLEN = "snaplen"
_MANY = 2000
"""Entries after which the middle of a conversation is forgotten."""


class SmtpObserver:
    """Feed it both directions in their true order; `finish` freezes what was said."""

    def __init__(self, implicit_tls: bool = False) -> None:
        self._implicit = implicit_tls
        self._clock = Clock()
        self._conversation = Conversation()
        self._client = ClientStream(self, self._conversation, self._clock)
        self._server = ServerStream(self, self._conversation, self._clock)
        self._tls: TlsTalk | None = None
        self._server_clear = False

    # --- What the tracker calls --------------------------------------------------------------------------------------

    def data(self, side: Side, offset: int, octets: bytes, frames: Moment | Marks) -> None:
        """The next octets of a side's stream, each once; `frames`: the one that brought them all, or which brought which."""
        if not octets:
            return
        self._clock.set(frames)
        if side is _CLIENT:
            self._client.feed(octets, offset)
        else:
            if self._client.unsure is not None:
                self._client.commit()
            self._server.feed(octets, offset)
        if len(self._conversation.entries) > _MANY:
            self._conversation.trim()

    def gap(self, side: Side, offset: int, length: int, reason: Enum, at: Moment) -> None:
        """Octets of a side's stream that will never come. `reason` is a `pcapdiag.tcp.connection.GapReason`."""
        if length <= 0:
            return
        self._clock.set(at)
        if side is not _CLIENT or self._client.unsure:
            self._client.commit()
        self._conversation.entries.missing(side, length, str(reason.value), at)
        segment_end = reason.value == _SNAPLEN
        if side is Side.CLIENT:
            self._client.gap(offset, length, segment_end, at)
        else:
            self._server.gap(offset, length, segment_end, at)

    def finish(self) -> Dialogue:
        """Freeze the conversation as far as it came. No more calls of `data` and `gap` are allowed."""
        latest = self._clock.latest
        if latest is not None:
            self._client.commit()
            entries = self._conversation.entries
            before = len(entries)
            self._server.finish(latest)
            self._client.finish()
            if len(entries) > before:
                # What was left unfinished stands where it stopped, not at the end.
                entries.sort(key=attrgetter("at"))
            if self._tls is None:
                self._conversation.settle(latest)
        # They know the observer: a circle that only the garbage collector could free.
        del self._client, self._server
        return self._conversation.dialogue(self._tls.result() if self._tls is not None else None)

    @property
    def recognised(self) -> bool:
        """This is SMTP: by its greeting or a command, or TLS on a port where SMTP was expected inside it."""
        return self._conversation.smtp or (self._implicit and self._tls is not None)

    # --- What the two directions say ---------------------------------------------------------------------------------

    def replied(self, reply: Reply) -> None:
        """A whole reply of the server."""
        conversation, client = self._conversation, self._client
        client.unknown_run = 0
        if conversation.content_open and not conversation.outstanding:
            ended = client.content_ends_with(reply.code)
            if not ended:
                client.content_so_far()
            # A hole may have come behind what is told of the content only now.
            conversation.entries.sort(key=attrgetter("at"))
            if not ended:
                conversation.early_reply(reply)
                return
        reading, sent = conversation.reply(reply)
        if reading is _AS_BEFORE:
            return
        if reading is _CONTENT:
            client.content_wanted(sent)
        elif reading is _NO_CONTENT:
            client.content_refused(sent)
        elif reading is Reading.SASL:
            client.expect_secret()
        elif reading is Reading.RECORDS:
            client.expect_records()
            self._server.expect_records()

    def unread(self, begun: bytes, at: Moment) -> None:
        """A hole in the server's octets, of which nothing but `begun` was captured."""
        conversation = self._conversation
        if conversation.content_open and not conversation.outstanding:
            self._client.content_ends_with(begun_code(begun))
            conversation.entries.sort(key=attrgetter("at"))
        conversation.server_gap(at)

    def client_records(self, offset: int, after_starttls: bool) -> bool:
        """The client's octets look like TLS from `offset` on: are they?"""
        if self._server_clear and not after_starttls:
            return False
        self._begin_tls(not after_starttls, offset)
        return True

    def server_records(self, offset: int) -> None:
        """The server's octets look like TLS."""
        if self._tls is None:
            self._begin_tls(not self._conversation.smtp, offset)
            if self._implicit:
                self._client.expect_records()  # the capture began inside one of them

    def _begin_tls(self, implicit: bool, offset: int) -> None:
        if self._tls is None:
            self._tls = TlsTalk(self._conversation, implicit, self._clock(offset))

    def server_speaks_clear(self) -> None:
        """The server's first octets, or those behind STARTTLS, are text."""
        self._server_clear = True
        if self._tls is not None and not self._conversation.smtp:
            # The client's hello met a server that speaks in clear: there is no TLS.
            self._conversation.oddities.add(OddKind.NOT_SMTP, self._tls.start, Side.CLIENT, b"TLS ClientHello")
            self._tls = None
            self._client.ignore_rest()

    def tls_octets(self, side: Side, octets: bytes, offset: int) -> None:
        if self._tls is not None:
            self._tls.feed(side, octets, offset, self._clock)

    def tls_gap(self, side: Side, offset: int, length: int, at: Moment) -> None:
        if self._tls is not None:
            self._tls.gap(side, offset, length, at)
