"""``--on-drop``: what the command gets, and what becomes of it when it fails, hangs, floods or is too many."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pcapdiag.errors import UsageError
from pcapdiag.live import hook
from pcapdiag.live.events import Ended, Event
from pcapdiag.live.hook import BURST, Hook, command_of
from pcapdiag.live.sparing import Mutter, Once
from tests.lab.network import Host

from .events import dropped, orderly
from .stage import Talk, cable, watching


@pytest.fixture
def said() -> list[str]:
    return []


def script(tmp_path: Path, text: str) -> tuple[str, ...]:
    path = tmp_path / "hook.py"
    path.write_text(text)
    return (sys.executable, str(path))


def tell(ended: Ended) -> str:
    return json.dumps({"id": ended.judged.id, "final": ended.final}) + "\n"


KEEPS = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read())\n"


def runs(tmp_path: Path, events: list[Event], *, early: bool = False) -> list[tuple[int, bool]]:
    """For which sessions the command was run, and whether it was the final word."""
    kept = tmp_path / "kept"
    kept.write_text("")
    made = Hook((*script(tmp_path, KEEPS), str(kept)), tell, pytest.fail, early=early)
    for event in events:
        made.hear(event)
    made.close()
    told = [json.loads(line) for line in kept.read_text().splitlines()]
    return sorted((each["id"], each["final"]) for each in told)


def test_it_is_run_once_for_each_dropped_session_and_for_no_other(tmp_path: Path) -> None:
    early, final = dropped(1, final=False), dropped(1)
    events: list[Event] = [early, final, replace(final, again=True), orderly(2), dropped(3, final=False), dropped(3)]
    assert runs(tmp_path, events) == [(1, True), (3, True)]
    assert runs(tmp_path, events, early=True) == [(1, False), (3, False)]


def test_a_session_that_was_told_as_open_and_then_dropped_is_not_forgotten(tmp_path: Path) -> None:
    assert runs(tmp_path, [orderly(1), replace(dropped(1), again=True)]) == [(1, True)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "import sys; sys.stderr.write('no \\x1b[31mway\\nreally'); sys.exit(3)",
            "ended with status 3: no \\x1b[31mway",
        ),
        ("import os; os.kill(os.getpid(), 15)", "ended with signal 15"),
        ("import time; time.sleep(60)", "was killed after 1 s"),
        ("import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)", "was killed after 1 s"),
        ("import sys\nwhile True: sys.stderr.write('x' * 10000)", "was killed after 1 s"),
        ("import os, time; os.close(2); time.sleep(60)", "was killed after 1 s"),
    ],
    ids=["status", "signal", "hangs", "deaf", "floods", "closed"],
)
def test_what_goes_wrong_is_told_in_a_sentence(tmp_path: Path, said: list[str], text: str, words: str) -> None:
    made = Hook(script(tmp_path, text), tell, said.append, timeout_s=1)
    began = time.monotonic()
    made.hear(dropped(1))
    assert time.monotonic() - began < 0.5, "the watch waited"
    made.close()
    assert words in said[0]
    assert said[1:] == ["--on-drop: 0 runs succeeded, 1 failed, 0 were left out"]


def test_a_run_that_hangs_is_killed_with_all_it_started(tmp_path: Path, said: list[str]) -> None:
    """And what it left behind in the background keeps nobody waiting."""
    text = "import subprocess, sys, time\np = subprocess.Popen(['sleep', '300'])\nopen(sys.argv[1], 'w').write(str(p.pid))\ntime.sleep(300)"
    note = tmp_path / "pid"
    made = Hook((*script(tmp_path, text), str(note)), tell, said.append, timeout_s=1)
    made.hear(dropped(1))
    made.close()
    assert "killed after 1 s" in said[0]
    assert not running(int(note.read_text()))


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_end_waits_within_bounds(tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hook, "LAST_S", 0.5)
    made = Hook(script(tmp_path, "import time; time.sleep(300)"), tell, said.append)
    for number in range(5):
        made.hear(dropped(number))
    began = time.monotonic()
    made.close()
    assert time.monotonic() - began < 4
    assert "killed when pcapdiag ended" in said[0]
    assert said[-1] == "--on-drop: 0 runs succeeded, 2 failed, 3 were left out"


def test_hundreds_at_once_are_limited_counted_and_told_once(tmp_path: Path, said: list[str]) -> None:
    kept = tmp_path / "kept"
    made = Hook((*script(tmp_path, KEEPS), str(kept)), tell, said.append)
    for number in range(300):
        made.hear(dropped(number))
    made.close()
    assert len(kept.read_text().splitlines()) == BURST
    assert (made.done, made.left_out) == (BURST, 300 - BURST)
    assert len(said) == 2
    assert "was not run" in said[0]


def test_a_command_that_cannot_be_run_is_told_before_it_is_needed(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("")
    for text, words in (("no-such-program x", "no program no-such-program"), (str(plain), "no program"),
                        ("'x", "cannot be split"), (" ", "names no command")):  # fmt: skip
        with pytest.raises(UsageError, match=words):
            command_of(text)
    assert command_of("sh -c 'echo \"$1\"' x") == (shutil.which("sh"), "-c", 'echo "$1"', "x")


def test_a_mutter_says_the_first_at_once_and_then_how_many_more(said: list[str]) -> None:
    mutter = Mutter(said.append, every_s=0.2)
    for _ in range(5):
        mutter("no")
    time.sleep(0.25)
    mutter("no")
    assert said == ["no", "no (and 4 times before, since this was last said)"]


def test_once_remembers_within_bounds() -> None:
    once = Once()
    assert [once.first(each) for each in (1, 2, 1)] == [True, True, False]
    for number in range(3 * Once.MOST):
        once.first(number)
    assert len(once._seen) == Once.MOST


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    with cable() as both:
        yield both


@pytest.mark.skipif(os.geteuid() != 0, reason="needs network namespaces: run as root")
@pytest.mark.skipif(shutil.which("ip") is None, reason="needs ip")
def test_on_the_wire_nothing_of_it_reaches_the_command_line(hosts: tuple[Host, Host], tmp_path: Path) -> None:
    """As nobody, with a hostile sender, ended by SIGTERM while the session lingers."""
    client, server = hosts
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents[:3]:
        parent.chmod(0o755)
    hostile = tmp_path / "on-drop"
    hostile.write_text(
        f"#!/bin/sh\ncat > {tmp_path}/told\ntr '\\0' '\\n' < /proc/$$/cmdline > {tmp_path}/argv\nenv > {tmp_path}/env\n"
    )
    hostile.chmod(0o755)
    with watching(server, "-i", "wire", "--on-drop", f"{hostile} 'two words' $HOME") as seen:
        talk = Talk(client, server)
        talk._say(talk.server, talk.client, "220 mx.example.com $(touch pwned)")
        talk._say(talk.client, talk.server, "EHLO `touch pwned`;touch$IFS/pwned")
        talk.server_aborts()
        _, early = seen.next()
        seen.end()
    told = json.loads((tmp_path / "told").read_text())
    assert told["key"] == early["key"]
    assert told["final"]
    assert "touch" in told["helo"]
    assert (tmp_path / "argv").read_text().splitlines() == ["/bin/sh", str(hostile), "two words", "$HOME"]
    assert "touch" not in (tmp_path / "env").read_text()
    assert (tmp_path / "told").stat().st_uid == 65534
