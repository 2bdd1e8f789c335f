"""Addresses: paths made of segments that are quoted one by one, and the parts of ``mailto:`` (RFC 6068)."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode, urljoin, urlsplit

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Origin(NamedTuple):
    """Scheme, host and port: who gets to see a secret (RFC 6454 section 4)."""

    scheme: str
    host: str
    port: int | None


def origin(url: str) -> Origin:
    """The origin of an absolute URL; ValueError where its port is no number."""
    parts = urlsplit(url)
    return Origin(
        parts.scheme.lower(), (parts.hostname or "").lower(), parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    )


def path(*segments: str | int) -> str:
    """``/a/b%2Fc``: every segment quoted, so that none can leave its place."""
    return "".join("/" + quote(str(segment), safe="") for segment in segments)


def with_query(target: str, **query: str | int) -> str:
    """The path with a query."""
    return f"{target}?{urlencode(query)}" if query else target


def joined(base: str, target: str) -> str:
    """`target` below `base`, or itself where it is absolute."""
    return target if target.startswith(("http://", "https://")) else base.rstrip("/") + target


def redirected(url: str, location: str) -> str:
    """Where a redirection leads (RFC 9110 section 10.2.2: the reference may be relative)."""
    return urljoin(url, location)


def mailto(text: str) -> tuple[str, list[tuple[str, str]]]:
    """What follows ``mailto:`` -> the addresses as one text, and the header fields asked for."""
    addresses, _, query = text.partition("?")
    # In mailto a plus is a plus (RFC 6068 section 5), which parse_qsl would read as a space.
    return unquote(addresses), parse_qsl(query.replace("+", "%2B"), keep_blank_values=True)
