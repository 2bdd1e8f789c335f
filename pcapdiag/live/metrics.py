"""``--metrics``: what Prometheus may ask on the loopback address.

No label holds what the wire could multiply: spoofed SYNs make no time series. Servers are told apart only where asked for, the
first so many of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

from pcapdiag.analysis import Judged
from pcapdiag.errors import LiveError, UsageError
from pcapdiag.live.events import Ended, Event, Opened, Pulse
from pcapdiag.model import Party

LOOPBACK = "127.0.0.1"
OTHERS = "other"
BUCKETS = (0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600)
"""Seconds; RFC 5321 4.5.3.2 waits for two to ten minutes."""


def load() -> ModuleType:
    """The package, and what sockets import late. Raises `UsageError` without it."""
    try:
        import encodings.idna  # noqa: F401, PLC0415

        import prometheus_client  # noqa: PLC0415 - only where it is asked for
    except ImportError as error:
        raise UsageError(
            "--metrics takes the package prometheus-client: python -m pip install 'pcapdiag[metrics]'"
        ) from error
    return prometheus_client


class Metrics:
    """Counts, and answers on a port."""

    def __init__(self, port: int, servers: int = 0) -> None:
        """`servers`: so many of them get a label of their own. Raises `UsageError` without prometheus-client."""
        package = load()
        self.registry = registry = package.CollectorRegistry()

        def counter(name: str, says: str, *labels: str) -> Any:
            return package.Counter(f"pcapdiag_{name}", says, labels, registry=registry)

        def gauge(name: str, says: str) -> Any:
            return package.Gauge(f"pcapdiag_{name}", says, registry=registry)

        self._opened = counter("connections_opened", "Connections that began")
        self._sessions = counter("sessions", "Sessions that ended, by who ended them and how", "dropped_by", "how")
        self._drops = counter("drops", "Sessions that somebody dropped", "dropped_by", "stage", "server")
        self._packets = counter("capture_packets", "Packets captured")
        self._lost = counter("capture_lost_packets", "Packets that the kernel dropped because we were too slow")
        self._waiting = gauge("capture_waiting_octets", "Octets captured and not yet looked at")
        self._open = gauge("connections_open", "Connections that are open, or over for a short time")
        self._down = gauge("interfaces_down", "Watched interfaces that are down or gone")
        self._replies = package.Histogram(
            "pcapdiag_reply_seconds", "From a command to its reply", ("stage",), registry=registry, buckets=BUCKETS
        )
        self._most_servers = servers
        self._servers: set[str] = set()
        self._seen_packets = self._seen_lost = 0
        try:
            self._server, _ = package.start_http_server(port, LOOPBACK, registry)
        except OSError as error:
            raise LiveError(
                f"metrics cannot be offered on {LOOPBACK} port {port}: {error.strerror or error}"
            ) from error

    def hear(self, event: Event) -> None:
        """Count it."""
        if isinstance(event, Opened):
            self._opened.inc()
        elif isinstance(event, Pulse):
            self._pulse(event)
        elif event.final and not event.again:
            self._ended(event)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _pulse(self, pulse: Pulse) -> None:
        self._packets.inc(pulse.packets - self._seen_packets)
        self._lost.inc((pulse.dropped or 0) - self._seen_lost)
        self._seen_packets, self._seen_lost = pulse.packets, pulse.dropped or 0
        self._waiting.set(pulse.waiting)
        self._open.set(pulse.open)
        self._down.set(len(pulse.down))

    def _ended(self, ended: Ended) -> None:
        judged = ended.judged
        verdict = judged.verdict
        self._sessions.labels(verdict.dropped_by.value, verdict.how.value).inc()
        if verdict.dropped_by not in (Party.NOBODY, Party.UNDETERMINED):
            server = self._known(judged.session.server.address)
            self._drops.labels(verdict.dropped_by.value, verdict.stage.value, server).inc()
        for stage, seconds in reply_times(judged):
            self._replies.labels(stage).observe(seconds)

    def _known(self, server: str) -> str:
        if server not in self._servers and len(self._servers) < self._most_servers:
            self._servers.add(server)
        return server if server in self._servers else OTHERS


def reply_times(judged: Judged) -> Iterator[tuple[str, float]]:
    """(stage, seconds) of every command that had its reply."""
    for exchange in judged.session.dialogue.exchanges:
        if exchange.reply is not None:
            waited_ns = exchange.reply.start.time_ns - exchange.command.at.time_ns
            yield exchange.stage.value, max(waited_ns, 0) / 1e9
