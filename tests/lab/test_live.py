"""A selection of scenarios run here and now: recordings cannot drift from what stacks do. Needs root, and the lab's tools."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from . import __main__ as command_line
from .network import NAMESPACES, LabError, Network
from .record import CAPTURES, TRUTH, run
from .scenario import Scenario, load

MISSING = [tool for tool in command_line.TOOLS if shutil.which(tool) is None]
live = [
    pytest.mark.skipif(os.geteuid() != 0, reason="the lab makes network namespaces: run as root"),
    pytest.mark.skipif(bool(MISSING), reason=f"the lab needs {', '.join(MISSING)}"),
]
FAST = (
    "delivery",
    "data_server_aborts",
    "ehlo_server_killed_with_unread_input",
    "rcpt_client_aborts",
    "mail_reset_to_server_only",
    "dot_perfect_resets_to_both",
    "data_firewall_resets",
    "connect_icmp_prohibited",
    "reply_to_dot_lost_once",
    "nat_server_aborts",
    "certificate_distrusted",
)


def acts(log: list[dict[str, str]]) -> dict[str, list[str]]:
    """What each actor did, in its order: a cable's thread writes beside those who talk over it."""
    did: dict[str, list[str]] = {}
    for event in log:
        did.setdefault(event["actor"], []).append(event["action"])
    return did


class TestLive:
    pytestmark = live

    @pytest.mark.parametrize("name", FAST)
    def test_a_scenario_happens_as_it_was_recorded(self, name: str, tmp_path: Path) -> None:
        run(load()[name], tmp_path / name)
        now = json.loads((tmp_path / name / TRUTH).read_text())
        then = json.loads((CAPTURES / name / TRUTH).read_text())
        assert now["sessions"] == then["sessions"]
        assert acts(now["log"]) == acts(then["log"])

    def test_a_scenario_that_did_not_happen_is_not_recorded(self, tmp_path: Path) -> None:
        def story(lab: object) -> None:
            delivery.story(lab)  # type: ignore[arg-type]
            lab.shows("client", "tcp.flags.reset == 1")  # type: ignore[attr-defined]

        delivery = load()["delivery"]
        changed = Scenario("no_reset", "a reset that never comes", (), story)
        with pytest.raises(LabError, match="was to show at least 1"):
            run(changed, tmp_path / "no_reset")
        assert not (tmp_path / "no_reset" / TRUTH).exists()

    def test_nothing_is_left_behind_and_processes_end(self) -> None:
        network = Network("left behind")
        processes = []

        def fails_in_the_middle() -> None:
            with network:
                processes.append(network.server.spawn(["sleep", "60"]))
                raise RuntimeError("in the middle")

        with pytest.raises(RuntimeError, match="in the middle"):
            fails_in_the_middle()
        assert processes[0].poll() is not None
        assert not any((NAMESPACES / host.namespace).exists() for host in (*network.hosts, network.carrier))

    def test_namespaces_of_a_killed_run_go_with_the_next(self) -> None:
        dead = subprocess.Popen(["true"])
        dead.wait()
        name = f"pcd-{dead.pid}-0-client"
        subprocess.run(["ip", "netns", "add", name], check=True)
        with Network("next"):
            assert not (NAMESPACES / name).exists()


class TestRefusals:
    def test_without_root_one_sentence(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        told = CliRunner().invoke(command_line.main, ["run", "delivery"])
        assert told.exit_code == 1
        assert told.output == "Error: the lab makes network namespaces and raw sockets: run it as root\n"

    def test_without_tools_it_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        monkeypatch.setattr(shutil, "which", lambda tool: None if tool == "nft" else tool)
        told = CliRunner().invoke(command_line.main, ["run", "delivery"])
        assert told.exit_code == 1
        assert told.output == "Error: missing: nftables (apt-get install nftables)\n"

    def test_an_unknown_scenario_is_named(self) -> None:
        told = CliRunner().invoke(command_line.main, ["run", "no_such_thing"])
        assert told.exit_code == 2
        assert "no scenario no_such_thing" in told.output

    def test_list_shows_all(self) -> None:
        told = CliRunner().invoke(command_line.main, ["list"])
        assert len(told.output.splitlines()) == len(load())
