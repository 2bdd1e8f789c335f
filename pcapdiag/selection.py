"""`select`: a smaller `Analysis` of the sessions that somebody asked for.

Ids and the counts of the whole stay; groups are counted again over what was selected, and patterns stay where they hold
a selected session. Nothing is copied: the selection reads the sessions of the whole again and keeps their ids.
"""

from __future__ import annotations

import ipaddress
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TypeVar

from pcapdiag.analysis import Analysis, Digest, Groups, Judged, Sessions, digest_of, itself
from pcapdiag.model import Party

T = TypeVar("T")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Filter:
    """What a session must be to be shown: all that is set here at once. Called with a judged session."""

    dropped: bool = False
    """Ended by somebody: neither `nobody` nor `undetermined`."""
    attention: bool = False
    ids: frozenset[int] = frozenset()
    """Any of these; empty: all."""
    client: str | None = None
    """An address, a network (``192.0.2.0/24``), or a part of the name in its EHLO, in any case."""
    server: str | None = None
    """The same; the name is looked for in the greeting."""
    sender: str | None = None
    """A part of the reverse-path of any message, in any case."""
    recipient: str | None = None
    since_ns: int | None = None
    """Still going on then, or begun later."""
    until_ns: int | None = None
    """Begun before then."""

    def __call__(self, judged: Judged) -> bool:
        return (
            self._of_this_kind(judged) and self._at_this_time(judged) and self._between(judged) and self._mail(judged)
        )

    def _of_this_kind(self, judged: Judged) -> bool:
        verdict = judged.verdict
        if self.dropped and verdict.dropped_by in (Party.NOBODY, Party.UNDETERMINED):
            return False
        return (verdict.attention or not self.attention) and (not self.ids or judged.id in self.ids)

    def _at_this_time(self, judged: Judged) -> bool:
        connection = judged.session.connection
        if self.since_ns is not None and connection.last.time_ns < self.since_ns:
            return False
        return self.until_ns is None or connection.first.time_ns <= self.until_ns

    def _between(self, judged: Judged) -> bool:
        session = judged.session
        greeting = session.dialogue.greeting
        return _is_host(self.client, session.client.address, session.dialogue.helo) and _is_host(
            self.server, session.server.address, greeting.text if greeting else None
        )

    def _mail(self, judged: Judged) -> bool:
        if self.sender is None and self.recipient is None:
            return True
        sender, recipient = _octets(self.sender), _octets(self.recipient)
        return any(
            sender in message.mail_from.lower()
            and (not recipient or any(recipient in one.address.lower() for one in message.recipients))
            for message in judged.session.dialogue.transactions
        )


def _is_host(wanted: str | None, address: str, name: bytes | None) -> bool:
    if wanted is None:
        return True
    network = _network(wanted)
    if network is not None:
        return ipaddress.ip_address(address) in network
    return name is not None and _octets(wanted) in name.lower()


@lru_cache(maxsize=64)
def _network(text: str) -> Network | None:
    """The network or single address that a text names; None for a name."""
    try:
        return ipaddress.ip_network(text.strip("[]"), strict=False)
    except ValueError:
        return None


@lru_cache(maxsize=64)
def _octets(text: str | None) -> bytes:
    return b"" if text is None else text.encode("utf-8", "surrogateescape").lower()


class Selection:
    """Some of the sessions of a whole, read from there again by their ids."""

    def __init__(self, whole: Sessions, ids: array[int]) -> None:
        self._whole = whole
        self._ids = ids

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[Judged]:
        return self.each(itself)

    def each(self, tell: Callable[[Judged], T], numbers: Iterable[int] | None = None) -> Iterator[T]:
        """See `Sessions`."""
        if numbers is not None:
            chosen = frozenset(self._ids)
            return self._whole.each(tell, [number for number in numbers if number in chosen])
        return self._whole.each(tell, self._ids)


def _digest_if(judged: Judged, wanted: Callable[[Judged], bool]) -> Digest | None:
    return digest_of(judged) if wanted(judged) else None


def select(analysis: Analysis, wanted: Callable[[Judged], bool]) -> Analysis:
    """The analysis of those sessions for which `wanted` is true: a `Filter`, or any predicate that `Sessions.each` takes."""
    ids = array("q")
    groups = Groups()
    for digest in analysis.sessions.each(partial(_digest_if, wanted=wanted)):
        if digest is not None:
            ids.append(digest.id)
            groups.add(digest)
    chosen = frozenset(ids)
    patterns = tuple([pattern for pattern in analysis.patterns if not chosen.isdisjoint(pattern.sessions)])
    return analysis._replace(sessions=Selection(analysis.sessions, ids), groups=groups.finish(), patterns=patterns)


__all__ = ["Filter", "Selection", "select"]
