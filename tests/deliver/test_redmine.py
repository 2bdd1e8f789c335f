"""Into a real Redmine, by the real command line, and back out of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.deliver.conftest import ARTICLE, Attach
from tests.deliver.real_servers import Served

Site = tuple[Served, list[int]]
SETTINGS = '[sites.tracker]\nsystem = "redmine"\nurl = "{url}"\ntoken_command = ["echo", "{token}"]\n{more}'


@pytest.fixture
def tracker(redmine_site: Site, settings: Callable[[str], Path]) -> Served:
    served, _ = redmine_site
    settings(SETTINGS.format(url=served.url, token=served.token, more=""))
    return served


def issue(served: Served, number: int) -> dict[str, Any]:
    found: dict[str, Any] = served.ask("GET", f"/issues/{number}.json?include=journals,attachments")["issue"]
    return found


def test_an_internal_note_is_private_and_its_files_stay_at_home(
    tracker: Served, redmine_site: Site, attach: Attach
) -> None:
    number = redmine_site[1][0]
    done = attach(f"redmine:{number}", ARTICLE)
    assert done.exit_code == 0, done.output
    assert "not attached, because Redmine would show them to everybody" in done.output
    found = issue(tracker, number)
    (journal,) = found["journals"]
    assert journal["private_notes"] is True
    assert not found["attachments"]
    assert "h3. Captures" in journal["notes"]
    assert journal["notes"].rstrip().splitlines()[-1].startswith("pcapdiag analysis ")
    assert attach(f"redmine:{number}", ARTICLE).exit_code == 4
    assert len(issue(tracker, number)["journals"]) == 1


def test_in_public_redmine_holds_the_very_octets(tracker: Served, redmine_site: Site, attach: Attach) -> None:
    number = redmine_site[1][1]
    for tries in (1, 2):
        done = attach(f"redmine:{number}", ARTICLE, "--public", "--again")
        assert done.exit_code == 0, done.output
        found = issue(tracker, number)
        assert all(row["private_notes"] is False for row in found["journals"])
        rows = found["attachments"]
        assert {Path(row["filename"]).suffix for row in rows} == {".html", ".json", ".pcapng"}
        assert len(rows) % tries == 0
        for row in rows[-len(rows) // tries :]:
            held = tracker.octets(f"/attachments/download/{row['id']}/{row['filename']}")
            assert held == Path(f"pcapdiag-redmine-{number}/{row['filename']}").read_bytes()


def test_files_of_a_private_note_on_request(
    redmine_site: Site, settings: Callable[[str], Path], attach: Attach
) -> None:
    served, issues = redmine_site
    settings(SETTINGS.format(url=served.url, token=served.token, more="attach_to_internal = true\n"))
    assert attach(f"redmine:{issues[2]}", ARTICLE).exit_code == 0
    found = issue(served, issues[2])
    assert {Path(row["filename"]).suffix for row in found["attachments"]} == {".html", ".json", ".pcapng"}
    assert [row["private_notes"] for row in found["journals"] if row["notes"]] == [True]


def test_a_redmine_of_markdown(redmine_site: Site, settings: Callable[[str], Path], attach: Attach) -> None:
    served, issues = redmine_site
    settings(SETTINGS.format(url=served.url, token=served.token, more='markup = "markdown"\n'))
    assert attach(f"redmine:{issues[3]}", ARTICLE).exit_code == 0
    assert "\n### Captures" in issue(served, issues[3])["journals"][0]["notes"]


def test_redmine_says_no(redmine_site: Site, settings: Callable[[str], Path], attach: Attach) -> None:
    served, issues = redmine_site
    settings(SETTINGS.format(url=served.url, token=served.token, more=""))
    lost = attach("redmine:999999", ARTICLE, "--public")
    assert lost.exit_code == 4
    assert "tracker has no ticket 999999" in lost.stderr
    settings(SETTINGS.format(url=served.url, token="0" * 40, more=""))
    wrong = attach(f"redmine:{issues[4]}", ARTICLE, "--public")
    assert wrong.exit_code == 4
    assert "does not know the secret it was given (what echo prints)" in wrong.stderr
    assert "0" * 40 not in wrong.output
    assert not issue(served, issues[4])["journals"]
