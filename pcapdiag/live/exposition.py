"""A port on which numbers can be asked for over HTTP: bound first, with whatever privilege that takes, answering later.

Bounded against whoever may connect: few at a time, none for long, and a request is a line and its headers.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from socketserver import TCPServer, ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from pcapdiag.errors import LiveError

MOST_ASKING = 8
PATIENCE_S = 5.0
"""For a request to come, and for its answer to be taken."""

App = Callable[[dict[str, Any], Any], Iterable[bytes]]


class _Handler(WSGIRequestHandler):
    timeout = PATIENCE_S

    def log_message(self, format: str, *args: object) -> None:
        """Nobody wants a line a scrape."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str, port: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._asking: deque[socket.socket] = deque()
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Without asking DNS for our own name, as http.server does."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Whoever has been asking for longest must go when there are too many: nobody can shut the others out."""
        if len(self._asking) >= MOST_ASKING:
            with suppress(OSError):
                self._asking.popleft().shutdown(socket.SHUT_RDWR)
        self._asking.append(request)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with suppress(ValueError):
                self._asking.remove(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class Exposition:
    """The port."""

    def __init__(self, host: str, port: int) -> None:
        """Binds it. `host` is an IP address; `port` 0: any that is free. Raises `LiveError`."""
        try:
            self._server = _Server(host, port)
        except OSError as error:
            raise LiveError(
                f"metrics cannot be offered on {host} port {port}: {error.strerror or error}; choose another one"
            ) from error
        self._thread: threading.Thread | None = None
        self.loopback = ipaddress.ip_address(host).is_loopback

    @property
    def url(self) -> str:
        """Where to ask."""
        host = self._server.server_name
        return f"http://{f'[{host}]' if ':' in host else host}:{self._server.server_port}/metrics"

    def begin(self, app: App) -> None:
        """Answer, from now on, in threads of its own."""
        self._server.set_app(app)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join(PATIENCE_S)
        self._server.server_close()
