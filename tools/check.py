"""Everything a change must pass, with one command: `python -m tools.check`.

Format, lint, types, import layers, generated files, tests; all of them run even when one fails, and the last line says which did.
`python -m tools.check types tests` runs only these; what stands behind `--` goes to pytest. Needs the extra `dev`.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable

STEPS: dict[str, list[str]] = {
    "format": [PYTHON, "-m", "ruff", "format", "--check", "."],
    "lint": [PYTHON, "-m", "ruff", "check", "."],
    "types": [PYTHON, "-m", "mypy", "--strict"],
    "layers": [PYTHON, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-cache"],
    "generated": [PYTHON, "-m", "tools.regen", "--check"],
    "tests": [PYTHON, "-m", "pytest"],
}
"""Fast ones first. Each runs in this Python, so that it needs nothing on the PATH."""


def run(name: str, command: list[str]) -> bool:
    print(f"--- {name}", flush=True)
    began = time.monotonic()
    code = subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONUTF8": "1"}, check=False).returncode
    print(
        f"--- {name}: {'ok' if code == 0 else f'FAILED, exit status {code}'} ({time.monotonic() - began:.1f} s)",
        flush=True,
    )
    return code == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steps", nargs="*", metavar="STEP", help=f"{', '.join(STEPS)} (default: all)")
    own = sys.argv[1:]
    own, pytest_arguments = (own[: own.index("--")], own[own.index("--") + 1 :]) if "--" in own else (own, [])
    chosen = parser.parse_args(own).steps or list(STEPS)
    if unknown := set(chosen) - set(STEPS):
        parser.error(f"unknown step {', '.join(sorted(unknown))}; there are {', '.join(STEPS)}")
    if importlib.util.find_spec("importlinter") is None:
        sys.exit("The tools are not installed in this Python: pip install -e '.[dev]'")
    failed = [name for name in chosen if not run(name, STEPS[name] + (pytest_arguments if name == "tests" else []))]
    print(f"--- failed: {', '.join(failed)}" if failed else "--- all is well")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
