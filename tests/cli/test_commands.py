"""The command line as people and scripts meet it: real processes on the bundled captures."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
import zoneinfo
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import pcapdiag.pipeline
from pcapdiag.cli import main
from pcapdiag.report import formats

ROOT = Path(__file__).parents[2]
ARTICLE = str(ROOT / "captures/article-499-no-routing-hosts/capture.pcap")
CLEAN = str(ROOT / "captures/clean-delivery/capture.pcap")
PROGRAM = [sys.executable, "-m", "pcapdiag"]

posix = pytest.mark.skipif(os.name != "posix", reason="signals and terminals of POSIX")


def run(*arguments: str, given: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    env = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS", "PCAPDIAG_DEBUG")}
    return subprocess.run(
        [*PROGRAM, *arguments], cwd=ROOT, env=env | environment, input=given, capture_output=True, check=False
    )


def test_analyze_says_who_and_where() -> None:
    done = run("analyze", ARTICLE)
    assert done.returncode == 0, done.stderr
    page = done.stdout.decode()
    assert page.startswith("3 SMTP sessions, all of them dropped by the server.")
    assert "RST: the connection is gone" in page
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ([ARTICLE], 0),
        ([ARTICLE, "--exit-code"], 1),
        ([CLEAN, "--exit-code"], 0),
        ([ARTICLE, "--exit-code", "--client", "203.0.113.99"], 0),
        (["no-such-file.pcap"], 3),
        ([ARTICLE, "no-such-file.pcap", "--exit-code"], 3),
        (["README.md"], 3),
        ([], 2),
        ([ARTICLE, "--format", "runes"], 2),
        ([ARTICLE, "--tz", "Middle/Earth"], 2),
        ([ARTICLE, "--utc", "--tz", "Europe/Berlin"], 2),
        ([ARTICLE, "--since", "yesterday"], 2),
        ([ARTICLE, "--port", "0"], 2),
        ([ARTICLE, "-o", "no-such-folder/report.txt"], 2),
    ],
)
def test_exit_status(arguments: list[str], status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    done = CliRunner().invoke(main, ["analyze", *arguments])
    assert done.exit_code == status, done.output
    assert "Traceback" not in done.stderr
    assert bool(done.stderr) == (status in (2, 3))


def test_what_cannot_be_read_is_named_and_the_rest_reported() -> None:
    done = run("analyze", ARTICLE, "no-such-file.pcap")
    assert b"no-such-file.pcap" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert b"3 SMTP sessions" in done.stdout
    assert b"not read: no-such-file.pcap" in done.stdout


@posix
@pytest.mark.parametrize("command", [["analyze"], ["slice", "--session", "1"], ["attach", "gitlab:a/b#7"]])
def test_a_file_without_permission_is_one_that_cannot_be_read(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for the superuser, who may read everything: so opening is made to fail, and asking beforehand, too."""
    (tmp_path / "secret.pcap").write_bytes(Path(ARTICLE).read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITLAB_TOKEN", "x")
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    monkeypatch.setattr("builtins.open", _refused(open))
    done = CliRunner().invoke(main, [*command, "secret.pcap"])
    assert done.exit_code == 3, done.output
    assert done.stderr == "pcapdiag: secret.pcap: cannot be opened: Permission denied\n"


def _refused(really: Callable[..., Any]) -> Callable[..., Any]:
    def opened(file: Any, *more: Any, **options: Any) -> Any:
        if str(file).endswith("secret.pcap"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), file)
        return really(file, *more, **options)

    return opened


def test_standard_input() -> None:
    done = run("analyze", "-", given=Path(ARTICLE).read_bytes())
    assert done.returncode == 0, done.stderr
    assert b"3 SMTP sessions" in done.stdout


def test_json_and_jsonl() -> None:
    whole = json.loads(run("analyze", ARTICLE, "--format", "json").stdout)
    lines = [json.loads(line) for line in run("analyze", ARTICLE, "--format", "jsonl").stdout.splitlines()]
    assert [line["verdict"] for line in lines] == [session["verdict"] for session in whole["sessions"]]


