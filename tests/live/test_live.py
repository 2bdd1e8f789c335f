"""``pcapdiag live`` on real interfaces, with real traffic: what it says, when, and that offline analysis says the same."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pcapdiag import analyze
from pcapdiag.capture.kernelfilter import expression
from pcapdiag.pipeline import DEFAULT_PORTS
from pcapdiag.report import jsonl
from tests.lab.lab import Lab
from tests.lab.network import Host, _ip
from tests.lab.record import CAPTURES
from tests.lab.scenario import load
from tests.report.test_json import SESSION

from .stage import Talk, cable, watching

TOOLS = ("ip", "tcpdump", "dumpcap", "nft")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]
pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs network namespaces: run as root"),
    pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}"),
]
STORIES = (
    "delivery",
    "data_server_aborts",
    "mail_reset_to_server_only",
    "dot_perfect_resets_to_both",
    "connect_icmp_prohibited",
)
"""Scenarios of the lab, with one session each."""


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    with cable() as both:
        yield both


class Recorder:
    """tcpdump beside the watch, with the same filter."""

    def __init__(self, host: Host, device: str, path: Path) -> None:
        self.path = path
        argv = ["tcpdump", "-Z", "root", "-n", "-U", "--immediate-mode", "--time-stamp-precision=nano", "-i", device]
        with host.inside():
            self._process = subprocess.Popen(
                [*argv, "-w", str(path), expression(DEFAULT_PORTS)], stderr=subprocess.PIPE
            )
        assert self._process.stderr
        assert any(b"listening" in line for line in self._process.stderr)

    def stop(self) -> list[dict[str, Any]]:
        """What offline analysis says of the recorded packets."""
        self._process.send_signal(signal.SIGINT)
        self._process.communicate(timeout=10)
        return [json.loads(line) for line in jsonl.render(analyze([str(self.path)]))]


def comparable(session: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in session.items() if key not in ("id", "final")}


@pytest.mark.parametrize("name", STORIES)
def test_live_says_what_offline_analysis_of_the_same_packets_says(name: str, tmp_path: Path) -> None:
    with Lab(load()[name], tmp_path) as lab:
        router = lab.network.router
        with watching(router, "-i", "near") as seen:
            recorder = Recorder(router, "near", tmp_path / "beside.pcap")
            lab.tell()
            ended = time.time()
            told_at, first = seen.next()
            _, last = seen.next()
            said = seen.end()
            offline = recorder.stop()
    assert told_at - ended < 1
    assert (first["final"], last["final"]) == (False, True)
    assert first["key"] == last["key"]
    SESSION.validate(first)
    SESSION.validate(last)
    assert said == []
    assert [comparable(last)] == [comparable(each) for each in offline]


def test_whatever_passes_live_and_offline_analysis_agree(hosts: tuple[Host, Host], tmp_path: Path) -> None:
    """Many of the lab's captures, played one after the other; each has addresses of its own."""
    client, server = hosts
    paths = [path for path in sorted(CAPTURES.glob("*/middle.pcap"))[::3] if on_ethernet(path)]
    for host in hosts:
        _ip("-n", host.namespace, "link", "set", "wire", "mtu", "9000")
    with watching(server, "-i", "wire") as seen:
        recorder = Recorder(server, "wire", tmp_path / "beside.pcap")
        for path in paths:
            replay(client, path)
        time.sleep(0.3)
        last = {each["key"]: each for each in seen.end() if each["final"]}
        offline = {each["key"]: each for each in recorder.stop()}
    assert len(offline) > 60
    assert last.keys() == offline.keys()
    for key, each in offline.items():
        if each["verdict"]["how"] == "open":  # the watch has waited a little longer for nothing
            assert (last[key]["verdict"]["how"], last[key]["last_frame"]) == ("open", each["last_frame"])
        else:
            assert comparable(last[key]) == comparable(each)


def on_ethernet(path: Path) -> bool:
    return path.read_bytes()[20:24] == b"\x01\0\0\0"


