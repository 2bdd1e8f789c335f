"""What a service needs: signals that mean what they mean to services, an output that is never lost, a unit that systemd takes."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.network import Host

from .stage import PATIENCE_S, Talk, cable, watching

UNIT = Path(__file__).parents[2] / "systemd" / "pcapdiag-live@.service"
needs_namespaces = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs network namespaces: run as root"),
    pytest.mark.skipif(shutil.which("ip") is None, reason="needs ip"),
]
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    with cable() as both:
        yield both


@pytest.fixture
def directory() -> Iterator[Path]:
    """Where nobody may write and everybody may look."""
    path = Path(tempfile.mkdtemp(prefix="pcapdiag-service-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


class TestRunning:
    pytestmark = needs_namespaces

    def test_systemd_hears_of_the_whole_life(
        self, hosts: tuple[Host, Host], directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client, server = hosts
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.bind(str(directory / "notify"))
            (directory / "notify").chmod(0o777)
            systemd.settimeout(PATIENCE_S)
            monkeypatch.setenv("NOTIFY_SOCKET", str(directory / "notify"))
            seen_by_hook = "sh -c 'test -z \"$NOTIFY_SOCKET\"'"
            with watching(server, "-i", "wire", "--on-drop", seen_by_hook, "--early") as seen:
                assert systemd.recv(1000) == b"READY=1"
                Talk(client, server).until("DATA").server_aborts()
                said = [systemd.recv(1000).decode() for _ in range(8)]
                seen.end()
                while "STOPPING=1" not in said:
                    said.append(systemd.recv(1000).decode())
        pulses = [each for each in said if each.startswith("WATCHDOG=1\nSTATUS=")]
        assert len(pulses) >= 8
        assert "1 session ended, 1 dropped" in pulses[-1]
        assert not [line for line in seen.complaints if "--on-drop" in line]

    def test_nohup_is_respected(self, hosts: tuple[Host, Host]) -> None:
        _, server = hosts
        with watching(server, "-i", "wire", command=("nohup",)) as seen:
            seen.process.send_signal(signal.SIGHUP)
            time.sleep(0.5)
            assert seen.process.poll() is None
            seen.end()

    def test_an_output_that_cannot_be_opened_again_goes_on(self, hosts: tuple[Host, Host], directory: Path) -> None:
        client, server = hosts
        output, moved = directory / "live.jsonl", directory / "live.jsonl.1"
        output.touch()
        output.chmod(0o666)
        with watching(server, "-i", "wire", "-o", str(output)) as seen:
            output.rename(moved)
            seen.process.send_signal(signal.SIGHUP)
            Talk(client, server).until("DATA").server_aborts()
            seen.hears("goes on into the file that it had before")
            seen.end()
        assert moved.read_text().count("\n") == 2

    def test_a_full_disk_does_not_end_the_watch(self, hosts: tuple[Host, Host]) -> None:
        client, server = hosts
        with watching(server, "-i", "wire", "-o", "/dev/full") as seen:
            for _ in range(5):
                Talk(client, server).until("DATA").server_aborts()
            seen.hears("No space left on device; the watch goes on")
            time.sleep(1)
            assert seen.process.poll() is None
        assert sum("No space" in line for line in seen.complaints) == 1


class TestUnit:
    def unit(self, directory: Path) -> Path:
        """The unit with a program that is there."""
        path = directory / UNIT.name
        path.write_text(UNIT.read_text().replace("/usr/local/bin/pcapdiag", "/bin/true"))
        return path

    @needs_systemd
    def test_systemd_finds_nothing_wrong(self, tmp_path: Path) -> None:
        done = subprocess.run(
            ["systemd-analyze", "verify", "--recursive-errors=no", str(self.unit(tmp_path))],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "pcapdiag" not in done.stderr

    @needs_systemd
    def test_it_is_exposed_little(self, tmp_path: Path) -> None:
        argv = [
            "systemd-analyze",
            "security",
            "--offline=true",
            "--threshold=20",
            "--no-pager",
            str(self.unit(tmp_path)),
        ]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout

    def test_its_options_are_ours(self) -> None:
        command = re.search(r"^ExecStart=(.*)$", UNIT.read_text(), re.MULTILINE)
        assert command
        known = subprocess.run(
            [sys.executable, "-m", "pcapdiag", "live", "--help"], capture_output=True, text=True, timeout=60, check=True
        ).stdout
        options = re.findall(r"--[a-z-]+", command[1])
        assert options
        assert [option for option in options if option not in known] == []
