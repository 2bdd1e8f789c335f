"""What tests of delivery share: real servers, settings for them, and the command line in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pcapdiag.cli import main
from tests.deliver.real_servers import (
    REDMINE,
    REDMINE_DATABASE,
    REDMINE_LOCK,
    RT_DATABASE,
    RT_LIBRARY,
    RT_SERVER,
    Served,
    missing,
    redmine,
    request_tracker,
)

ROOT = Path(__file__).parents[2]
ARTICLE = str(ROOT / "captures/article-499-no-routing-hosts/capture.pcap")
CLEAN = str(ROOT / "captures/clean-delivery/capture.pcap")

Attach = Callable[..., Result]


@pytest.fixture(scope="session")
def rt_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    why = missing(RT_SERVER, RT_LIBRARY, RT_DATABASE)
    if why:
        pytest.skip(f"Request Tracker (Debian: apt install request-tracker5 rt5-db-sqlite): {why}")
    return tmp_path_factory.mktemp("rt")


@pytest.fixture(scope="session")
def rt(rt_directory: Path) -> Iterator[Served]:
    """Debian's Request Tracker."""
    with request_tracker(rt_directory) as served:
        yield served


@pytest.fixture(scope="session")
def redmine_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, list[int]]]:
    """Debian's Redmine, and the numbers of some issues."""
    why = missing(REDMINE / "config.ru", REDMINE_LOCK, REDMINE_DATABASE)
    if why:
        pytest.skip(f"Redmine (Debian: apt install redmine redmine-sqlite): {why}")
    with redmine(tmp_path_factory.mktemp("redmine")) as served:
        yield served


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Writes tickets.toml where pcapdiag looks for it; nothing of the machine's own settings or state is seen or touched."""
    path = tmp_path / "tickets.toml"
    monkeypatch.setenv("PCAPDIAG_TICKETS", str(path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)

    def write(text: str) -> Path:
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def attach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Attach:
    """`pcapdiag attach` in an empty folder."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)

    def run(*arguments: str, **more: object) -> Result:
        zone = [] if "--from" in arguments else ["--utc"]
        result = CliRunner().invoke(main, ["attach", *arguments, *zone], **more)  # type: ignore[arg-type]
        assert "Traceback" not in result.output
        return result

    return run
