"""``--redact`` and ``--redact-key`` as people meet them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pcapdiag.cli import main

CAPTURES = Path(__file__).parents[2] / "captures"
REFUSED = str(CAPTURES / "recipient-refused/capture.pcap")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["analyze", REFUSED, *arguments])


def recipient(*arguments: str) -> str:
    done = run("--format", "json", *arguments)
    assert done.exit_code == 0, done.output
    told: dict[str, Any] = json.loads(done.stdout)
    address: str = told["sessions"][0]["messages"][0]["recipients"][0]["address"]
    return address


def test_without_a_word_nothing_is_hidden() -> None:
    plain = run().stdout
    assert "Redacted" not in plain
    assert plain == run("--redact", "none").stdout
    address = recipient()
    assert recipient("--redact", "mail") != address
    assert recipient("--redact", "mail").partition("@")[1:] == address.partition("@")[1:]
    assert recipient("--redact", "all").partition("@")[2] != address.partition("@")[2]


def test_where_nothing_is_hidden_nothing_is_paid() -> None:
    loaded = f"import sys; from pcapdiag.cli import main; main(['analyze', {REFUSED!r}], standalone_mode=False); "
    loaded += "print([name for name in sys.modules if name in ('pcapdiag.redact', 'pcapdiag.pseudonym')])"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_key_is_made_for_its_owner_alone_and_used_again(tmp_path: Path) -> None:
    key = tmp_path / "key"
    first = recipient("--redact", "mail", "--redact-key", str(key))
    kept = key.read_text()
    assert len(bytes.fromhex(kept)) == 32
    if os.name == "posix":
        assert key.stat().st_mode & 0o777 == 0o600
    assert recipient("--redact", "mail", "--redact-key", str(key)) == first
    assert recipient("--redact", "all", "--redact-key", str(key)).partition("@")[0] == first.partition("@")[0]
    assert key.read_text() == kept
    assert recipient("--redact", "mail") != first
    assert recipient("--redact", "mail", "--redact-key", str(tmp_path / "another")) != first


def test_a_report_on_paper_has_the_same_pseudonyms(tmp_path: Path) -> None:
    options = ("--redact", "all", "--redact-key", str(tmp_path / "key"))
    assert f"<{recipient(*options)}>" in run(*options, "--session", "1").stdout


def test_filters_look_at_what_was_captured() -> None:
    address = recipient()
    assert recipient("--redact", "all", "--recipient", address) not in ("", address)
    done = run("--redact", "all", "--server", "198.51.100.25", "--exit-code")
    assert (done.exit_code, "198.51.100.25" in done.stdout) == (0, False)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("not hexadecimal", "holds no key: 64 hexadecimal digits are expected"),
        ("schlüssel", "holds no key: 64 hexadecimal digits are expected"),
        ("", "holds a key of 0 octets: 32 are expected"),
        ("00" * 31, "holds a key of 31 octets: 32 are expected"),
    ],
)
def test_a_file_that_holds_no_key(content: str, says: str, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(content, encoding="utf-8")
    done = run("--redact", "mail", "--redact-key", str(key))
    assert done.exit_code == 2
    assert says in done.stderr
    assert done.stdout == ""
    assert key.read_text(encoding="utf-8") == content


def test_a_key_that_cannot_be_kept(tmp_path: Path) -> None:
    done = run("--redact", "mail", "--redact-key", str(tmp_path / "nowhere" / "key"))
    assert done.exit_code == 2
    assert "cannot be written: No such file or directory" in done.stderr


def test_a_key_that_cannot_be_read(tmp_path: Path) -> None:
    done = run("--redact", "mail", "--redact-key", str(tmp_path / ("k" * 300)))
    assert done.exit_code == 2
    assert "cannot be read: File name too long" in done.stderr


@pytest.mark.parametrize("level", [[], ["--redact", "none"]])
def test_a_key_that_would_hide_nothing(level: list[str], tmp_path: Path) -> None:
    """Who names a key believes that the report is redacted."""
    done = run(*level, "--redact-key", str(tmp_path / "key"))
    assert done.exit_code == 2
    assert "--redact-key has no use, because nothing is redacted: add --redact mail or --redact all" in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "key").exists()
