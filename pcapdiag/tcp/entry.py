"""`Entry`: a connection in the tracker's table, and `Glance`, what can be said of it without taking it apart."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

from pcapdiag.model import Moment
from pcapdiag.tcp.connection import StreamObserver
from pcapdiag.tcp.conversation import Conversation
from pcapdiag.tcp.embryo import Embryo
from pcapdiag.tcp.grouping import Key

O = TypeVar("O", bound=StreamObserver)  # noqa: E741


class Glance(NamedTuple):
    """An open connection from afar."""

    key: Key
    serial: int
    born: bool
    """More than SYNs of one end were seen."""
    over: bool
    """Somebody has closed or reset it, as far as known: it lingers."""
    last_ns: int
    """Its last packet."""
    news_ns: int
    """The last one that was no repetition: new octets, a flag, or an acknowledgement of more."""
    rejected_ns: int
    """The last ICMP error about it that may have ended it; 0: none."""


class Entry(Generic[O]):
    """A connection in the tracker's table: an embryo at first, then a conversation with its observer."""

    __slots__ = ("client_is_lower", "conversation", "embryo", "first", "key", "observer", "over_at", "serial")

    def __init__(self, key: Key, first: Moment) -> None:
        self.key = key
        self.embryo: Embryo | None = None
        self.conversation: Conversation | None = None
        self.observer: O | None = None
        self.client_is_lower = True
        self.over_at: int | None = None
        """When the connection may be finished; None while it is open."""
        self.first = first
        self.serial = 0

    def glance(self) -> Glance:
        conversation = self.conversation
        first_ns = self.first.time_ns
        if conversation is None:
            assert self.embryo is not None
            return Glance(self.key, self.serial, False, False, self.embryo.early[-1][0].time_ns, first_ns, 0)
        client, server = conversation.flows
        moments = (client.last_news, server.last_news, client.last_advance, server.last_advance)
        news_ns = max((moment.time_ns for moment in moments if moment is not None), default=first_ns)
        rejected_ns = max((at.time_ns for at, error in conversation.icmp if not error.path_mtu), default=0)
        over, last_ns = self.over_at is not None, conversation.last.time_ns
        return Glance(self.key, self.serial, True, over, last_ns, news_ns, rejected_ns)
