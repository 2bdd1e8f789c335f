"""What all tests share: the corpus, tshark, how thorough hypothesis is, and that nothing is skipped unnoticed in CI."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

CORPUS = os.environ.get("PCAPDIAG_CORPUS")

# Machines differ in speed, so no deadline. CI takes the same examples every time: a red run says something about the
# change, and not about luck. `--hypothesis-profile=thorough` is for the developer of a parser.
settings.register_profile("default", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("default"), derandomize=True)
settings.register_profile("thorough", settings.get_profile("default"), max_examples=5000)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "default")


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real captures that PCAPDIAG_CORPUS names; it is not part of the project."""
    if not CORPUS:
        pytest.skip("PCAPDIAG_CORPUS does not name a folder of captures")
    return Path(CORPUS)


@pytest.fixture(scope="session")
def tshark() -> str:
    """The path of tshark."""
    found = shutil.which("tshark")
    if not found:
        pytest.skip("tshark is not installed (Debian: apt install tshark)")
    return found


class NoSkipsInCI:
    """With CI=true a skipped test fails the run: a missing tool must not pass for a green result.

    The one exception is the corpus where there is none: tests that say that they miss PCAPDIAG_CORPUS.
    """

    def __init__(self) -> None:
        self.skipped: list[str] = []

    def note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if not report.skipped or hasattr(report, "wasxfail"):
            return
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if CORPUS or "PCAPDIAG_CORPUS" not in reason:
            self.skipped.append(f"{report.nodeid}: {reason}")

    pytest_runtest_logreport = note
    pytest_collectreport = note

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.skipped and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self.skipped:
            terminalreporter.write_line(f"skipped, but CI=true allows no skips: {line}", red=True)


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get("CI") == "true":
        config.pluginmanager.register(NoSkipsInCI())
