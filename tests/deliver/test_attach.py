"""`pcapdiag attach` as people and scripts meet it: what it refuses, what it leaves behind, and in which words."""

from __future__ import annotations

import json
import shlex
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pcapdiag.pipeline
from pcapdiag.deliver import system
from pcapdiag.deliver.bundle import CLOSING_CHARACTERS, Bundle, File
from pcapdiag.deliver.bundling import Cut, fingerprint, pack
from pcapdiag.deliver.delivery import job_for
from pcapdiag.deliver.preview import preview
from pcapdiag.deliver.secret import FromEnvironment
from pcapdiag.deliver.settings import Site
from pcapdiag.deliver.ticket import parse
from pcapdiag.pseudonym import Level
from pcapdiag.report.options import Options
from tests.deliver.conftest import ARTICLE, CLEAN, ROOT, Attach
from tests.deliver.vendors import TOKEN, Zammad, serving
from tests.report.attacks import attacked

FOLDER = Path("pcapdiag-zammad-1234")
TICKET = "zammad:1234"


def table(url: str, more: str = "") -> str:
    return f'[sites.there]\nsystem = "zammad"\nurl = "{url}"\ntoken_env = "THE_TOKEN"\n{more}'


@pytest.fixture
def there(settings: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Zammad]:
    monkeypatch.setenv("THE_TOKEN", TOKEN)
    with serving(Zammad()) as vendor:
        settings(table(vendor.url))
        assert isinstance(vendor, Zammad)
        yield vendor


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        ([], 2, "Missing argument 'TICKET'"),
        ([TICKET], 2, "name captures to analyse, or with --from the folder"),
        ([TICKET, ARTICLE, "--from", "."], 2, "name no capture, or leave --from away"),
        (["4711", ARTICLE], 2, "'4711' is no ticket"),
        (["zammad@there:1234", ARTICLE, "--site", "other"], 2, "names the site there, and --site other"),
        (["zammad@elsewhere:1234", ARTICLE], 2, "has no site 'elsewhere'"),
        (["jira:MAIL-12", ARTICLE], 2, "there are no settings for Jira"),
        ([TICKET, ARTICLE, "--config", "none.toml"], 2, "there is no file none.toml"),
        ([TICKET, "--from", ".", "--session", "1"], 2, "--session does nothing with --from"),
        ([TICKET, "--from", "."], 2, "is no folder of an earlier pcapdiag attach"),
        ([TICKET, "no-such.pcap"], 3, "no-such.pcap: cannot be opened"),
        ([TICKET, CLEAN], 4, "needs attention"),
        ([TICKET, ARTICLE, "--client", "203.0.113.99"], 4, "no session passes the filter (of 3 in all)"),
        ([TICKET, ARTICLE, "--session", "99"], 4, "no session passes the filter (of 3 in all)"),
        ([TICKET, ARTICLE, "-o", __file__], 2, "is a file"),
        ([TICKET, ARTICLE, "no-such.pcap"], 3, "no-such.pcap"),
        ([TICKET, ARTICLE], 0, ""),
    ],
)
def test_exit_status(there: Zammad, attach: Attach, arguments: list[str], status: int, says: str) -> None:
    done = attach(*arguments)
    assert done.exit_code == status, done.output
    assert says in done.stderr
    assert bool(there.notes) == (status == 0 or "no-such.pcap" in arguments[2:]), "what could be read is delivered"


