"""What a watch says -> numbers for Prometheus.

No label holds what the wire could multiply: spoofed SYNs make no time series. Servers are told apart only where asked for, and
only so many of them: a place is for a server that has spoken with a client, which a scan of empty addresses cannot fake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from pcapdiag.analysis import Judged
from pcapdiag.errors import UsageError
from pcapdiag.live.events import Event, Opened, Pulse
from pcapdiag.live.exposition import App
from pcapdiag.live.sparing import Once
from pcapdiag.live.watch import is_drop
from pcapdiag.model import CaptureInfo, How, Party, Stage

OTHERS = "other"
BUCKETS = (0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600)
"""Seconds; RFC 5321 4.5.3.2 waits for two to ten minutes."""


def load() -> ModuleType:
    """The package, and what answering imports late. Raises `UsageError` without it."""
    try:
        import encodings.idna  # noqa: F401, PLC0415

        import prometheus_client.openmetrics.exposition  # noqa: PLC0415 - only where it is asked for
    except ImportError as error:
        if not isinstance(error, ModuleNotFoundError):
            raise UsageError(f"--metrics: prometheus-client cannot be loaded ({error})") from error
        raise UsageError(
            "--metrics takes the package prometheus-client: python -m pip install 'pcapdiag[metrics]'"
        ) from error
    return prometheus_client


class Metrics:
    """Counts. `app` tells the numbers."""

    def __init__(
        self, info: Callable[[], CaptureInfo], servers: int = 0, label: Callable[[str], str] = lambda address: address
    ) -> None:
        """`servers`: so many of them get a label of their own, which `label` makes of the address. Raises `UsageError`
        without prometheus-client."""
        package = load()
        registry = package.CollectorRegistry()
        self.app: App = package.make_wsgi_app(registry)
        self._info, self._label, self._most_servers = info, label, servers

        def counter(name: str, says: str, *labels: str) -> Any:
            return package.Counter(f"pcapdiag_{name}", says, labels, registry=registry)

        def gauge(name: str, says: str) -> Any:
            return package.Gauge(f"pcapdiag_{name}", says, registry=registry)

        self._opened = counter("connections_opened", "Connections that began")
        self._sessions = counter("sessions", "Sessions that ended, by who ended them and how", "dropped_by", "how")
        self._drops = counter("drops", "Sessions that somebody dropped", "dropped_by", "stage", "how")
        self._by_server = (
            counter("server_drops", "The same by server, the first so many of them", "server", "dropped_by", "stage")
            if servers
            else None
        )
        self._replies = package.Histogram(
            "pcapdiag_reply_seconds",
            "What a server took to reply, since it was its turn",
            ("stage",),
            registry=registry,
            buckets=BUCKETS,
        )
        self._packets = counter("capture_packets", "Packets captured")
        self._lost = counter("capture_lost_packets", "Packets that the kernel dropped because we were too slow")
        self._waiting = gauge("capture_waiting_bytes", "Captured and not yet looked at")
        self._last = gauge("capture_last_packet_timestamp_seconds", "When the last packet came")
        self._open = gauge("connections_open", "Connections that are open, or over for a short time")
        self._down = gauge("interfaces_down", "Watched interfaces that are down or gone")
        self._servers: set[str] = set()
        self._seen_packets = self._seen_lost = 0
        self._counted, self._dropped = Once(), Once()
        for party in Party:  # a series that begins at 1 shows no increase
            for how in How:
                self._sessions.labels(party.value, how.value)

    def hear(self, event: Event) -> None:
        """Count it."""
        if isinstance(event, Opened):
            self._opened.inc()
        elif isinstance(event, Pulse):
            self._pulse(event)
        elif event.final:
            self._ended(event.judged)

    def _pulse(self, pulse: Pulse) -> None:
        self._packets.inc(pulse.packets - self._seen_packets)
        self._lost.inc((pulse.dropped or 0) - self._seen_lost)
        self._seen_packets, self._seen_lost = pulse.packets, pulse.dropped or 0
        self._waiting.set(pulse.waiting)
        self._open.set(pulse.open)
        self._down.set(len(pulse.down))
        if (last_ns := self._info().last_time_ns) is not None:
            self._last.set(last_ns / 1e9)

    def _ended(self, judged: Judged) -> None:
        """Each session once, and as dropped once, if only its second final verdict says so."""
        verdict = judged.verdict
        party, stage, how = verdict.dropped_by.value, verdict.stage.value, verdict.how.value
        if self._counted.first(judged.id):
            self._sessions.labels(party, how).inc()
            for at, seconds in reply_times(judged):
                self._replies.labels(at.value).observe(seconds)
        if is_drop(judged) and self._dropped.first(judged.id):
            self._drops.labels(party, stage, how).inc()
            if self._by_server is not None:
                self._by_server.labels(self._server(judged), party, stage).inc()

    def _server(self, judged: Judged) -> str:
        address = judged.session.server.address
        if address not in self._servers:
            spoke = judged.session.connection.handshake.rtt_ns is not None or judged.session.dialogue.greeting
            if not spoke or len(self._servers) >= self._most_servers:
                return OTHERS
            self._servers.add(address)
        return self._label(address)


def reply_times(judged: Judged) -> Iterator[tuple[Stage, float]]:
    """(stage, seconds) of every reply, the greeting included: since the command came, or since the reply before it where
    commands were pipelined."""
    dialogue, connected = judged.session.dialogue, judged.session.connection.handshake.complete
    free_ns = 0
    if dialogue.greeting is not None and dialogue.greeting.complete:
        free_ns = dialogue.greeting.at.time_ns
        if connected is not None:
            yield Stage.GREETING, max(0, free_ns - connected.time_ns) / 1e9
    for exchange in dialogue.exchanges:
        if exchange.reply is not None:
            since_ns = max(exchange.command.at.time_ns, free_ns)
            free_ns = exchange.reply.at.time_ns
            yield exchange.stage, max(0, free_ns - since_ns) / 1e9
