"""One end of one TCP connection: what it says, what it hears, and every way in which it can leave.

Each method is one deed on a real socket, and one line of the journal. A scenario calls the methods of both ends in the
order of its story, so the story has no races: it stands still until what it says has happened.
"""

import contextlib
import select
import signal
import socket
import ssl
import struct
import subprocess
import time
from typing import Literal

from ..journal import Event, Journal
from ..network import LabError
from .tls import Channel

End = Literal["fin", "rst", "icmp", "silence"]
Way = Literal["fin", "rst"]
PATIENCE_S = 6.0
TCP_REPAIR, TCP_REPAIR_ON = 19, 1
LOGGED = 80  # octets of a line that stand in the journal


class Peer:
    """The client's or the server's end."""

    def __init__(
        self, name: Literal["client", "server"], connection: socket.socket, journal: Journal, session: int
    ) -> None:
        self.name, self.connection = name, connection
        self._journal, self._session = journal, session
        self._heard = b""
        self.channel: Channel | None = None
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def log(self, action: str, **details: object) -> Event:
        return self._journal.write(self.name, action, session=self._session, **details)

    # --- talking ------------------------------------------------------------------------------------------------------

    def says(self, *lines: str) -> None:
        """Whole lines, in one write."""
        went = self._send("".join(f"{line}\r\n" for line in lines).encode())
        self.log("says" if went else "cannot say", lines=[line[:LOGGED] for line in lines])

    def sends(self, octets: bytes, what: str) -> None:
        """Octets that are no lines: a message or a part of it (what="message"), half a line, TLS that is none."""
        went = self._send(octets)
        self.log("sends" if went else "cannot send", what=what, octets=len(octets))

    def hears(self, beginning: str, within: float = PATIENCE_S) -> str:
        """Reads up to the line that begins so (a reply's last line; "." is the dot alone). Anything else is an error."""
        until = time.monotonic() + within
        while True:
            while b"\r\n" in self._heard:
                raw, self._heard = self._heard.split(b"\r\n", 1)
                line = raw.decode(errors="replace")
                if _begins(line, beginning):
                    self.log("hears", line=line[:LOGGED])
                    return line
            if not (octets := self._receive(until - time.monotonic())):
                raise LabError(
                    f"the {self.name} waits for {beginning!r}, and nothing came; it has {self._heard[:80]!r}"
                )
            self._heard += octets

    def hears_octets(self, count: int, within: float = PATIENCE_S) -> bytes:
        """Reads that many octets: the part of a message, a chunk."""
        until = time.monotonic() + within
        while len(self._heard) < count:
            if not (octets := self._receive(until - time.monotonic())):
                raise LabError(f"the {self.name} waits for {count} octets, and has {len(self._heard)}")
            self._heard += octets
        heard, self._heard = self._heard[:count], self._heard[count:]
        self.log("takes", octets=count)
        return heard

    def reads_all(self) -> None:
        """Whatever has come so far, without a look at it."""
        octets = len(self._heard)
        self._heard = b""
        while self._readable(0.05) and (raw := self.connection.recv(1 << 16)):
            octets += len(raw)
        self.log("reads all", octets=octets)

    def waits(self, seconds: float) -> None:
        """Does nothing, and does not look."""
        self.log("waits", seconds=seconds)
        time.sleep(seconds)

    def waits_in_vain(self, seconds: float) -> None:
        """Waits for the other side to say something, and gives up: it did not."""
        if self._readable(seconds):
            raise LabError(f"the {self.name} was to wait in vain, and something came")
        self.log("waited in vain", seconds=seconds)

    def hears_end(self, within: float = PATIENCE_S) -> End:
        """Reads until the connection ends, and says how its own TCP learned of it. What is read on the way is dropped."""
        until = time.monotonic() + within
        while True:
            try:
                if not self._readable(until - time.monotonic()):
                    return self._learns("silence")
                if not self.connection.recv(1 << 16):
                    return self._learns("fin")
            except ConnectionResetError:
                return self._learns("rst")
            except OSError as error:
                self.log("error", says=str(error))
                return self._learns("silence" if isinstance(error, TimeoutError) else "icmp")

    # --- leaving ------------------------------------------------------------------------------------------------------

    def closes(self) -> None:
        """close() with everything read: FIN."""
        self._drain_tls()
        if self._readable(0) and self._peek():
            raise LabError(f"the {self.name} was to close with a FIN, but has unread input, which makes it a reset")
        self.log("closes", way="fin")
        self.connection.close()

    def ends_tls(self) -> None:
        """close_notify, whoever may still hear it; the connection stays."""
        assert self.channel
        self.connection.sendall(self.channel.says_goodbye())
        self.log("ends tls")

    def half_closes(self) -> None:
        """shutdown(): FIN, and it goes on reading."""
        self.log("half closes", way="fin")
        self.connection.shutdown(socket.SHUT_WR)

    def aborts(self) -> None:
        """close() with SO_LINGER 0: RST."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.log("aborts", way="rst")
        self.connection.close()

    def closes_with_unread_input(self) -> None:
        """close() while something lies unread in the socket: RST (RFC 2525, section 2.17)."""
        self._waits_for_input()
        self.log("closes with unread input", way="rst", unread=self._peek())
        self.connection.close()

    def is_killed(self, with_unread_input: bool = False) -> Way:
        """Its process gets SIGKILL. What the kernel then sends depends on whether all input had been read."""
        if with_unread_input:
            self._waits_for_input()
        way: Way = "rst" if self._readable(0) else "fin"
        # The socket moves to a process that can be killed without ending the story.
        holder = subprocess.Popen(["sleep", "60"], pass_fds=[self.connection.fileno()])
        unread = self._peek() if way == "rst" else ""
        self.connection.close()
        holder.send_signal(signal.SIGKILL)
        holder.wait(timeout=5)
        self.log("is killed", way=way, unread=unread)
        return way

    def forgets(self) -> None:
        """As after a restart of its machine: the kernel no longer knows the connection, and nobody was told."""
        self.connection.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_ON)
        self.log("forgets")
        self.connection.close()

    def unacknowledged(self) -> int:
        """Segments that this host's TCP has sent and may yet repeat (tcpi_unacked of TCP_INFO)."""
        info = self.connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 32)
        return int(struct.unpack_from("=5I", info, 8)[4])

    # --- the socket ---------------------------------------------------------------------------------------------------

    def _send(self, octets: bytes) -> bool:
        """False when this host's own TCP knows already that the connection is gone."""
        try:
            self.connection.sendall(self.channel.seals(octets) if self.channel else octets)
        except OSError:
            return False
        return True

    def _receive(self, within: float) -> bytes:
        """Some octets, none at the end of the time or of the connection."""
        until = time.monotonic() + within
        with contextlib.suppress(ConnectionResetError, ssl.SSLError):
            while self._readable(until - time.monotonic()):
                raw = self.connection.recv(1 << 16)
                if not raw or not self.channel:
                    return raw
                if plain := self.channel.opens(raw):
                    return plain
        return b""

    def _readable(self, within: float) -> bool:
        return bool(select.select([self.connection], [], [], max(within, 0))[0])

    def _peek(self) -> str:
        return self.connection.recv(1 << 16, socket.MSG_PEEK | socket.MSG_DONTWAIT).decode(errors="replace")[:LOGGED]

    def _waits_for_input(self) -> None:
        if not self._readable(PATIENCE_S):
            raise LabError(f"the {self.name} was to have unread input, and nothing came")

    def _drain_tls(self) -> None:
        """Session tickets and alerts are read by the TLS library in a program that reads at all."""
        if self.channel:
            with contextlib.suppress(OSError, ssl.SSLError):
                while self._readable(0) and (raw := self.connection.recv(1 << 16)):
                    self.channel.opens(raw)

    def _learns(self, end: End) -> End:
        self.log("learns", end=end)
        return end


def _begins(line: str, beginning: str) -> bool:
    """The dot only when it is alone; a reply only its last line; verbs in any case (RFC 5321, section 2.4)."""
    if beginning == ".":
        return line == beginning
    return line.upper().startswith(beginning.upper()) and line[3:4] != "-"
