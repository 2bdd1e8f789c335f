"""Into a real Request Tracker, by the real command line, and back out of it."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pcapdiag.deliver.systems import rt as rt_system
from tests.deliver.conftest import ARTICLE, Attach
from tests.deliver.real_servers import Served, request_tracker

FOLDER = "pcapdiag-rt-{}"
TABLE = '[sites.lab]\nsystem = "rt"\nurl = "{url}"\ntoken_env = "RT_TOKEN"\n'


@pytest.fixture
def ticket(rt: Served, settings: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> str:
    """A new ticket, of a site in the settings."""
    settings(TABLE.format(url=rt.url))
    monkeypatch.setenv("RT_TOKEN", rt.token)
    body = {"Queue": "General", "Subject": "mail lost", "Content": "where is it?", "ContentType": "text/plain"}
    return str(rt.ask("POST", "/REST/2.0/ticket", json=body)["id"])


def transactions(rt: Served, ticket: str) -> list[dict[str, Any]]:
    """Comments and correspondence, in order."""
    rows: list[dict[str, Any]] = rt.ask("GET", f"/REST/2.0/ticket/{ticket}/history?fields=Type&per_page=100")["items"]
    return [row for row in rows if row["Type"] in ("Comment", "Correspond")]


def parts(rt: Served, transaction: dict[str, Any]) -> dict[str, bytes]:
    """What a transaction holds, by file name; the note has none."""
    listed = rt.ask("GET", f"/REST/2.0/transaction/{transaction['id']}/attachments?per_page=100")["items"]
    read = [rt.ask("GET", f"/REST/2.0/attachment/{row['id']}") for row in listed]
    return {part.get("Filename") or "": b64decode(part["Content"]) for part in read if part["Content"]}


def sent(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".html", ".json", ".pcapng")}


def test_rt_holds_the_very_octets_we_sent(rt: Served, ticket: str, attach: Attach) -> None:
    done = attach(f"rt:{ticket}", ARTICLE)
    assert done.exit_code == 0, done.output
    (comment,) = transactions(rt, ticket)
    assert comment["Type"] == "Comment"
    held = parts(rt, comment)
    note = held.pop("").decode()
    ours = sent(Path(FOLDER.format(ticket)))
    ours.pop("bundle.json")
    assert held == ours
    assert {Path(name).suffix for name in held} == {".html", ".json", ".pcapng"}
    assert note.startswith("3 SMTP sessions, all of them dropped by the server.")
    assert note.rstrip().splitlines()[-1].startswith("pcapdiag analysis ")
    for name, octets in held.items():
        assert f"{name}, {len(octets):,} octets, SHA-256 {hashlib.sha256(octets).hexdigest()}" in note
        assert f"{name}: read back, the same" in done.output
    assert f"Display.html?id={ticket}#txn-{comment['id']}" in done.output


def test_in_public_it_is_correspondence(rt: Served, ticket: str, attach: Attach) -> None:
    assert attach(f"rt@lab:{ticket}", ARTICLE, "--public").exit_code == 0
    assert [row["Type"] for row in transactions(rt, ticket)] == ["Correspond"]


def test_the_same_analysis_is_refused_until_again(rt: Served, ticket: str, attach: Attach) -> None:
    assert attach(f"rt:{ticket}", ARTICLE).exit_code == 0
    before = sent(Path(FOLDER.format(ticket)))
    twice = attach(f"rt:{ticket}", ARTICLE)
    assert twice.exit_code == 4
    assert "has this analysis already" in twice.stderr
    assert sent(Path(FOLDER.format(ticket))) == before, "what the ticket holds is what lies on disk"
    assert attach(f"rt:{ticket}", ARTICLE, "--session", "1").exit_code == 0, "other sessions are another analysis"
    assert attach(f"rt:{ticket}", ARTICLE, "--again").exit_code == 0
    assert len(transactions(rt, ticket)) == 3


def test_the_fingerprint_is_found_on_a_later_page(
    rt: Served, ticket: str, attach: Attach, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert attach(f"rt:{ticket}", ARTICLE).exit_code == 0
    for number in range(4):
        body = {"Content": f"remark {number}", "ContentType": "text/plain"}
        rt.ask("POST", f"/REST/2.0/ticket/{ticket}/comment", json=body)
    monkeypatch.setattr(rt_system, "PAGE", 2)
    assert attach(f"rt:{ticket}", ARTICLE).exit_code == 4
    monkeypatch.setattr(rt_system, "PAGES", 2)
    assert attach(f"rt:{ticket}", ARTICLE).exit_code == 0, "so old that nobody looks: the search is bounded"


def test_a_wrong_token_and_a_missing_ticket(
    rt: Served, ticket: str, attach: Attach, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = attach("rt:999999", ARTICLE)
    assert lost.exit_code == 4
    assert "lab has no ticket 999999" in lost.stderr
    monkeypatch.setenv("RT_TOKEN", "1-14-0123456789abcdef")
    wrong = attach(f"rt:{ticket}", ARTICLE)
    assert wrong.exit_code == 4
    assert "does not know the secret it was given (environment variable RT_TOKEN)" in wrong.stderr
    assert "0123456789abcdef" not in wrong.output
    assert f"pcapdiag attach rt:{ticket} --from pcapdiag-rt-{ticket}" in wrong.stderr
    assert not transactions(rt, ticket)
    monkeypatch.setenv("RT_TOKEN", rt.token)
    again = attach(f"rt:{ticket}", "--from", FOLDER.format(ticket))
    assert again.exit_code == 0, again.output
    assert len(transactions(rt, ticket)) == 1


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("DropLongAttachments", ".html: it is not in the ticket"),
        ("TruncateLongAttachments", "the ticket has 20,000 octets"),
    ],
)
def test_what_rt_drops_or_truncates_without_a_word_is_noticed(
    rt_directory: Path, rt: Served, ticket: str, settings: Callable[[str], Path], attach: Attach, option: str, says: str
) -> None:
    with request_tracker(rt_directory, f"Set($MaxAttachmentSize, 20_000); Set(${option}, 1);") as strict:
        settings(TABLE.format(url=strict.url))
        done = attach(f"rt:{ticket}", ARTICLE)
        assert done.exit_code == 4
        assert says in done.stderr
        assert ".json: " not in done.stderr.partition("In rt:")[0], "the JSON is small enough"
        assert "Not there: pcapdiag-" in done.stderr
        assert "--again" in done.stderr, "the note is there, so the next try must say so"


def test_what_is_too_large_by_the_settings_stays_on_disk(
    rt: Served, ticket: str, settings: Callable[[str], Path], attach: Attach
) -> None:
    settings(TABLE.format(url=rt.url) + "max_file_octets = 20_000\n")
    done = attach(f"rt:{ticket}", ARTICLE)
    assert done.exit_code == 0, done.output
    assert ".html: not attached, because lab takes files of at most 20,000 octets" in done.output
    held = parts(rt, transactions(rt, ticket)[0])
    assert {Path(name).suffix for name in held if name} == {".pcapng", ".json"}
    assert "Not attached, because lab takes files of at most 20,000 octets" in held[""].decode()
