"""The shape of the project: who imports whom, how large a module may grow, what starts at once, what a rule must say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pcapdiag.diagnosis.rule import HEADINGS, Rule, all_rules

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pcapdiag"
LINES = 400
HEAVY = (
    *("numpy", "scapy", "pyshark", "tabulate", "zstandard", "lz4", "jinja2", "httpx", "platformdirs", "keyring"),
    *("rich", "prometheus_client"),
)
"""Outside packages that `--help` must not wait for."""


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, encoding="utf-8", check=False)


def test_rooms_import_only_what_they_may() -> None:
    pytest.importorskip("importlinter", reason="import-linter is not installed: pip install -e '.[dev]'")
    done = run("-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-cache")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("module", modules(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_modules_stay_small_enough_to_read(module: Path) -> None:
    lines = len(module.read_text(encoding="utf-8").splitlines())
    assert lines <= LINES, "is it one reason to exist, or several?"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["analyze", "--help"],
        ["explain", "--help"],
        ["slice", "--help"],
        ["attach", "--help"],
        ["live", "--help"],
        ["--version"],
    ],
    ids=" ".join,
)
def test_help_waits_for_no_heavy_package(arguments: list[str]) -> None:
    script = f"""
import sys
from pcapdiag.cli import main
try:
    main({arguments!r})
except SystemExit as end:
    assert end.code == 0, end.code
print("loaded:", *({{name.partition(".")[0] for name in sys.modules}} & set({HEAVY!r})))
"""
    done = run("-c", script)
    assert done.stdout.splitlines()[-1:] == ["loaded:"], done.stdout + done.stderr


@pytest.mark.skipif(sys.flags.optimize > 1, reason="python -OO has no docstrings")
@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.id)
def test_a_rule_tells_its_whole_story(rule: Rule) -> None:
    said = [line.removesuffix(":") for line in rule.doc.splitlines() if re.fullmatch(r"[A-Z][a-z ]+:", line)]
    assert said == list(HEADINGS)
    for heading, following in zip(HEADINGS, [*HEADINGS[1:], None], strict=True):
        text = rule.doc.partition(f"{heading}:\n")[2]
        text = text.partition(f"\n{following}:\n")[0] if following else text
        assert text.strip(), f"nothing stands under {heading!r}"


def test_rule_ids_are_well_formed_and_supersede_what_exists() -> None:
    rules = {rule.id: rule for rule in all_rules()}
    assert rules
    for rule in rules.values():
        assert re.fullmatch(r"PD[1-69]\d\d", rule.id)
        assert rule.supersedes <= rules.keys(), f"{rule.id} supersedes rules that do not exist"
        assert rule.id not in rule.supersedes


def test_a_rule_s_hundred_names_its_party() -> None:
    hundreds = {"1": "nobody", "2": "client", "3": "server", "4": "middlebox", "5": "path", "6": None}
    for rule in all_rules():
        digit = rule.id[2]
        if digit in hundreds:
            assert (rule.party.value if rule.party else None) == hundreds[digit], rule.id