def test_the_first_word_comes_within_a_second_and_the_last_after_the_linger(hosts: tuple[Host, Host]) -> None:
    client, server = hosts
    with watching(server, "-i", "wire") as seen:
        died = Talk(client, server).until("DATA").server_aborts()
        early_at, early = seen.next()
        final_at, final = seen.next()
    assert early["verdict"]["dropped_by"] == final["verdict"]["dropped_by"] == "server"
    assert final["verdict"]["stage"] == "data"
    assert early_at - died < 1
    assert 5 <= final_at - died < 6.5


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_what_is_open_is_told(hosts: tuple[Host, Host], sign: int) -> None:
    client, server = hosts
    with watching(server, "-i", "wire") as seen:
        talk = Talk(client, server).until("MAIL")
        time.sleep(0.5)
        (said,) = seen.end(sign)
    assert said["final"]
    assert (said["verdict"]["how"], said["verdict"]["stage"]) == ("open", "mail")
    talk.client.close()
    talk.server.close()


def test_the_loopback_interface_and_any_show_every_packet_once(hosts: tuple[Host, Host]) -> None:
    client, _ = hosts
    for device in "lo", "any":
        with watching(client, "-i", device, "--count", "1") as seen:
            Talk(client, client, "127.0.0.1").until("QUIT").ends()
            *_, final = seen.ended()
        assert final["verdict"]["how"] == "quit"
        assert final["tcp"]["packets"]["client"] + final["tcp"]["packets"]["server"] == final["last_frame"]


def test_several_interfaces_are_one_capture(hosts: tuple[Host, Host]) -> None:
    client, server = hosts
    with watching(server, "-i", "lo", "-i", "wire", "--count", "2") as seen:
        Talk(client, server).until("QUIT").ends()
        Talk(server, server, "127.0.0.1").until("QUIT").ends()
        finals = [each for each in seen.ended() if each["final"]]
    assert {each["client"]["address"] for each in finals} == {"10.77.0.1", "127.0.0.1"}


@pytest.mark.parametrize("tags", [1, 2])
def test_vlan_tags_are_no_obstacle(hosts: tuple[Host, Host], tags: int) -> None:
    """On the way in the kernel takes the first tag out of the frame, on the way out it does not."""
    for host in hosts:
        _ip("-n", host.namespace, "link", "set", "wire", "mtu", "1600")
    for host in hosts:
        with watching(host, "-i", "wire", "--count", "1") as seen:
            replay(hosts[0], CAPTURES / "delivery" / "middle.pcap", tags)
            *_, final = seen.ended()
        assert final["verdict"]["how"] == "quit"
        assert final["tcp"]["missing"] == {"client": 0, "server": 0}


