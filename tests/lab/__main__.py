"""The command line of the lab: python -m tests.lab list | run | record | truth | score."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from . import origin, scoreboard
from . import record as recording
from .network import LabError, remove_left_behind
from .scenario import Scenario, load
from .score import everything

TOOLS = {"ip": "iproute2", "nft": "nftables", "tcpdump": "tcpdump", "tshark": "tshark"}
LIMIT_S = 120  # for one scenario, whatever happens in it


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """The fault lab: real TCP stacks, faults on purpose, captures and the truth about them."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the lab takes its hosts down


@main.command("list")
def list_scenarios() -> None:
    """All scenarios, one a line."""
    for scenario in load().values():
        click.echo(f"{scenario.name:48} {scenario.description}")


@main.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--keep", type=click.Path(path_type=Path), help="Leave captures and truth in this directory.")
def run(names: tuple[str, ...], keep: Path | None) -> None:
    """Run scenarios here and now, check that they happened as intended, and forget them."""
    chosen = _chosen(names)
    _refuse_without_means(chosen)
    with tempfile.TemporaryDirectory(prefix="pcapdiag-lab-") as temporary:
        for scenario in chosen:
            _run_one(scenario, (keep or Path(temporary)) / scenario.name)


@main.command()
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All scenarios.")
@click.option("--jobs", default=3, show_default=True, help="So many at a time, each in a process of its own.")
def record(names: tuple[str, ...], everything: bool, jobs: int) -> None:
    """Run scenarios and put what they show into captures/lab/."""
    if bool(names) == everything:
        raise click.UsageError("name scenarios, or say --all")
    chosen = _chosen(names or tuple(load()))
    _refuse_without_means(chosen)
    if len(chosen) == 1:
        _run_one(chosen[0], recording.CAPTURES / chosen[0].name)
        return
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        failed = [name for name, fine in pool.map(_record_apart, chosen) if not fine]
    origin.write(recording.CAPTURES)
    if failed:
        raise click.ClickException(f"{len(failed)} of {len(chosen)} scenarios were not recorded: {' '.join(failed)}")


@main.command()
@click.argument("names", nargs=-1)
def truth(names: tuple[str, ...]) -> None:
    """Compute again, from the recorded journals, what is accepted: after a change of the table."""
    scenarios = load()
    for path in sorted(recording.CAPTURES.glob(f"*/{recording.TRUTH}")):
        name = path.parent.name
        if name in scenarios and (not names or name in names) and recording.recompute(path.parent, scenarios[name]):
            click.echo(f"changed: {name}")


@main.command()
@click.option("--show", is_flag=True, help="Also each miss: what pcapdiag says, and what is accepted.")
def score(show: bool) -> None:
    """Score pcapdiag against the committed truths; beside it, the rule that blames the first FIN or RST."""
    click.echo(scoreboard.told(everything(), show=show))


def _run_one(scenario: Scenario, target: Path) -> None:
    try:
        directory = recording.run(scenario, target)
    except LabError as error:
        raise click.ClickException(f"{scenario.name} did not happen as intended: {error}") from error
    told = json.loads((directory / recording.TRUTH).read_text())
    deeds = "; ".join("{by} {how} at {stage} ({means})".format(**session["deed"]) for session in told["sessions"])
    click.echo(f"{scenario.name}: {deeds}")


def _record_apart(scenario: Scenario) -> tuple[str, bool]:
    """In a process of its own: namespaces belong to threads, and a scenario that hangs must end alone."""
    command = [sys.executable, "-m", "tests.lab", "record", scenario.name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        remove_left_behind()
        click.echo(f"{scenario.name}: it did not end in {LIMIT_S} s", err=True)
        return scenario.name, False
    click.echo((done.stdout or done.stderr).strip(), err=bool(done.returncode))
    return scenario.name, done.returncode == 0


def _chosen(names: tuple[str, ...]) -> list[Scenario]:
    scenarios = load()
    if unknown := [name for name in names if name not in scenarios]:
        raise click.UsageError(f"no scenario {', '.join(unknown)}; `list` shows them all")
    return [scenarios[name] for name in names]


def _refuse_without_means(chosen: list[Scenario]) -> None:
    """One clear sentence, before anything is touched."""
    if os.geteuid():
        raise click.ClickException("the lab makes network namespaces and raw sockets: run it as root")
    wanted = TOOLS | {program: program for scenario in chosen for program in scenario.needs}
    if missing := [package for program, package in wanted.items() if shutil.which(program) is None]:
        raise click.ClickException(f"missing: {', '.join(missing)} (apt-get install {' '.join(missing)})")


if __name__ == "__main__":
    main()
