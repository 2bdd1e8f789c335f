"""`Payload`: a segment's payload -> what may be seen of it, by its place in the stream."""

from __future__ import annotations

import ipaddress
from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

from pcapdiag.capture.table import RST, SYN
from pcapdiag.model import Endpoint, Side
from pcapdiag.slices.finding import Found
from pcapdiag.slices.lines import filled
from pcapdiag.tcp.seq import offset_near

Ends = tuple[bytes, bytes]
"""Address and port of a segment's source and target, as they stand in its headers."""


class _Direction(NamedTuple):
    session: Found
    side: Side
    adopted: set[tuple[int, int]]
    """(capture, frame) of those that are the session's besides."""

    def owns(self, capture: int, frame: int) -> bool:
        numbers = self.session.frames.get(capture, ())
        place = bisect_left(numbers, frame)
        return (place < len(numbers) and numbers[place] == frame) or (capture, frame) in self.adopted


class Payload:
    """The payloads of all chosen sessions."""

    def __init__(self, sessions: Iterable[Found]) -> None:
        self._directions: dict[Ends, list[_Direction]] = {}
        for session in sessions:
            client, server = _packed(session.connection.client), _packed(session.connection.server)
            adopted: set[tuple[int, int]] = set()
            for ends, side in ((client, server), Side.CLIENT), ((server, client), Side.SERVER):
                self._directions.setdefault(ends, []).append(_Direction(session, side, adopted))

    def masked(self, ends: Ends, header: bytes, payload: bytes, at: tuple[int, int]) -> bytes:
        """What may be seen of a payload. `header` is the TCP header, `at` is (capture, frame)."""
        for direction in self._directions.get(ends, ()):
            if not direction.owns(*at):
                continue
            session, side, _ = direction
            stream, flags = session.streams[side], header[13] if len(header) > 13 else 0
            if stream.base is None or flags & RST:  # the text of a reset stands in no stream (RFC 9293 3.5.3)
                break
            number = int.from_bytes(header[4:8]) + bool(flags & SYN)
            offset = stream.near = offset_near(number, stream.base, stream.near)
            return stream.mask.masked(offset, payload, conflicting=at in session.conflicts)
        return filled(payload)

    def adopts(self, ends: Ends, time_ns: int, at: tuple[int, int]) -> bool:
        """A part of a segment, the rest of which never came: is it a session's? It then counts among its frames."""
        for session, _, adopted in self._directions.get(ends, ()):
            if session.connection.first.time_ns <= time_ns <= session.connection.until_ns:
                adopted.add(at)
                return True
        return False


def _packed(endpoint: Endpoint) -> bytes:
    return ipaddress.ip_address(endpoint.address).packed + endpoint.port.to_bytes(2)
