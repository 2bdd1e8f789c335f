"""Groups of sessions that ended alike, as every report orders and names them."""

from __future__ import annotations

from collections.abc import Iterable

from pcapdiag.analysis import OTHER_SERVERS, Group
from pcapdiag.model import Party


def ranked(groups: Iterable[Group]) -> list[Group]:
    """The largest troubles first, orderly ends last."""
    return sorted(groups, key=lambda group: (group.dropped_by is Party.NOBODY, -group.sessions, group.first_ns))


def server_of(group: Group) -> str:
    """Its address."""
    return "(other servers)" if group.server == OTHER_SERVERS else group.server
