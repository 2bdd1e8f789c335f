"""The live view driven in tmux as a user drives it, and its screen read."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.network import Host
from tests.live.stage import Talk, cable

TOOLS = ("ip", "tmux")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]
pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs network namespaces: run as root"),
    pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}"),
]
PATIENCE_S = 20.0


class Tmux:
    """A terminal of 80 columns and 24 lines, with a shell in which the command runs."""

    def __init__(self, directory: Path) -> None:
        self._environment = {**os.environ, "TMUX_TMPDIR": str(directory), "PS1": "$ ", "LC_ALL": "C.UTF-8"}
        self._environment.pop("TMUX", None)

    def __call__(self, *words: str) -> str:
        argv = ["tmux", "-L", "pcapdiag", "-f", "/dev/null", *words]
        return subprocess.run(argv, env=self._environment, capture_output=True, text=True, check=True).stdout

    def keys(self, *names: str) -> None:
        self("send-keys", *names)

    def screen(self) -> str:
        return self("capture-pane", "-p")

    def until(self, so: Callable[[str], bool], within: float = PATIENCE_S) -> str:
        """The screen, as soon as it is so."""
        until = time.monotonic() + within
        while not so(screen := self.screen()):
            assert time.monotonic() < until, screen
            time.sleep(0.1)
        return screen

    def shows(self, *words: str) -> str:
        return self.until(lambda screen: all(word in screen for word in words))


@contextmanager
def viewing(host: Host, directory: Path, *options: str, program: Sequence[str] = ("-m", "pcapdiag")) -> Iterator[Tmux]:
    tmux = Tmux(directory)
    python = ["ip", "netns", "exec", host.namespace, sys.executable, *program]
    command = [*python, "live", "-i", "wire", *options]
    tmux("new-session", "-d", "-x", "80", "-y", "24", "-c", str(Path(__file__).parents[3]), "sh")
    try:
        tmux.keys(" ".join(command) + "; echo status $?", "Enter")
        yield tmux
    finally:
        tmux("kill-server")


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    with cable() as both:
        yield both


def test_sessions_come_end_and_are_looked_at(hosts: tuple[Host, Host], tmp_path: Path) -> None:
    client, server = hosts
    with viewing(server, tmp_path) as tmux:
        tmux.shows("no session so far", "packets/s")
        Talk(client, server).until("QUIT").ends()
        running = Talk(client, server).until("RCPT")
        died = Talk(client, server).until("DATA").server_aborts()
        tmux.until(lambda screen: "server    data        likely?" in screen)
        assert time.time() - died < 1.5
        tmux.shows("running   rcpt", "server    data        likely    delayed", "1 open  2 ended  1 dropped")
        tmux.keys("Enter")
        ladder = tmux.shows("THE CONVERSATION", "DATA ───", "The server 10.77.0.2 reset the connection")
        assert "×│ ◄───" in ladder
        tmux.keys("G")
        tmux.shows("IN WIRESHARK")
        tmux.keys("Escape")
        tmux.shows("3 sessions")
        tmux.keys("Down", "Enter")
        tmux.shows("running, so far", "RCPT TO")
        running.until("QUIT").ends()
        tmux.shows("it ended with QUIT")
        tmux.keys("Left", "d")
        assert "quit " not in tmux.shows("dropped sessions only", "1 session")[300:-80]
        tmux("resize-window", "-x", "120", "-y", "10")
        tmux.shows("10.77.0.2:25   ", "q quit")
        tmux("resize-window", "-x", "80", "-y", "24")
        tmux.keys("d")
        tmux.shows("3 sessions")
        tmux.keys("q")
        left = tmux.shows("status 0", "3 sessions ended")
        assert "q quit" not in left
        tmux.keys("stty -a", "Enter")
        settings = tmux.shows("susp = ^Z")
        assert " icanon" in settings
        assert " echo " in settings


def test_what_an_attacker_sends_is_shown_as_text(hosts: tuple[Host, Host], tmp_path: Path) -> None:
    client, server = hosts
    with viewing(server, tmp_path) as tmux:
        tmux.shows("no session so far")
        talk = Talk(client, server)
        talk.server.sendall(b"220 [red]x[/red] \x1b[2J\x1b]0;pwned\x07\r\n")
        talk.client.recv(100)
        talk._say(talk.client, talk.server, "EHLO [bold]h[/bold]")
        talk.server_aborts()
        tmux.shows("server    ehlo")
        tmux.keys("Enter")
        tmux.shows("[red]x[/red]", "\\x1b[2J", "[bold]h[/bold]")
        assert "pwned" not in tmux("display-message", "-p", "#{pane_title}")
        tmux.keys("q")
        tmux.shows("status 0")


def test_ctrl_c_leaves_and_complaints_do_not_tear_the_screen(hosts: tuple[Host, Host], tmp_path: Path) -> None:
    client, server = hosts
    kept = tmp_path / "out"
    kept.mkdir()
    kept.chmod(0o777)
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(0o755)
    with viewing(server, tmp_path, "-o", str(kept / "live.jsonl"), "--on-drop", "false") as tmux:
        tmux.shows("no session so far")
        Talk(client, server).until("DATA").server_aborts()
        screen = tmux.shows("ended with status 1")
        assert screen.splitlines()[0].startswith(" pcapdiag live  wire")
        assert screen.splitlines()[-2].startswith(" pcapdiag: --on-drop")
        tmux.keys("C-c")
        tmux.shows("status 0", "--on-drop: 0 runs succeeded, 1 failed")
    assert (kept / "live.jsonl").read_text().count("\n") == 2


@pytest.mark.parametrize("option", ["--no-view", "--format text"])
def test_lines_are_had_for_the_asking(hosts: tuple[Host, Host], tmp_path: Path, option: str) -> None:
    client, server = hosts
    with viewing(server, tmp_path, *option.split()) as tmux:
        tmux.shows("watching wire")
        Talk(client, server).until("DATA").server_aborts()
        assert "q quit" not in tmux.shows("dropped by the server, data")
        tmux.keys("C-c")
        tmux.shows("status 0")


def test_a_redacted_view_shows_no_address(hosts: tuple[Host, Host], tmp_path: Path) -> None:
    client, server = hosts
    with viewing(server, tmp_path, "--redact", "all") as tmux:
        tmux.shows("no session so far")
        talk = Talk(client, server).until("MAIL")
        screen = tmux.shows("running   mail")
        tmux.keys("Enter")
        screen += tmux.shows("THE CONVERSATION")
        assert "10.77." not in screen
        for end in (talk.client, talk.server):
            end.shutdown(socket.SHUT_RDWR)
            end.close()
        tmux.keys("q")
        tmux.shows("status 0")


def test_a_mistake_of_ours_gives_the_terminal_back_and_is_told(hosts: tuple[Host, Host], tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text(
        "from pcapdiag.cli import main\nfrom pcapdiag.live.view import screen\n"
        "screen.Screen.sessions = lambda *_: 1 / 0\nmain()\n"
    )
    with viewing(hosts[1], tmp_path, program=(str(broken),)) as tmux:
        tmux.shows("a bug of pcapdiag itself: ZeroDivisionError", "status 70")
        tmux.keys("stty -a", "Enter")
        assert " icanon" in tmux.shows("susp = ^Z")
