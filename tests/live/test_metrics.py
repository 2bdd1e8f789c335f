"""``--metrics``, asked as Prometheus asks, and read with its own parser."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner

from pcapdiag.cli import main
from pcapdiag.errors import LiveError
from pcapdiag.live.events import Ended
from pcapdiag.live.exposition import MOST_ASKING, Exposition
from pcapdiag.live.metrics import Metrics, reply_times
from pcapdiag.model import Endpoint, Stage
from tests.lab.network import Host

from .events import dropped, info, judged, opened, orderly, pulse
from .stage import Talk, cable, watching

prometheus_client = pytest.importorskip("prometheus_client.parser", reason="needs prometheus-client")
Numbers = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parsed(text: str) -> Numbers:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in prometheus_client.text_string_to_metric_families(text)
        for sample in family.samples
    }


def number(numbers: Numbers, name: str, **labels: str) -> float | None:
    return numbers.get((f"pcapdiag_{name}", frozenset(labels.items())))


@pytest.fixture
def port() -> Iterator[Exposition]:
    exposition = Exposition("127.0.0.1", 0)
    yield exposition
    exposition.close()


def asked(port: Exposition, metrics: Metrics) -> Numbers:
    port.begin(metrics.app)
    with urllib.request.urlopen(port.url, timeout=5) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        return parsed(answer.read().decode())


def test_everything_is_counted_once(port: Exposition) -> None:
    metrics = Metrics(info)
    final = dropped(1)
    for event in (opened(1), dropped(1, final=False), final, replace(final, again=True), orderly(2),
                  pulse(1), pulse(2, packets=150, dropped=7, waiting=4096, open=3, down=("eth0",))):  # fmt: skip
        metrics.hear(event)
    said = asked(port, metrics)
    assert number(said, "sessions_total", dropped_by="server", how="rst") == 1
    assert number(said, "sessions_total", dropped_by="nobody", how="quit") == 1
    assert number(said, "sessions_total", dropped_by="path", how="timeout") == 0
    assert number(said, "drops_total", dropped_by="server", stage="data", how="rst") == 1
    assert number(said, "connections_opened_total") == 1
    assert number(said, "capture_packets_total") == 150
    assert number(said, "capture_lost_packets_total") == 7
    assert number(said, "capture_waiting_bytes") == 4096
    assert number(said, "capture_last_packet_timestamp_seconds") == 90
    assert number(said, "connections_open") == 3
    assert number(said, "interfaces_down") == 1
    assert number(said, "reply_seconds_count", stage="end-of-data") == 1
    assert not any("server" in dict(labels) for _, labels in said)


def test_a_session_that_was_told_as_open_and_then_dropped_is_a_drop(port: Exposition) -> None:
    metrics = Metrics(info)
    metrics.hear(orderly(1))
    metrics.hear(replace(dropped(1), again=True))
    said = asked(port, metrics)
    assert sum(value for (name, _), value in said.items() if name == "pcapdiag_sessions_total") == 1
    assert number(said, "drops_total", dropped_by="server", stage="data", how="rst") == 1


def test_servers_are_told_apart_up_to_a_number_and_a_scan_fills_no_place(port: Exposition) -> None:
    metrics = Metrics(info, servers=2, label=lambda address: f"x{address}")
    silent, spoke = judged("connect_silence"), dropped(0).judged
    assert silent.session.connection.handshake.complete is None
    for count, (one, address) in enumerate(
        [(silent, f"198.51.100.{last}") for last in range(50)] + [(spoke, f"192.0.2.{last}") for last in range(50)]
    ):
        session = one.session._replace(connection=replace(one.session.connection, server=Endpoint(address, 25)))
        metrics.hear(Ended(one._replace(id=count, session=session), final=True))
    drops = {
        dict(labels)["server"]: value
        for (name, labels), value in asked(port, metrics).items()
        if name == "pcapdiag_server_drops_total" and dict(labels)["stage"] == "data"
    }
    assert drops == {"x192.0.2.0": 1, "x192.0.2.1": 1, "other": 48}


def test_spoofed_connections_make_no_series(port: Exposition) -> None:
    metrics = Metrics(info, servers=3)
    silent = judged("connect_silence")
    for count in range(2000):
        metrics.hear(opened(count, f"10.0.{count // 250}.{count % 250}", f"10.1.{count // 250}.{count % 250}"))
        connection = replace(silent.session.connection, server=Endpoint(f"10.1.{count // 250}.{count % 250}", 25))
        metrics.hear(Ended(silent._replace(id=count, session=silent.session._replace(connection=connection)), True))
    assert len(asked(port, metrics)) < 100


def test_replies_are_measured_since_it_was_the_server_s_turn() -> None:
    session = judged("delivery")
    times = list(reply_times(session))
    assert [stage for stage, _ in times][:2] == [Stage.GREETING, Stage.EHLO]
    assert {Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.END_OF_DATA} <= {stage for stage, _ in times}
    assert all(0 < seconds < 1 for _, seconds in times)
    connection = session.session.connection
    assert sum(seconds for _, seconds in times) < (connection.last.time_ns - connection.first.time_ns) / 1e9


class TestPort:
    def test_one_in_use_is_told(self, port: Exposition) -> None:
        with pytest.raises(LiveError, match="Address already in use; choose another one"):
            Exposition("127.0.0.1", int(port.url.rpartition(":")[2].partition("/")[0]))

    def test_it_can_be_of_version_six(self) -> None:
        exposition = Exposition("::1", 0)
        try:
            assert exposition.url.startswith("http://[::1]:")
            assert asked(exposition, Metrics(info))
        finally:
            exposition.close()

    def test_those_who_connect_and_say_nothing_shut_nobody_out(self, port: Exposition) -> None:
        metrics = Metrics(info)
        asked(port, metrics)
        where = ("127.0.0.1", int(port.url.rpartition(":")[2].partition("/")[0]))
        with ExitStack() as stack:
            for _ in range(3 * MOST_ASKING):
                stack.enter_context(socket.create_connection(where, 5))
            began = time.monotonic()
            with urllib.request.urlopen(port.url, timeout=5) as answer:
                assert answer.status == 200
            assert time.monotonic() - began < 2

    @pytest.mark.parametrize(
        ("value", "words"),
        [
            ("mail:9925", "'mail' is no IP address"),
            ("127.0.0.1:x", "'x' is no port"),
            ("99999", "is no port"),
            ("", "is no port"),
        ],
    )
    def test_what_is_none_is_refused(self, value: str, words: str) -> None:
        done = CliRunner().invoke(main, ["live", "-i", "lo", "--metrics", value])
        assert done.exit_code == 2
        assert words in done.output


def test_a_missing_package_is_one_sentence() -> None:
    hide = "import sys; sys.modules['prometheus_client'] = None; from pcapdiag.cli import main; main()"
    argv = [sys.executable, "-c", hide, "live", "-i", "lo", "--metrics", "0"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    if "CAP_NET_RAW" in done.stderr:
        pytest.skip("needs the privilege to capture")
    assert done.returncode == 2
    assert done.stderr == (
        "pcapdiag: --metrics takes the package prometheus-client: python -m pip install 'pcapdiag[metrics]'\n"
    )


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    with cable() as both:
        yield both


@pytest.mark.skipif(os.geteuid() != 0, reason="needs network namespaces: run as root")
@pytest.mark.skipif(shutil.which("ip") is None, reason="needs ip")
def test_a_running_watch_is_asked(hosts: tuple[Host, Host]) -> None:
    """On a port that only root may bind."""
    client, server = hosts
    with watching(server, "-i", "wire", "--metrics", "925", "--metrics-servers", "5") as seen:
        seen.hears("metrics at http://127.0.0.1:925/metrics")
        Talk(client, server).until("DATA").server_aborts()
        Talk(client, server).until("QUIT").ends()
        finals = [each for each in (seen.next()[1] for _ in range(4)) if each["final"]]
        assert len(finals) == 2
        said = scraped(server)
        with client.inside(), pytest.raises(OSError):
            socket.create_connection((server.address4, 925), 5)
    assert number(said, "server_drops_total", server="10.77.0.2", dropped_by="server", stage="data") == 1
    assert number(said, "sessions_total", dropped_by="nobody", how="quit") == 1
    assert number(said, "reply_seconds_count", stage="mail") == 2
    assert (number(said, "capture_packets_total") or 0) > 20


def scraped(host: Host) -> Numbers:
    """After the next pulse."""
    time.sleep(1.5)
    with host.inside(), socket.create_connection(("127.0.0.1", 925), 5) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer: Any = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 200")
    return parsed(body.decode())
