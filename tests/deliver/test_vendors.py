"""Jira, GitHub, GitLab and Zammad: every request is as their documentation says, and what they hold is what was sent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deliver.conftest import ARTICLE, Attach
from tests.deliver.vendors import TOKEN, VENDORS, GitLab, Jira, Vendor, serving

TICKETS = {
    "jira": "jira:MAIL-12",
    "github": "github:owner/repo#5",
    "gitlab": "gitlab:group/sub/project#7",
    "zammad": "zammad:1234",
}
INTERNAL = {"gitlab", "zammad"}
"""Systems with internal notes without further settings."""
FOLDERS = {
    "jira": "pcapdiag-jira-MAIL-12",
    "github": "pcapdiag-github-owner-repo-5",
    "gitlab": "pcapdiag-gitlab-group-sub-project-7",
    "zammad": "pcapdiag-zammad-1234",
}


def table(system: str, url: str, more: str = "") -> str:
    user = 'user = "anna@example.net"\n' if system == "jira" else ""
    return f'[sites.there]\nsystem = "{system}"\nurl = "{url}"\ntoken_env = "THE_TOKEN"\n{user}{more}'


@pytest.fixture(params=sorted(VENDORS))
def system(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def vendor(system: str, settings: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setenv("THE_TOKEN", TOKEN)
    with serving(VENDORS[system]()) as vendor:
        settings(table(system, vendor.url))
        yield vendor


def on_disk(system: str) -> dict[str, bytes]:
    paths = Path(FOLDERS[system]).glob("pcapdiag-*")
    return {path.name: path.read_bytes() for path in paths if path.suffix in (".html", ".json", ".pcapng")}


def test_it_holds_what_was_sent(system: str, vendor: Vendor, attach: Attach) -> None:
    done = attach(TICKETS[system], ARTICLE, "--public")
    assert not vendor.complaints
    assert done.exit_code == 0, done.output
    (note,) = vendor.notes
    assert note["body"].rstrip().splitlines()[-1].startswith("pcapdiag analysis ")
    assert "3 SMTP sessions, all of them dropped by the server" in note["body"]
    assert note.get("internal") in (None, False)
    files = on_disk(system)
    assert {Path(name).suffix for name in files} == {".html", ".json", ".pcapng"}
    if system == "github":
        assert not vendor.files
        assert "not attached, because GitHub's API takes no attachments" in done.output
        assert "Not attached, because GitHub's API takes no attachments" in note["body"]
    else:
        assert dict(vendor.files.values()) == files
    for name in files:
        assert name in note["body"]


def test_internal_by_default_or_refused(system: str, vendor: Vendor, attach: Attach) -> None:
    done = attach(TICKETS[system], ARTICLE)
    if system in INTERNAL:
        assert done.exit_code == 0, done.output
        assert [note["internal"] for note in vendor.notes] == [True]
    else:
        assert done.exit_code == 4
        assert "--public only" in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert not vendor.received


def test_twice(system: str, vendor: Vendor, attach: Attach) -> None:
    assert attach(TICKETS[system], ARTICLE, "--public").exit_code == 0
    twice = attach(TICKETS[system], "--from", FOLDERS[system], "--public")
    assert twice.exit_code == 4
    assert "has this analysis already" in twice.stderr
    assert len(vendor.notes) == 1
    assert attach(TICKETS[system], "--from", FOLDERS[system], "--public", "--again").exit_code == 0
    assert len(vendor.notes) == 2
    assert not vendor.complaints


def test_a_wrong_secret(system: str, vendor: Vendor, attach: Attach, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_TOKEN", "wrong-T0ken")
    done = attach(TICKETS[system], ARTICLE, "--public")
    assert done.exit_code == 4
    assert "there does not know the secret it was given (environment variable THE_TOKEN)" in done.stderr
    assert "wrong-T0ken" not in done.output
    assert f"--from {FOLDERS[system]} --public" in done.stderr
    assert len(on_disk(system)) == 3


def test_a_dry_run_tells_all_but_the_secret(system: str, vendor: Vendor, attach: Attach) -> None:
    done = attach(TICKETS[system], ARTICLE, "--public", "--dry-run")
    assert done.exit_code == 0, done.output
    assert not vendor.received
    assert "***" in done.output
    assert TOKEN not in done.output
    real = attach(TICKETS[system], "--from", FOLDERS[system], "--public")
    assert real.exit_code == 0, real.output
    for received in vendor.received:
        if received.method == "POST":
            assert f"POST {vendor.url}{received.path}" in done.output


@pytest.mark.parametrize("system", ["jira", "gitlab", "zammad"], indirect=True)
def test_what_is_kept_otherwise_is_noticed(system: str, vendor: Vendor, attach: Attach) -> None:
    vendor.spoil = lambda octets: octets[:-1] + b"!"
    done = attach(TICKETS[system], ARTICLE, "--public")
    assert done.exit_code == 4
    assert "the ticket has other octets: SHA-256" in done.stderr
    vendor.spoil = lambda octets: octets[:-1]
    done = attach(TICKETS[system], "--from", FOLDERS[system], "--public", "--again")
    assert done.exit_code == 4
    assert "octets of it instead of" in done.stderr


@pytest.mark.parametrize("system", ["jira"], indirect=True)
def test_jira_a_third_attachment_that_fails(system: str, vendor: Vendor, attach: Attach) -> None:
    posts: list[str] = []

    def full(received: object) -> tuple[int, object, dict[str, str]] | None:
        path = getattr(received, "path", "")
        posts.extend([path] if path.endswith("/attachments") else [])
        return (413, {"errorMessages": ["attachment too large"]}, {}) if len(posts) == 3 else None

    vendor.before = full
    done = attach(TICKETS[system], ARTICLE, "--public")
    assert done.exit_code == 4
    names = sorted(on_disk(system), key=lambda name: (".html", ".pcapng", ".json").index(Path(name).suffix))
    assert f"In jira:MAIL-12: {names[0]}, {names[1]}. Not there: the note, {names[2]}." in done.stderr
    assert "413: attachment too large" in done.stderr
    assert "--again" not in done.stderr, "without the note the next try is the first"
    assert not vendor.notes


@pytest.mark.parametrize("public", [False, True])
def test_a_service_desk_has_internal_notes_with_their_files(
    public: bool, settings: Callable[[str], Path], attach: Attach, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_TOKEN", TOKEN)
    with serving(Jira()) as vendor:
        settings(table("jira", vendor.url, "service_management = true\n"))
        done = attach("jira:MAIL-12", ARTICLE, *(["--public"] if public else []))
        assert done.exit_code == 0, done.output
        assert [note["public"] for note in vendor.notes] == [public]
        assert dict(vendor.files.values()) == on_disk("jira")
        assert not vendor.complaints
        assert attach("jira:MAIL-12", ARTICLE, "--public").exit_code == 4
        settings(table("jira", vendor.url, "service_management = true\nmax_file_octets = 10\n"))
        options = ["--again", *(["--public"] if public else [])]
        assert attach("jira:MAIL-12", "--from", FOLDERS["jira"], *options).exit_code == 0
        assert [note["public"] for note in vendor.notes] == [public, public]
        assert not vendor.complaints


def test_a_gitlab_that_knows_no_internal_notes_is_noticed(
    settings: Callable[[str], Path], attach: Attach, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_TOKEN", TOKEN)
    old = GitLab()
    old.knows_internal = False
    with serving(old) as vendor:
        settings(table("gitlab", vendor.url))
        done = attach(TICKETS["gitlab"], ARTICLE)
        assert done.exit_code == 4
        assert "the note: GitLab did not make it internal. Delete it if nobody may read it" in done.stderr
        assert "#note_1" in done.stderr


def test_a_gitlab_that_gives_no_uploads_back(
    settings: Callable[[str], Path], attach: Attach, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_TOKEN", TOKEN)

    def before_17_4(received: object) -> tuple[int, object, dict[str, str]] | None:
        old = getattr(received, "method", "") == "GET" and "/uploads/" in getattr(received, "path", "")
        return (404, {"error": "404 Not Found"}, {}) if old else None

    with serving(GitLab(before=before_17_4)) as vendor:
        settings(table("gitlab", vendor.url))
        done = attach(TICKETS["gitlab"], ARTICLE)
        assert done.exit_code == 0, done.output
        assert "GitLab before 17.4 gives no uploads back (answered 404)" in done.output