def test_filters_keep_the_ids() -> None:
    def ids(*arguments: str) -> list[int]:
        return [
            session["id"]
            for session in json.loads(run("analyze", ARTICLE, "-f", "json", *arguments).stdout)["sessions"]
        ]

    assert ids() == [1, 2, 3]
    assert ids("--session", "2") == [2]
    assert ids("--since", "14:22:48", "--utc") == [3]
    assert ids("--until", "1999-04-05 14:22:42", "--utc") == [1]
    assert ids("--until", "1999-04-05T16:22:42+02:00") == [1]
    assert ids("--sender", "anna@example.com", "--attention", "--dropped") == [1, 2, 3]
    assert ids("--recipient", "nobody@example.org") == []


def test_one_session_is_told_whole_even_if_orderly() -> None:
    page = run("analyze", CLEAN, "--session", "1").stdout.decode()
    assert "THE CONVERSATION" in page
    assert "QUIT" in page


def test_no_session_passes_or_none_is_there() -> None:
    assert (
        b"No session passes the filter; there are 3 sessions"
        in run("analyze", ARTICLE, "--server", "203.0.113.99").stdout
    )


def test_output_file(tmp_path: Path) -> None:
    target = tmp_path / "report.txt"
    done = run("analyze", ARTICLE, "-o", str(target))
    assert done.stdout == b""
    assert "►" in target.read_text(encoding="utf-8")


def test_a_report_is_not_written_over_its_capture(tmp_path: Path) -> None:
    capture, link = tmp_path / "trace.pcap", tmp_path / "link.pcap"
    octets = (ROOT / ARTICLE).read_bytes()
    capture.write_bytes(octets)
    link.symlink_to(capture)
    for target in (capture, link):
        done = run("analyze", str(capture), "--format", "html", "-o", str(target))
        assert done.returncode == 2
        assert b"is a capture that is read here: write the report to another file" in done.stderr
    assert capture.read_bytes() == octets
    junk = tmp_path / "junk"
    junk.write_bytes(b"no capture")
    assert run("analyze", str(junk), "--format", "json", "-o", str(junk)).returncode == 2
    assert junk.read_bytes() == b"no capture"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("command", [["analyze"], ["slice", "--session", "1", "-o", "-"]], ids=" ".join)
def test_a_full_disk_is_told(command: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*PROGRAM, *command, ARTICLE], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert b"No space left on device" in done.stderr


def test_a_console_without_arrows_gets_ascii() -> None:
    done = run("analyze", ARTICLE, PYTHONIOENCODING="cp1252")
    assert done.returncode == 0, done.stderr
    assert b"--->" in done.stdout
    done.stdout.decode("ascii")


def test_columns_and_colour_in_a_pipe() -> None:
    done = run("analyze", ARTICLE, COLUMNS="60")
    assert (
        max(len(line) for line in done.stdout.decode().splitlines() if "addr ==" not in line and "tcpdump" not in line)
        <= 60
    )
    assert b"\x1b" not in done.stdout
    assert b"\x1b[" in run("analyze", ARTICLE, "--color").stdout


