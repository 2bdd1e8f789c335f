"""Commands and outputs in the documentation, so that what is printed there is what happens.

    python -m tools.readme run first     # runs README.md's first command; it must print what README.md shows
    python -m tools.readme run tests     # and the one that passes all tests
    python -m tools.readme show first

A command is the fenced block behind the comment `<!-- command: NAME -->`. The block behind `<!-- output of: pcapdiag ... -->`, in
README.md and all of docs/, is written by `python -m tools.regen`, with what that command prints.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
COMMAND = re.compile(r"<!-- command: (\w+) -->\n+```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OUTPUT = re.compile(r"(<!-- output of: (.+?) -->\n+```\w*\n)(.*?)(^```$)", re.MULTILINE | re.DOTALL)


def commands() -> dict[str, str]:
    """Name -> text of each command block of README.md."""
    return {name: text.strip() for name, text in COMMAND.findall(README.read_text(encoding="utf-8"))}


def pages() -> list[Path]:
    """Every page in which an output may stand."""
    return [README, *sorted((ROOT / "docs").rglob("*.md"))]


def output_of(command: str) -> str:
    """What a `pcapdiag ...` command prints, run in this Python, in the root, away from any terminal."""
    program, *arguments = shlex.split(command)
    if program != "pcapdiag":
        raise ValueError(f"only pcapdiag's own output is generated, not that of {command!r}")
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "FORCE_COLOR", "TZ")}
    done = subprocess.run(
        [sys.executable, "-m", "pcapdiag", *arguments],
        cwd=ROOT,
        env=environment | {"PYTHONUTF8": "1"},
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
    )
    return done.stdout


def with_outputs(page: str) -> str:
    """The page with every output block written anew."""
    return OUTPUT.sub(lambda match: match[1] + output_of(match[2]) + match[4], page)


def shown_after(command: str) -> str | None:
    """The output that README.md shows for the last program of a command."""
    shown = {of: text for _, of, text, _ in OUTPUT.findall(README.read_text(encoding="utf-8"))}
    return next((text for of, text in shown.items() if command.endswith(of)), None)


def run(name: str) -> int:
    """Runs a command of README.md in bash; where README.md shows its output, what it prints must be that."""
    command = commands()[name]
    print(f"$ {command}", flush=True)
    shown = shown_after(command)
    if shown is None:
        return subprocess.run(["bash", "-ec", command], cwd=ROOT, check=False).returncode
    done = subprocess.run(["bash", "-ec", command], cwd=ROOT, check=False, stdout=subprocess.PIPE, encoding="utf-8")
    print(done.stdout, flush=True)
    if done.returncode == 0 and done.stdout != shown:
        lines = difflib.unified_diff(shown.splitlines(True), done.stdout.splitlines(True), "README.md", "printed now")
        print(f"README.md shows something else (python -m tools.regen writes it anew):\n{''.join(lines)}")
        return 1
    return done.returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["run", "show"])
    parser.add_argument("name", choices=list(commands()))
    arguments = parser.parse_args()
    if arguments.action == "run":
        return run(arguments.name)
    print(commands()[arguments.name])
    return 0


if __name__ == "__main__":
    sys.exit(main())
