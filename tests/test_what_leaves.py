"""Whatever leaves the machine holds no secret and no attack: every format for others, redacted text and JSON, and slices."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from pathlib import Path

import pytest
from click.testing import CliRunner

from pcapdiag.cli import main
from pcapdiag.report import formats
from tests import hostile

ALL = [name for name in formats.names()]
RAW = re.compile(r"<(script|img|b)[ >]", re.IGNORECASE)


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hostile") / "hostile.pcap"
    path.write_bytes(hostile.capture())
    return path


def run(*arguments: str) -> bytes:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout_bytes


@pytest.fixture(scope="module")
def reports(trace: Path) -> dict[str, str]:
    """Every format as others get it."""
    return {
        name: run("analyze", str(trace), "--format", name, "--redact", "mail", "--dialogue", "all").decode()
        for name in ALL
    }


@pytest.mark.parametrize("name", [name for name in ALL if formats.for_others(name)])
def test_formats_for_others_are_redacted_unasked(name: str, trace: Path) -> None:
    report = run("analyze", str(trace), "--format", name).decode()
    assert hostile.SENDER not in report
    assert hostile.SENDER in run("analyze", str(trace), "--format", name, "--redact", "none").decode()


@pytest.mark.parametrize("name", ALL)
def test_no_secret_is_found(name: str, reports: dict[str, str]) -> None:
    found = [secret for secret in hostile.SECRETS if secret.lower() in reports[name].lower()]
    assert not found


@pytest.mark.parametrize("name", ALL)
def test_credentials_and_bodies_are_not_there_even_unredacted(name: str, trace: Path) -> None:
    report = run("analyze", str(trace), "--format", name, "--redact", "none", "--dialogue", "all").decode()
    found = [
        secret
        for secret in (hostile.PASSWORD, hostile.CREDENTIALS, hostile.LOGIN, hostile.BODY)
        if secret.lower() in report.lower()
    ]
    assert not found


@pytest.mark.parametrize("name", ALL)
def test_no_control_or_format_character_is_left(name: str, reports: dict[str, str]) -> None:
    hidden = {
        f"U+{ord(character):04X}"
        for character in set(reports[name]) - set("\n\r")
        if unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp", "Cs")
    }
    assert not hidden


@pytest.mark.parametrize("name", ["text", "json", "jsonl"])
def test_text_and_json_tell_all_unless_asked(name: str, trace: Path) -> None:
    assert hostile.SENDER in run("analyze", str(trace), "--format", name).decode()


def test_no_cell_is_a_formula(reports: dict[str, str]) -> None:
    rows = list(csv.reader(io.StringIO(reports["csv"])))
    assert len(rows) == 2
    number = re.compile(r"-?[\d.]+")
    assert not [cell for row in rows for cell in row if re.match(r"\s*[=+@\t\r-]", cell) and not number.fullmatch(cell)]


@pytest.mark.parametrize("name", [name for name in ALL if name not in ("json", "jsonl", "text")])
def test_nothing_of_64_kib_comes_through(name: str, reports: dict[str, str]) -> None:
    assert "A" * 2_000 not in reports[name]


def test_a_slice_holds_no_secret_and_the_same_verdict(trace: Path, tmp_path: Path) -> None:
    cut = tmp_path / "slice.pcapng"
    run("slice", str(trace), "--session", "1", "-o", str(cut))
    octets = cut.read_bytes()
    assert not [secret for secret in hostile.SECRETS if secret.encode() in octets]
    assert verdict(cut) == verdict(trace)


def verdict(path: Path) -> list[object]:
    session = json.loads(run("analyze", str(path), "--format", "json"))["sessions"][0]
    told = session["verdict"]
    return [told[key] for key in ("dropped_by", "how", "stage", "owing", "impact", "strength", "rule", "attention")]
