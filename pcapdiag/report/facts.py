"""Facts that several reports tell and none should compute for itself: a session's names, its filter, the ladder's rows.

Everything here is exact and unescaped: text from the wire is still octets, and each report cleans it.
"""

from __future__ import annotations

import ipaddress
from base64 import b64encode
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b, sha1
from struct import pack

from pcapdiag.diagnosis.verdict import Verdict
from pcapdiag.model import Endpoint
from pcapdiag.smtp.dialogue import MailTransaction
from pcapdiag.tcp.connection import Connection, Effect, Reset


def community_id(one: Endpoint, other: Endpoint) -> str:
    """Community ID version 1 of a TCP flow, as Zeek, Suricata and Wireshark print it (corelight/community-id-spec).

    sha1(seed . saddr . daddr . proto . 0 . sport . dport) in network byte order, the smaller address and port first,
    seed 0, protocol 6.
    """
    first, second = sorted([(_packed(one.address), one.port), (_packed(other.address), other.port)])
    digest = sha1(
        pack("!H", 0) + first[0] + second[0] + pack("!BBHH", 6, 0, first[1], second[1]), usedforsecurity=False
    )
    return "1:" + b64encode(digest.digest()).decode("ascii")


@lru_cache(maxsize=4096)
def _packed(address: str) -> bytes:
    return ipaddress.IPv6Address(address).packed if ":" in address else bytes(map(int, address.split(".")))


def session_key(connection: Connection) -> str:
    """A name that the same session of the same capture gets in every run, wherever the file lies: 16 hex digits."""
    story = f"{connection.client}>{connection.server}@{connection.first.time_ns}"
    return blake2b(story.encode(), digest_size=8).hexdigest()


def wireshark_filters(connection: Connection) -> Iterator[tuple[int, str]]:
    """(capture, display filter) of the session, a capture each: its addresses and ports, from its first to its last frame.

    Wireshark gives quoted headers inside ICMP errors the same field names, so the errors about the session match too, and
    the last frame is the last of these where one came behind everything else.
    """
    client, server = connection.client, connection.server
    ip = "ipv6" if ":" in client.address else "ip"
    flow = (
        f"{ip}.addr == {client.address} && {ip}.addr == {server.address} && "
        f"tcp.port == {client.port} && tcp.port == {server.port}"
    )
    first, last = connection.first, max([connection.last, *[at for at, _ in connection.icmp]])
    if first.capture == last.capture:
        yield first.capture, f"{flow} && frame.number >= {first.frame} && frame.number <= {last.frame}"
        return
    yield first.capture, f"{flow} && frame.number >= {first.frame}"
    for capture in range(first.capture + 1, last.capture):
        yield capture, flow
    yield last.capture, f"{flow} && frame.number <= {last.frame}"


def accepted(transaction: MailTransaction, unfinished: bool | None = False) -> bool | None:
    """Whether the server took the message: True after a 2xx to the end of data; False when it cannot have; None when the
    terminator was sent and no reply to it was seen.

    `unfinished` is the answer for a message whose terminator was not seen: None where the session is still open or the
    capture missed octets of the client, because it may have been sent.
    """
    if any([one.final is not None and 200 <= one.final.code < 300 for one in transaction.recipients]):
        return True  # LMTP: taken for at least one of its recipients (RFC 2033 4.2)
    if transaction.reply is not None and not 300 <= transaction.reply.code < 400:
        return 200 <= transaction.reply.code < 300
    if transaction.complete:
        return None  # a 3xx to the end of data says nothing either
    return False if transaction.reset or transaction.octets is None else unfinished


def effect_of(reset: Reset, verdict: Verdict) -> str:
    """``ended``, ``echo``, ``refused``, or ``forged`` where a rule held it for forged."""
    if reset.at in verdict.forged:
        return "forged"
    return Effect.ENDED.value if reset.at == verdict.end else reset.effect.value


def flag_letters(flags: int) -> str:
    """TCP flags as letters, such as ``RA`` for RST+ACK."""
    return "".join([name[0] for bit, name in _FLAGS if flags & bit])


def flag_names(flags: int) -> str:
    """The same in full: ``RST, ACK``."""
    return ", ".join([name for bit, name in _FLAGS if flags & bit])


_FLAGS = (
    (0x02, "SYN"),
    (0x01, "FIN"),
    (0x04, "RST"),
    (0x08, "PSH"),
    (0x10, "ACK"),
    (0x20, "URG"),
    (0x40, "ECE"),
    (0x80, "CWR"),
)

__all__ = ["accepted", "community_id", "effect_of", "flag_letters", "flag_names", "session_key", "wireshark_filters"]