def replay(host: Host, path: Path, tags: int = 0) -> None:
    """Send the frames of a capture, with VLAN tags."""
    from scapy.utils import RawPcapReader  # noqa: PLC0415 - slow to import

    with host.inside(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
        out.bind(("wire", 0))
        for frame, _ in RawPcapReader(str(path)):
            head = b"".join(bytes([0x81, 0x00, 0x00, 7 + number]) for number in range(tags))
            out.send(frame[:12] + head + frame[12:])
            time.sleep(0.001)


@pytest.mark.parametrize("again", ["up", "new"])
def test_an_interface_that_goes_and_comes_back_is_watched_again(hosts: tuple[Host, Host], again: str) -> None:
    client, server = hosts
    with watching(server, "-i", "wire") as seen:
        if again == "up":
            _ip("-n", server.namespace, "link", "set", "wire", "down")
            seen.hears("the interface wire is down")
            _ip("-n", server.namespace, "link", "set", "wire", "up")
        else:
            _ip("-n", server.namespace, "link", "del", "wire")
            seen.hears("the interface wire is down")
            pair = ("link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", server.namespace)
            _ip("-n", client.namespace, *pair)
            for host in hosts:
                lines = [f"address add {host.address4}/24 dev wire", "link set wire up"]
                _ip("-n", host.namespace, "-batch", "-", lines=lines)
        seen.hears("the interface wire is back")
        Talk(client, server).until("DATA").server_aborts()
        _, early = seen.next()
    assert early["verdict"]["dropped_by"] == "server"


@pytest.mark.parametrize("program", ["dumpcap", "tcpdump"])
def test_another_program_may_capture(hosts: tuple[Host, Host], program: str) -> None:
    client, server = hosts
    with watching(server, "-i", "wire", "--via", program, "--until-drop") as seen:
        time.sleep(1.5)  # for the program to begin
        died = Talk(client, server).until("DATA").server_aborts()
        early_at, early = seen.next()
        (final,) = seen.ended()
    assert early_at - died < 1
    assert early["key"] == final["key"]
    assert final["verdict"]["dropped_by"] == "server"
    assert not [pid for pid in server._pids()]


@pytest.mark.parametrize("program", ["dumpcap", "tcpdump"])
def test_that_program_never_outlives_us(hosts: tuple[Host, Host], program: str) -> None:
    _, server = hosts
    with watching(server, "-i", "wire", "--via", program) as seen:
        assert len(server._pids()) == 2
        seen.process.kill()
        wait_for(lambda: not server._pids(), within=5)
    with watching(server, "-i", "wire", "--via", program, "--save", "/proc/nowhere", ready=False) as seen:
        assert seen.process.wait(20) == 2
    assert seen.complaints == ["pcapdiag: the directory /proc/nowhere cannot be made: No such file or directory"]
    assert server._pids() == []


def test_kernel_drops_are_said_and_weaken_the_verdict(hosts: tuple[Host, Host]) -> None:
    """The process is held still while more comes than the buffer takes."""
    client, server = hosts
    with watching(server, "-i", "wire", "--filter", "tcp or udp") as seen:
        talk = Talk(client, server).until("DATA")
        time.sleep(0.5)
        seen.process.send_signal(signal.SIGSTOP)
        flood(client)
        seen.process.send_signal(signal.SIGCONT)
        seen.hears("the kernel dropped")
        talk.server_aborts()
        _, early = seen.next()
    assert (early["verdict"]["dropped_by"], early["verdict"]["strength"]) == ("server", "possible")
    assert any("lost" in each["says"] for each in early["against"])


def flood(host: Host) -> None:
    with host.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        payload = bytes(1400)
        for _ in range(60_000):
            out.sendto(payload, ("10.77.0.2", 9))


class TestPrivileges:
    def test_root_is_given_up_before_anything_is_read(self, hosts: tuple[Host, Host]) -> None:
        client, server = hosts
        with watching(server, "-i", "wire") as seen:
            status = Path(f"/proc/{seen.process.pid}/status").read_text()
            Talk(client, server).until("DATA").server_aborts()
            _, early = seen.next()
        rows = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert rows["Uid"].split() == ["65534"] * 4
        assert rows["Gid"].split() == ["65534"] * 4
        assert {rows[each] for each in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
        assert int(rows["CapBnd"], 16) == 0
        assert rows["NoNewPrivs"] == "1"
        assert early["verdict"]["dropped_by"] == "server"

    def test_the_capability_alone_is_enough(self, hosts: tuple[Host, Host]) -> None:
        client, server = hosts
        alone = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all,+net_raw",
                 "--ambient-caps=-all,+net_raw")  # fmt: skip
        with watching(server, "-i", "wire", command=alone) as seen:
            status = Path(f"/proc/{seen.process.pid}/status").read_text()
            Talk(client, server).until("DATA").server_aborts()
            _, early = seen.next()
        assert "CapEff:\t0000000000000000" in status
        assert early["verdict"]["dropped_by"] == "server"
        assert any("buffer of" in line for line in seen.complaints)

    def test_without_it_one_sentence_says_what_to_do(self, hosts: tuple[Host, Host]) -> None:
        _, server = hosts
        nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all")
        for via in (), ("--via", "tcpdump"), ("--via", "dumpcap"):
            with watching(server, "-i", "wire", *via, command=nobody, ready=False) as seen:
                assert seen.process.wait(20) == 3
            said = [line for line in seen.complaints if "watching" not in line]
            assert len(said) == 1, said
            assert "sudo" in said[0]
            assert "setcap cap_net_raw" in said[0]


class TestRecorder:
    def test_a_dropped_session_is_kept_whole_and_says_the_same_again(self, hosts: tuple[Host, Host]) -> None:
        client, server = hosts
        directory = Path(tempfile.mkdtemp(prefix="pcapdiag-live-"))  # tmp_path lies where nobody but root may go
        directory.chmod(0o755)
        try:
            kept = directory / "kept"
            with watching(server, "-i", "wire", "--save", str(kept)) as seen:
                Talk(client, server).until("QUIT").ends()
                Talk(client, server).until("Subject").server_aborts()
                finals: list[dict[str, Any]] = []
                while len(finals) < 2:
                    _, each = seen.next()
                    finals += [each] if each["final"] else []
                seen.end()
            (dropped,) = [each for each in finals if each["verdict"]["dropped_by"] == "server"]
            report, slice_ = sorted(kept.iterdir())
            assert slice_.name.endswith(f"_10.77.0.2-25_end-of-data_{dropped['key']}.pcapng")
            assert json.loads(report.read_text()) == dropped
            (again,) = [json.loads(line) for line in jsonl.render(analyze([str(slice_)]))]
            assert again["verdict"] | {"end": None} == dropped["verdict"] | {"end": None}
            assert again["key"] == dropped["key"]
            assert again["messages"][0]["octets"] == dropped["messages"][0]["octets"]
            assert slice_.stat().st_uid == 65534
        finally:
            shutil.rmtree(directory)

    def test_a_full_disk_costs_the_saving_only(self, hosts: tuple[Host, Host]) -> None:
        client, server = hosts
        directory = Path(tempfile.mkdtemp(prefix="pcapdiag-live-"))
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=0777", "tmpfs", str(directory)], check=True)
        try:
            (directory / "ballast").write_bytes(bytes(252 << 10))
            with watching(server, "-i", "wire", "--save", str(directory)) as seen:
                Talk(client, server).until("DATA").server_aborts()
                seen.hears("nothing is saved")
                (directory / "ballast").unlink()
                Talk(client, server).until("DATA").server_aborts()
                seen.hears("are saved in")
                said = seen.end()
            assert sum(each["final"] for each in said) == 2
            assert sorted(path.suffix for path in directory.iterdir()) == [".json", ".pcapng"]
        finally:
            subprocess.run(["umount", str(directory)], check=True)
            directory.rmdir()


def test_hangup_opens_the_output_again_and_hooks_and_metrics_live_beside_it(hosts: tuple[Host, Host]) -> None:
    client, server = hosts
    directory = Path(tempfile.mkdtemp(prefix="pcapdiag-live-"))
    directory.chmod(0o777)
    try:
        output, moved, hooked = (directory / name for name in ("live.jsonl", "live.jsonl.1", "hooked"))
        hook = f"tee {hooked}"
        options = ("-o", str(output), "--on-drop", hook, "--early", "--metrics", "19025")
        with watching(server, "-i", "wire", *options) as seen:
            Talk(client, server).until("DATA").server_aborts()
            wait_for(lambda: output.exists() and output.read_text().count("\n") == 1)
            output.rename(moved)
            seen.process.send_signal(signal.SIGHUP)
            wait_for(lambda: output.exists() and output.read_text().count("\n") == 1)
            time.sleep(1.5)
            with server.inside(), socket.create_connection(("127.0.0.1", 19025), 5) as asked:
                asked.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
                told = b"".join(iter(lambda: asked.recv(65536), b""))
            seen.end()
        assert b'pcapdiag_drops_total{dropped_by="server",how="rst",stage="data"} 1.0' in told
        early, final = json.loads(moved.read_text()), json.loads(output.read_text())
        assert (early["final"], final["final"], early["key"]) == (False, True, final["key"])
        assert json.loads(hooked.read_text()) == early
    finally:
        shutil.rmtree(directory)


def wait_for(so: Callable[[], bool], within: float = 20) -> None:
    until = time.monotonic() + within
    while not so():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_killed_at_any_moment_no_saved_file_is_unreadable(hosts: tuple[Host, Host]) -> None:
    client, server = hosts
    directory = Path(tempfile.mkdtemp(prefix="pcapdiag-live-"))
    directory.chmod(0o777)
    try:
        for _ in range(3):
            with watching(server, "-i", "wire", "--save", str(directory)) as seen:
                for _ in range(150):
                    Talk(client, server).until("MAIL").server_aborts()
                wait_for(lambda: any(directory.glob("*.pcapng")))
                seen.process.kill()
        slices = list(directory.glob("*.pcapng"))
        assert slices
        for path in slices:
            (session,) = analyze([str(path)]).sessions
            assert session.verdict.dropped_by.value == "server"
        for path in directory.glob("*.json"):
            json.loads(path.read_text())
    finally:
        shutil.rmtree(directory)