@posix
@pytest.mark.parametrize(
    ("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colour_on_a_terminal(environment: dict[str, str], coloured: bool) -> None:
    import pty  # noqa: PLC0415  (POSIX only)

    env = {key: value for key, value in os.environ.items() if key != "NO_COLOR"} | {"TERM": "xterm"} | environment
    ours, theirs = pty.openpty()
    with subprocess.Popen([*PROGRAM, "analyze", ARTICLE], cwd=ROOT, env=env, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        page = b""
        while True:
            try:
                page += (piece := os.read(ours, 65536))
            except OSError:  # Linux: EIO once the other end is closed
                break
            if not piece:
                break
    os.close(ours)
    assert process.returncode == 0, page
    assert (b"\x1b[" in page) == coloured


@posix
def test_a_reader_that_goes_away_is_no_error() -> None:
    with subprocess.Popen(
        [*PROGRAM, "analyze", ARTICLE], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        complaint = process.stderr.read()
    assert complaint == b""
    assert process.returncode == 0


def _unread(pipe: int) -> int:
    """Octets in a pipe that nobody has read yet (FIONREAD, ioctl_tty(2))."""
    import fcntl  # noqa: PLC0415  (POSIX only)
    import termios  # noqa: PLC0415

    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4), sys.byteorder)


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux how much of a pipe was read")
def test_interrupt_while_reading_standard_input_ends_it_and_reports() -> None:
    command = [*PROGRAM, "analyze", "-"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(Path(ARTICLE).read_bytes())
        process.stdin.flush()
        while _unread(process.stdin.fileno()) and process.poll() is None:
            time.sleep(0.05)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        assert b"3 SMTP sessions" in process.stdout.read()
        assert process.wait(30) == 0


def test_interrupted_elsewhere_is_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pcapdiag.pipeline, "analyze", interrupted)
    done = CliRunner().invoke(main, ["analyze", ARTICLE])
    assert done.exit_code == 130
    assert done.stderr == "pcapdiag: interrupted\n"


def test_a_bug_of_ours_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("no idea")

    monkeypatch.setattr(pcapdiag.pipeline, "analyze", fail)
    done = CliRunner().invoke(main, ["analyze", ARTICLE])
    assert done.exit_code == 70
    assert "ZeroDivisionError: no idea" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" in CliRunner().invoke(main, ["analyze", ARTICLE, "--debug"]).stderr
    assert "Traceback" in CliRunner().invoke(main, ["analyze", ARTICLE], env={"PCAPDIAG_DEBUG": "1"}).stderr


def test_without_a_time_zone_database_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows without the package tzdata."""

    def missing(name: str) -> None:
        raise zoneinfo.ZoneInfoNotFoundError(name)

    monkeypatch.setattr(zoneinfo, "ZoneInfo", missing)
    monkeypatch.setattr(zoneinfo, "available_timezones", set)
    done = CliRunner().invoke(main, ["analyze", ARTICLE, "--tz", "Europe/Berlin"])
    assert done.exit_code == 2
    assert "pip install tzdata" in done.stderr


def test_version_and_help() -> None:
    assert run("--version").stdout.decode().split() == ["pcapdiag", pcapdiag.__version__]
    assert b"analyze" in run("--help").stdout
    assert b"|".join(name.encode() for name in formats.names()) in b"".join(run("analyze", "-h").stdout.split())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["analyse"], b"Did you mean 'analyze'?"),
        ([ARTICLE], b"To analyse that file: pcapdiag analyze"),
        (["x"], b"no command 'x'"),
    ],
)
def test_a_wrong_command_is_helped(arguments: list[str], says: bytes) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert says in done.stderr


def test_explain_tells_a_rule_or_lists_them() -> None:
    listing = run("explain").stdout.decode()
    assert "PD302" in listing
    story = run("explain", "pd302").stdout.decode()
    for heading in ("WHAT IT SEES", "WHAT IT MEANS", "WHAT ELSE LOOKS LIKE THIS", "WHAT TO DO", "SOURCES"):
        assert heading in story


def test_explain_suggests_the_nearest() -> None:
    done = run("explain", "PD3O2")
    assert done.returncode == 2
    assert b"Did you mean PD302" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--save-size", "1G"], "--save-size says what --save DIR keeps"),
        (["--save-age", "1h"], "--save-age says what --save DIR keeps"),
        (["--save-all"], "--save-all says what --save DIR keeps"),
        (["--details", "--format", "json"], "--details tells sessions in text"),
        (["--duration", "999999d"], "'999999d' is more than ten years"),
    ],
)
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs the privilege to capture")
def test_live_takes_no_option_that_would_do_nothing(arguments: list[str], says: str) -> None:
    done = run("live", "-i", "lo", *arguments)
    assert done.returncode == 2
    assert says in done.stderr.decode()
