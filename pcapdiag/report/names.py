"""Addresses with the names that their owners gave themselves: HELO's argument and the greeting's first word."""

from __future__ import annotations

from pcapdiag.report.clean import wire_line
from pcapdiag.session import Session

LONGEST = 64


def helo(session: Session) -> str | None:
    """What the client called itself; None when it said nothing, or only its address."""
    return _name(session.dialogue.helo, session.client.address)


def greeted(session: Session) -> str | None:
    """The first word of a 220 greeting, which should be the server's name (RFC 5321 4.2: ``"220 " (Domain / address-literal)``).

    Products and jokers stand there too; a word without a dot names no host that anybody could look for.
    """
    greeting = session.dialogue.greeting
    if greeting is None or greeting.code != 220 or not greeting.lines:
        return None
    words = greeting.lines[0].split(maxsplit=1)
    return _name(words[0] if words and b"." in words[0] else None, session.server.address)


def hosts(session: Session) -> tuple[str, str]:
    """What to call client and server: by name, else by address."""
    return helo(session) or session.client.address, greeted(session) or session.server.address


def _name(octets: bytes | None, address: str) -> str | None:
    """Only what looks like a name is one: a masked banner or a bare address tells nobody who that is."""
    if not octets:
        return None
    name = wire_line(octets.split(maxsplit=1)[0] if octets.split() else b"")
    if not any(character.isalpha() for character in name) or address in name or len(name) > LONGEST:
        return None
    return name


def beside(address: str, name: str | None) -> str:
    """``198.51.100.25 (gw.example.net)``"""
    return f"{address} ({name})" if name else address
