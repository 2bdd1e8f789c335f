"""What people write for a ticket -> a `Ticket`: ``rt:4711``, ``rt@work:4711``, ``github:owner/repo#5``, ``mailto:a@b``."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from pcapdiag.deliver import system
from pcapdiag.errors import UsageError

_REFERENCE = re.compile(r"(?P<system>[a-z]+)(?:@(?P<site>[A-Za-z0-9][A-Za-z0-9_.-]*))?:(?P<ticket>.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket of one site of one system."""

    system: str
    site: str | None
    """The site's name in the settings; None: the system's only or default one."""
    id: str

    def __str__(self) -> str:
        return f"{self.system}{f'@{self.site}' if self.site else ''}:{self.id}"

    @property
    def folder(self) -> str:
        """A name for the folder of what is sent there."""
        who = self.id.partition("?")[0] if self.system == "mailto" else self.id
        site = f"-{self.site}" if self.site else ""
        return f"pcapdiag-{self.system}{site}-{re.sub(r'[^A-Za-z0-9.]+', '-', who).strip('-.')[:80] or 'ticket'}"


def parse(text: str) -> Ticket:
    """The ticket that is meant; UsageError says how one is written."""
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is no ticket: {_examples()}")
    name = match["system"]
    if name not in system.names():
        near = difflib.get_close_matches(name, system.names(), n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UsageError(f"there is no ticket system {name!r}.{hint} Tickets are written like this: {_examples()}")
    found = system.find(name)
    if not found.shape.fullmatch(match["ticket"]):
        raise UsageError(f"{text!r} is no ticket of {found.title}: it is written like {found.example}")
    found.valid(match["ticket"])
    return Ticket(name, match["site"], match["ticket"])


def _examples() -> str:
    return ", ".join(system.find(name).example for name in system.names())