def test_too_many_sessions(there: Zammad, attach: Attach, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pcapdiag.cli.attach.MOST_SESSIONS", 2)
    done = attach(TICKET, ARTICLE)
    assert done.exit_code == 4
    assert "3 sessions are too many for one ticket: name at most 2 of them with --session N" in done.stderr
    assert not there.received
    assert attach(TICKET, ARTICLE, "--session", "1", "--session", "3").exit_code == 0
    analysis = json.loads(next(FOLDER.glob("pcapdiag-*.json")).read_text(encoding="utf-8"))
    assert [session["id"] for session in analysis["sessions"]] == [1, 3]


def test_from_a_pipe_there_is_no_slice(there: Zammad, attach: Attach) -> None:
    done = attach(TICKET, "-", input=Path(ARTICLE).read_bytes())
    assert done.exit_code == 0, done.output
    assert "no slice of the packets: standard input cannot be read twice" in done.output
    assert {Path(name).suffix for name, _ in there.files.values()} == {".html", ".json"}


def test_mail_addresses_are_masked_unless_told_otherwise(there: Zammad, attach: Attach) -> None:
    assert attach(TICKET, ARTICLE).exit_code == 0
    assert not any(b"anna@example.com" in octets for _, octets in there.files.values())
    assert "anna@example.com" not in there.notes[0]["body"]
    assert attach(TICKET, ARTICLE, "--redact", "none").exit_code == 0
    named = {Path(name).suffix for name, octets in there.files.values() if b"anna@example.com" in octets}
    assert named == {".html", ".json", ".pcapng"}


def test_a_dry_run_opens_no_socket_and_asks_for_no_secret(
    there: Zammad, attach: Attach, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_socket(*_: object, **__: object) -> None:
        raise AssertionError("a dry run opens no socket")

    monkeypatch.delenv("THE_TOKEN")
    monkeypatch.setattr(socket, "socket", no_socket)
    done = attach(TICKET, ARTICLE, "--dry-run")
    assert done.exit_code == 0, done.output
    assert "Authorization: Token token=***" in done.output
    assert '"internal": true' in done.output
    assert "    pcapdiag analysis " in done.output
    for path in FOLDER.glob("pcapdiag-*.[hjp]*"):
        assert path.suffix == ".txt" or f"<base64 of {path.stat().st_size:,} octets, SHA-256 " in done.output


def test_a_site_that_is_away_leaves_everything_and_the_command(
    there: Zammad, settings: Callable[[str], Path], attach: Attach, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pcapdiag.deliver.send.TRIES", 1)
    path = settings(table("http://127.0.0.1:1"))
    done = attach(TICKET, ARTICLE, "--config", str(path))
    assert done.exit_code == 4
    assert "there cannot be reached at http://127.0.0.1:" in done.stderr
    assert "Nothing of it is in zammad:1234." in done.stderr
    assert len(done.stderr.splitlines()) == 1
    settings(table(there.url))
    command = shlex.split(done.stderr.strip().partition("to send it again: ")[2])
    assert command[:2] == ["pcapdiag", "attach"]
    assert attach(*command[2:]).exit_code == 0
    held = dict(there.files.values())
    assert {Path(name).suffix for name in held} == {".html", ".json", ".pcapng"}
    assert held == {name: (FOLDER / name).read_bytes() for name in held}


def test_no_answer_after_sending_is_said_to_be_unknown(
    there: Zammad, attach: Attach, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The article arrives, its answer does not: the next try finds it."""
    import httpx  # noqa: PLC0415

    stream = httpx.Client.stream

    def cut_off(client: httpx.Client, method: str, url: str, **more: Any) -> Any:
        context = stream(client, method, url, **more)
        if method == "POST":
            with context:
                raise httpx.ReadTimeout("timed out")
        return context

    monkeypatch.setattr(httpx.Client, "stream", cut_off)
    done = attach(TICKET, ARTICLE)
    assert done.exit_code == 4
    assert "nobody knows whether it took what was sent" in done.stderr
    assert "Nothing of it is in" not in done.stderr
    assert len(there.notes) == 1
    again = attach(TICKET, "--from", str(FOLDER))
    assert again.exit_code == 4
    assert "has this analysis already" in again.stderr


def test_a_secret_that_the_site_repeats_is_hidden(there: Zammad, attach: Attach) -> None:
    there.before = lambda received: (403, {"error": f"Token {TOKEN} may not"}, {})
    done = attach(TICKET, ARTICLE)
    assert done.exit_code == 4
    assert "(403: Token *** may not)" in done.stderr
    assert TOKEN not in done.output


def test_the_sites_words_reach_no_terminal_raw(there: Zammad, attach: Attach) -> None:
    there.before = lambda received: (500, {"error": "\x1b[2J\u202e" + "x" * 5000}, {})
    done = attach(TICKET, ARTICLE)
    assert done.exit_code == 4
    assert "\x1b" not in done.stderr
    assert "\u202e" not in done.stderr
    assert len(done.stderr) < 1000


def test_what_was_changed_is_not_sent(there: Zammad, attach: Attach) -> None:
    assert attach(TICKET, ARTICLE, "--dry-run").exit_code == 0
    page = next(FOLDER.glob("*.html"))
    page.write_text(page.read_text(encoding="utf-8") + "<!-- mine -->", encoding="utf-8")
    done = attach(TICKET, "--from", str(FOLDER))
    assert done.exit_code == 2
    assert f"{page} has changed since pcapdiag wrote it" in done.stderr
    (FOLDER / "bundle.json").write_text('{"schema": 1}')
    assert attach(TICKET, "--from", str(FOLDER)).exit_code == 2
    (FOLDER / "bundle.json").write_text("[")
    assert "is not what pcapdiag wrote" in attach(TICKET, "--from", str(FOLDER)).stderr
    (FOLDER / "bundle.json").write_text("[" * 100_000)
    assert "is not what pcapdiag wrote" in attach(TICKET, "--from", str(FOLDER)).stderr
    assert not there.notes


@pytest.mark.parametrize("wrong", [{"note": None}, {"note": 5}, {"fingerprint": None}, {"fingerprint": "\x1b[2J"}])
def test_a_manifest_that_nobody_wrote(there: Zammad, attach: Attach, wrong: dict[str, Any]) -> None:
    assert attach(TICKET, ARTICLE, "--dry-run").exit_code == 0
    manifest = FOLDER / "bundle.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text(encoding="utf-8")) | wrong))
    done = attach(TICKET, "--from", str(FOLDER), "--dry-run")
    assert done.exit_code == 2
    assert "is not what pcapdiag wrote" in done.stderr


def test_no_words_reach_standard_output_raw(there: Zammad, attach: Attach) -> None:
    """Of a note that somebody changed, and of a folder with any name."""
    assert attach(TICKET, ARTICLE, "--dry-run", "-o", "fol\x1bder").exit_code == 0
    manifest = Path("fol\x1bder") / "bundle.json"
    words = {"note": "a\x1b[2J\nb\u202ec\x9b31m"}
    manifest.write_text(json.dumps(json.loads(manifest.read_text(encoding="utf-8")) | words))
    done = attach(TICKET, "--from", "fol\x1bder", "--dry-run")
    assert done.exit_code == 0
    assert not [character for character in done.output if not character.isprintable() and character != "\n"]


def test_a_link_in_the_folder_is_not_followed(there: Zammad, attach: Attach, tmp_path: Path) -> None:
    """In a directory that others write to, somebody may have made the folder before us."""
    precious = tmp_path / "precious"
    precious.write_text("precious")
    FOLDER.mkdir()
    for name in ("bundle.json", "bundle.json.part"):
        (FOLDER / name).symlink_to(precious)
    assert attach(TICKET, ARTICLE, "--dry-run").exit_code == 0
    assert precious.read_text() == "precious"
    assert json.loads((FOLDER / "bundle.json").read_text(encoding="utf-8"))["fingerprint"]


def test_what_is_interrupted_leaves_no_half_file(
    there: Zammad, attach: Attach, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*given: object) -> Iterator[str]:
        yield "half"
        raise KeyboardInterrupt

    monkeypatch.setattr("pcapdiag.report.formats.render", interrupted)
    assert attach(TICKET, ARTICLE, "--dry-run").exit_code == 130
    assert not list(FOLDER.iterdir())


def test_a_bundle_for_another_markup(there: Zammad, settings: Callable[[str], Path], attach: Attach) -> None:
    assert attach(TICKET, ARTICLE, "--dry-run").exit_code == 0
    settings('[sites.tracker]\nsystem = "redmine"\nurl = "http://127.0.0.1:1"\ntoken_env = "THE_TOKEN"\n')
    done = attach("redmine:1", "--from", str(FOLDER))
    assert done.exit_code == 2
    assert "is written in plain, and tracker reads textile" in done.stderr


def test_the_most_useful_files_first_when_not_all_fit(
    there: Zammad, settings: Callable[[str], Path], attach: Attach
) -> None:
    assert attach(TICKET, ARTICLE, "--dry-run").exit_code == 0
    sizes = {path.suffix: path.stat().st_size for path in FOLDER.glob("pcapdiag-*")}
    settings(table(there.url, f"max_total_octets = {sizes['.html'] + sizes['.pcapng'] + 10}\n"))
    assert attach(TICKET, "--from", str(FOLDER)).exit_code == 0
    assert [Path(name).suffix for name, _ in there.files.values()] == [".html", ".pcapng"]
    assert ".json, " in there.notes[0]["body"].partition("Not attached, because there takes files")[2]


def test_fingerprints() -> None:
    """The same in every run; another for other sessions, other captures, another level."""
    article = pcapdiag.pipeline.with_checksums(pcapdiag.analyze([ARTICLE]))
    again = pcapdiag.pipeline.with_checksums(pcapdiag.analyze([ARTICLE]))
    clean = pcapdiag.pipeline.with_checksums(pcapdiag.analyze([CLEAN]))
    assert fingerprint(article, Level.MAIL) == fingerprint(again, Level.MAIL)
    prints = {fingerprint(article, level) for level in Level} | {fingerprint(clean, Level.MAIL)}
    assert len(prints) == 4
    assert all(len(text) == 16 and int(text, 16) >= 0 for text in prints)


@pytest.mark.parametrize("name", system.names())
def test_an_attackers_words_in_every_system(name: str, tmp_path: Path) -> None:
    """No control character gets to a terminal or into a file's name, no note is longer than its system takes."""
    found = system.find(name)
    site = Site(
        "there",
        name,
        url="https://there.example.net",
        secret=FromEnvironment("X"),
        options={"host": "h", "sender": "a@b"},
    )
    bundle = pack(
        attacked(), Options(), "0123456789abcdef", tmp_path, found, site, attached=True, cut=lambda path: Cut(False)
    )
    job = job_for(found, parse(found.example), site, bundle, public=True)
    note = job.parcel.note()
    assert len(note) <= (found.limits.note_characters or 100_000)
    assert note.rstrip().splitlines()[-1] == "pcapdiag analysis 0123456789abcdef"
    for line in preview(found, job):
        assert line.isprintable()


def test_no_closing_is_longer_than_the_room_kept_for_it(tmp_path: Path) -> None:
    files = tuple(
        File(tmp_path / f"pcapdiag-0123abcd.{end}", "x/y", 10**12, "f" * 64) for end in ("html", "pcapng", "json")
    )
    found = system.find("gitlab")
    bundle = Bundle("0123456789abcdef", found.dialect, "", files)
    site = Site("n" * 100, "gitlab", url="https://gitlab.com")
    job = job_for(found, parse("gitlab:a/b#1"), site, bundle, public=True)
    links = {file.name: f"[{file.name}](/uploads/{'f' * 32}/{file.name})" for file in files}
    assert len(job.parcel.note(links)) < CLOSING_CHARACTERS


def test_the_example_in_the_documentation_is_taken(tmp_path: Path) -> None:
    from pcapdiag.deliver.settings import load  # noqa: PLC0415

    page = (ROOT / "docs/how-to/attach-to-a-ticket.md").read_text(encoding="utf-8")
    path = tmp_path / "tickets.toml"
    path.write_text(page.partition("```toml\n")[2].partition("```")[0], encoding="utf-8")
    assert {site.system for site in load(path, must_exist=True)} == set(system.names()) - {"github", "gitlab"} | {
        "gitlab"
    }
