"""What a ticket system is asked, and what it answers: plain data, before any socket and any secret.

A system's generator yields `Request`s (or a `Letter`) and is sent an `Answer` for each; `Steps[T]` is its type. Every
request says what it is for, what is in the ticket once it succeeded, and what an answer looks like, so that a dry run can
go through all steps without asking anybody.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

from pcapdiag.deliver.bundle import File
from pcapdiag.errors import DeliveryFailed

T = TypeVar("T")


class Purpose(Enum):
    """Why a request is made."""

    LOOK = "look whether the ticket is there, and has this analysis already"
    SEND = "send"
    CHECK = "read back what was sent"


@dataclass(frozen=True, slots=True)
class Base64:
    """Inside a JSON body: a file's octets in base64, read when they are sent."""

    file: File


@dataclass(frozen=True, slots=True)
class Json:
    """A JSON body; its leaves may be `Base64`."""

    value: Any


@dataclass(frozen=True, slots=True)
class Form:
    """A multipart/form-data body with one file (RFC 7578)."""

    name: str
    file: File


@dataclass(frozen=True, slots=True)
class Octets:
    """A body that is a file, as it is."""

    file: File


Body = Json | Form | Octets


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request."""

    purpose: Purpose
    method: str
    target: str
    """Path and query below the site's URL, or an absolute URL that an answer named."""
    like: Any = None
    """What an answer's JSON looks like, for a dry run."""
    like_headers: Mapping[str, str] = field(default_factory=dict)
    """What of its headers is used looks like."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None
    brings: tuple[str, ...] = ()
    """What is in the ticket when this has succeeded: names of files, or `THE_NOTE`."""
    octets: int = 8 << 20
    """No more of the answer is read."""
    may_fail: bool = False
    """An answer with an error's status is sent to the generator, too."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One message by SMTP."""

    recipients: tuple[str, ...]
    copies: tuple[str, ...]
    subject: str
    text: str
    files: tuple[File, ...]
    in_reply_to: str | None = None
    purpose: Purpose = Purpose.SEND
    brings: tuple[str, ...] = ()


Step = Request | Letter
THE_NOTE = "the note"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    content: bytes = b""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The parsed body; DeliveryFailed where it is none, as that of a login page or of a proxy."""
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            start = self.content[:60].decode("utf-8", "replace").strip()
            raise DeliveryFailed(
                f"the site answered {self.status} with something that is no JSON ({start!r}): "
                "does its url lead to the ticket system itself?"
            ) from None

    def at(self, *keys: str | int) -> Any:
        """A value inside the JSON; DeliveryFailed names what is missing."""
        value = self.json()
        for key in keys:
            try:
                value = value[key]
            except (LookupError, TypeError):
                where = ".".join(map(str, keys))
                raise DeliveryFailed(f"the site's answer has no {where}: is it the system its settings say?") from None
        return value

    def text(self, *keys: str | int) -> str:
        """A value inside the JSON, as text."""
        return str(self.at(*keys))

    def number(self, *keys: str | int) -> int:
        """A value inside the JSON, as a number; 0 where it is none."""
        value = self.at(*keys)
        return value if isinstance(value, int) else 0

    def rows(self, *keys: str | int) -> list[dict[str, Any]]:
        """A list of objects inside the JSON; empty when it is something else."""
        value = self.at(*keys) if keys else self.json()
        return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


Steps = Generator[Step, Answer, T]


@dataclass(frozen=True, slots=True)
class Check:
    """Whether a file in the ticket is the one that was sent."""

    name: str
    problem: str = ""
    """What is wrong with it; empty: the same octets."""
    unseen: str = ""
    """Why nobody could look; empty: it was read back."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The end of a system's steps."""

    url: str
    """Where people look at the ticket; empty for mail."""
    checks: tuple[Check, ...] = ()
