"""`System`: what one ticket system is, and `Job`: what it is asked to do. The systems themselves are the files of `systems`."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pcapdiag.deliver import systems
from pcapdiag.deliver.bundle import Dialect, Parcel
from pcapdiag.deliver.steps import Delivered, Steps

if TYPE_CHECKING:
    from pcapdiag.deliver.settings import Site


@dataclass(frozen=True, slots=True)
class Job:
    """One bundle for one ticket."""

    ticket: str
    """As it stands behind the colon: ``4711``, ``owner/repo#5``."""
    site: Site
    parcel: Parcel
    public: bool
    """The people outside may read it."""


@dataclass(frozen=True, slots=True)
class Credential:
    """The header that carries a secret. The secret itself is not here: `send` puts it in."""

    header: str
    form: str = "{}"
    """How the secret stands in it."""
    basic: bool = False
    """HTTP Basic (RFC 7617) with the site's user."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a site takes, unless its settings say otherwise."""

    file_octets: int
    total_octets: int | None = None
    """Of all files together; None: they go one by one."""
    note_characters: int | None = None


def any_of_that_shape(ticket: str) -> None:
    """For `System.valid`: what has the shape is a ticket."""


def always_internal(site: Site) -> str:
    """For `System.no_internal`: every ticket of it takes internal notes."""
    return ""


@dataclass(frozen=True, slots=True)
class System:
    """One ticket system."""

    name: str
    """What stands before the colon."""
    title: str
    shape: re.Pattern[str]
    example: str
    dialect: Dialect
    """Unless a site's ``markup`` says otherwise (`dialect_of`)."""
    limits: Limits
    credential: Callable[[Site], Credential]
    deliver: Callable[[Job], Steps[Delivered]]
    """Sends, and reads back."""
    seen: Callable[[Job], Steps[bool]] | None
    """Whether the ticket has the analysis already; fails where there is no such ticket. None: nobody can be asked."""
    no_internal: Callable[[Site], str]
    """Why this site has no internal notes; empty: it has."""
    keeps_files: Callable[[Site, bool], str] = lambda site, public: ""
    """Why files are not attached (by site, and whether in public); empty: they are."""
    valid: Callable[[str], None] = any_of_that_shape
    """UsageError where a ticket of the right shape is none nevertheless."""
    url: str = ""
    """Where the system is when nobody runs his own."""
    token_env: str = ""
    """Where its token stands by custom."""
    options: frozenset[str] = frozenset()
    """Settings that only this system has."""
    needs: tuple[str, ...] = ("url",)
    """Settings it cannot do without."""
    always_secret: bool = True
    """False: only for a site with a user."""

    def dialect_of(self, site: Site) -> Dialect:
        """What that site makes of a note's marks."""
        return Dialect(site.options.get("markup", self.dialect.value))


def names() -> list[str]:
    """The systems there are."""
    return sorted(module.name for module in pkgutil.iter_modules(systems.__path__))


def find(name: str) -> System:
    """The system of that name, which must be one of `names`."""
    system = importlib.import_module(f"{systems.__name__}.{name}").SYSTEM
    assert isinstance(system, System)
    return system
