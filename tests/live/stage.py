"""Two hosts on one cable, mail between them over real sockets, and `pcapdiag live` beside it as a user starts it."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.lab.network import NAMESPACES, Host, _ip, remove_left_behind

SMTP = 25
PATIENCE_S = 20.0
CLIENT, SERVER = "10.77.0.1", "10.77.0.2"
_numbers = itertools.count()


@contextlib.contextmanager
def cable() -> Iterator[tuple[Host, Host]]:
    """A client and a server, each in a namespace of its own, on the two ends of a veth pair: ``wire``."""
    remove_left_behind()
    prefix = f"pcd-{os.getpid()}-live{next(_numbers)}"
    client, server = (Host(name, at, "", f"{prefix}-{name}") for name, at in (("client", CLIENT), ("server", SERVER)))
    try:
        for host in (client, server):
            _ip("netns", "add", host.namespace)
        _ip(
            "-n",
            client.namespace,
            "link",
            "add",
            "wire",
            "type",
            "veth",
            "peer",
            "name",
            "wire",
            "netns",
            server.namespace,
        )
        for host in (client, server):
            lines = [f"address add {host.address4}/24 dev wire", "link set wire up", "link set lo up"]
            _ip("-n", host.namespace, "-batch", "-", lines=lines)
        yield client, server
    finally:
        for host in (client, server):
            if (NAMESPACES / host.namespace).exists():
                host.end_processes()
                _ip("netns", "delete", host.namespace)


class Talk:
    """A delivery, line by line, both ends in our hands."""

    STEPS = (
        ("220 mx.example.com ESMTP", "EHLO client.example.net"),
        ("250 mx.example.com", "MAIL FROM:<a@example.net>"),
        ("250 2.1.0 ok", "RCPT TO:<b@example.com>"),
        ("250 2.1.5 ok", "DATA"),
        ("354 go ahead", "Subject: hello\r\n\r\nhello\r\n."),
        ("250 2.0.0 queued as 1234", "QUIT"),
    )

    def __init__(self, client: Host, server: Host, address: str = SERVER, port: int = SMTP) -> None:
        with server.inside(), socket.create_server((address, port)) as listener:
            listener.settimeout(PATIENCE_S)
            with client.inside():
                self.client = socket.create_connection((address, port), PATIENCE_S)
            self.server, _ = listener.accept()
        self.server.settimeout(PATIENCE_S)
        self._said = 0

    def until(self, verb: str) -> Talk:
        """Up to the client's line that begins so, which the server has read."""
        for reply, line in self.STEPS[self._said :]:
            self._said += 1
            self._say(self.server, self.client, reply)
            self._say(self.client, self.server, line)
            if line.startswith(verb):
                return self
        raise AssertionError(verb)

    @staticmethod
    def _say(one: socket.socket, other: socket.socket, line: str) -> None:
        octets = f"{line}\r\n".encode()
        one.sendall(octets)
        while octets:
            octets = octets[len(other.recv(len(octets))) :]

    def server_aborts(self) -> float:
        """A reset; when."""
        self.server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.server.close()
        return time.time()

    def ends(self) -> None:
        """As it should, after QUIT."""
        self._say(self.server, self.client, "221 bye")
        self.server.close()
        self.client.recv(1)
        self.client.close()


@dataclass
class Watching:
    """A running ``pcapdiag live``: what it prints, and when."""

    process: subprocess.Popen[str]
    lines: queue.Queue[tuple[float, str]] = field(default_factory=queue.Queue)
    complaints: list[str] = field(default_factory=list)
    ready: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.threads = [threading.Thread(target=each, daemon=True) for each in (self._read, self._hear)]
        for thread in self.threads:
            thread.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.put((time.time(), line))

    def _hear(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self.complaints.append(line.rstrip())
            if "watching" in line:
                self.ready.set()
        self.ready.set()

    def next(self, within: float = PATIENCE_S) -> tuple[float, dict[str, Any]]:
        """When the next line came, and the session in it."""
        try:
            at, line = self.lines.get(timeout=within)
        except queue.Empty:
            raise AssertionError(f"nothing was said within {within} s; complaints: {self.complaints}") from None
        return at, json.loads(line)

    def hears(self, words: str, within: float = PATIENCE_S) -> None:
        """A complaint with these words comes."""
        until = time.monotonic() + within
        while time.monotonic() < until:
            if any(words in line for line in self.complaints):
                return
            time.sleep(0.05)
        raise AssertionError(f"no {words!r} within {within} s: {self.complaints}")

    def end(self, sign: int = signal.SIGTERM, within: float = PATIENCE_S) -> list[dict[str, Any]]:
        """Send the signal; what it said that nobody has read yet. It must end with status 0."""
        self.process.send_signal(sign)
        return self.ended(within)

    def ended(self, within: float = PATIENCE_S) -> list[dict[str, Any]]:
        """It ends by itself."""
        assert self.process.wait(within) == 0, self.complaints
        for thread in self.threads:
            thread.join(within)
        return [json.loads(line) for _, line in list(self.lines.queue)]


@contextlib.contextmanager
def watching(host: Host, *options: str, command: Sequence[str] = (), ready: bool = True) -> Iterator[Watching]:
    """``pcapdiag live OPTIONS`` on that host; `command` stands in front of it."""
    argv = [*command, sys.executable, "-m", "pcapdiag", "live", *options]
    with host.inside():
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=Path(__file__).parents[2],
        )  # fmt: skip
    seen = Watching(process)
    try:
        if ready:
            assert seen.ready.wait(PATIENCE_S)
            assert process.poll() is None, seen.complaints
        yield seen
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for thread in seen.threads:
            thread.join(PATIENCE_S)
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        process.stderr.close()
