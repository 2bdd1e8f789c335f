"""TLS on a peer's connection, with certificates made on the spot, the keys logged, and a handshake that can stop midway."""

import contextlib
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import trustme

from ..network import LabError

if TYPE_CHECKING:
    from .peer import Peer

SERVER_NAME = "gw.example.net"
ROUNDS = 10  # of records to and fro: far more than any handshake has


class Authority:
    """A certification authority of the lab, and the contexts of both sides."""

    def __init__(self, key_log: Path) -> None:
        self._authority = trustme.CA()
        self._key_log = key_log

    def server_context(self, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(SERVER_NAME).configure_cert(context)
        context.maximum_version = newest
        return context

    def client_context(self, trusts: bool = True, oldest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if trusts:
            self._authority.configure_trust(context)
        context.minimum_version = oldest
        context.keylog_filename = str(self._key_log)
        return context


class Channel:
    """One side of TLS, between memory and memory: the octets go through the peer's own socket."""

    def __init__(self, context: ssl.SSLContext, server_side: bool) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = None if server_side else SERVER_NAME
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_side=server_side, server_hostname=name)

    def shakes_hands(self, received: bytes = b"") -> tuple[bytes, bool]:
        """What it has to send next, and whether it is done. A refusal raises ssl.SSLError; its alert is in `to_send`."""
        self._incoming.write(received)
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return self.to_send(), False
        return self.to_send(), True

    def to_send(self) -> bytes:
        return self._outgoing.read()

    def seals(self, octets: bytes) -> bytes:
        self.tls.write(octets)
        return self.to_send()

    def opens(self, octets: bytes) -> bytes:
        """Empty when the records held nothing for the program."""
        self._incoming.write(octets)
        opened = b""
        try:
            while chunk := self.tls.read(1 << 16):
                opened += chunk
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            pass
        return opened

    def says_goodbye(self) -> bytes:
        """close_notify."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        return self.to_send()


def hello(client: "Peer", context: ssl.SSLContext) -> None:
    """The client says its ClientHello, and nothing more."""
    client.channel = Channel(context, server_side=False)
    octets, _ = client.channel.shakes_hands()
    client.log("begins tls", octets=len(octets))
    client.connection.sendall(octets)


def take_hello(server: "Peer") -> None:
    """The server reads a ClientHello, and does nothing with it."""
    octets = server.connection.recv(1 << 16)
    server.log("takes hello", octets=len(octets))


def secure(client: "Peer", server: "Peer", client_context: ssl.SSLContext, server_context: ssl.SSLContext) -> None:
    """The whole handshake. Whoever refuses sends its alert, and the error tells the story."""
    hello(client, client_context)
    server.channel = Channel(server_context, server_side=True)
    server.log("takes hello")
    turn, other, finished = server, client, {client.name: False, server.name: False}
    for _ in range(ROUNDS):
        assert turn.channel
        try:
            octets, finished[turn.name] = turn.channel.shakes_hands(turn.connection.recv(1 << 16))
        except ssl.SSLError as error:
            turn.log("refuses tls", says=error.reason)
            turn.connection.sendall(turn.channel.to_send())
            raise
        if octets:
            turn.connection.sendall(octets)
        if all(finished.values()):
            client.log("finishes tls", version=client.channel.tls.version() if client.channel else None)
            server.log("finishes tls")
            return
        if octets or finished[turn.name]:
            turn, other = other, turn
    raise LabError("the TLS handshake does not end")
