"""``pcapdiag slice`` as people meet it."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pcapdiag.cli import main
from pcapdiag.pipeline import analyze

ROOT = Path(__file__).parents[2]
SCENES = ROOT / "captures"
ARTICLE = SCENES / "article-499-no-routing-hosts/capture.pcap"
CLEAN = SCENES / "clean-delivery/capture.pcap"
ONE = SCENES / "server-rst-after-data/capture.pcap"
WEAKER = SCENES / "refused-by-a-nearer-device/capture.pcap"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["slice", *map(str, arguments)])


def test_a_full_disk_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pcapdiag.slices.pcapng.Writer.packet", full)
    done = run(ONE, "-o", "slice.pcapng")
    assert done.exit_code == 2
    assert done.stderr == "pcapdiag: cannot write slice.pcapng: No space left on device\n"
    assert not list(Path().iterdir())


def test_the_session_that_needs_attention() -> None:
    done = run(ONE)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("capture-session-1.pcapng: ")
    assert done.stdout.endswith(" packets of session 1, redacted at level mail\n")
    assert analyze(["capture-session-1.pcapng"]).attention == 1


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        ([ARTICLE], 2, "3 sessions need attention; name those you want with --session N: 1 (192.0.2.10:1068 to"),
        ([CLEAN], 2, "no session needs attention; name one with --session N: 1 (192.0.2.10:49152 to"),
        ([ARTICLE, "--session", "9"], 2, "there is no session 9; the captures hold 3"),
        (["-"], 3, "standard input cannot be read twice, as a slice asks for: save the capture to a file"),
        (["no-such-file.pcap"], 3, "no-such-file.pcap: cannot be opened"),
        ([ARTICLE, "--session", "1", "-o", "no-such-folder/a.pcapng"], 2, "cannot write no-such-folder/a.pcapng"),
        ([ARTICLE, "--session", "1", "--port", "0"], 2, "--port"),
    ],
)
def test_refusals(arguments: list[str | Path], status: int, says: str) -> None:
    done = run(*arguments)
    assert done.exit_code == status
    assert says in done.stderr
    assert list(Path().iterdir()) == []


def test_a_capture_is_not_overwritten() -> None:
    shutil.copy(CLEAN, "trace.pcap")
    before = Path("trace.pcap").read_bytes()
    os.symlink("trace.pcap", "other-name.pcap")
    done = run("trace.pcap", "--session", "1", "-o", "other-name.pcap")
    assert done.exit_code == 2
    assert "is a capture that is read here" in done.stderr
    assert Path("trace.pcap").read_bytes() == before


def test_to_standard_output() -> None:
    program = [sys.executable, "-m", "pcapdiag", "slice", str(CLEAN), "--session", "1", "-o", "-"]
    done = subprocess.run(program, capture_output=True, check=True)
    assert done.stdout.startswith(b"\n\r\r\n")
    assert done.stderr == b""
    assert list(Path().iterdir()) == []


def test_a_slice_that_says_something_else_is_written_and_said_so() -> None:
    done = run(WEAKER, "--session", "2", "-o", "a.pcapng")
    assert done.exit_code == 0
    assert "read alone, the slice says of session 2: dropped by server instead of middlebox" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert Path("a.pcapng").exists()


def test_the_same_key_gives_the_same_slice() -> None:
    for name in ("a.pcapng", "b.pcapng"):
        assert run(CLEAN, "--session", "1", "--redact", "all", "--redact-key", "key", "-o", name).exit_code == 0
    assert Path("a.pcapng").read_bytes() == Path("b.pcapng").read_bytes()
    assert analyze(["a.pcapng"]).sessions


def test_a_ring_of_compressed_files() -> None:
    """A session that goes on in the next file: its packets of both, and each says from where."""
    octets = CLEAN.read_bytes()
    records, at = [], 24
    while at < len(octets):
        size = 16 + int.from_bytes(octets[at + 8 : at + 12], "little")
        records.append(octets[at : at + size])
        at += size
    for number, part in enumerate((records[:10], records[10:])):
        Path(f"ring{number}.pcap.gz").write_bytes(gzip.compress(octets[:24] + b"".join(part)))
    done = run("ring0.pcap.gz", "ring1.pcap.gz", "--session", "1")
    assert (done.exit_code, done.stderr) == (0, "")
    text = Path("ring0-session-1.pcapng").read_bytes()
    for said in (b"frame 10 of ring0.pcap.gz", b"frame 1 of ring1.pcap.gz"):
        assert said in text
    for name in ("ring0.pcap.gz", "ring1.pcap.gz"):
        assert hashlib.sha256(Path(name).read_bytes()).hexdigest().encode() in text
    assert analyze(["ring0-session-1.pcapng"]).captures[0].packets == len(records)
