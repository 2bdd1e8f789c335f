"""tickets.toml, tickets as people write them, and secrets: what is taken, what is refused, and in which words."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from pcapdiag.deliver import settings
from pcapdiag.deliver.secret import FromCommand, FromEnvironment, FromKeyring, Secret
from pcapdiag.deliver.ticket import Ticket, parse
from pcapdiag.errors import PcapdiagError, TicketSettingsError, UsageError

RT = '[sites.work]\nsystem = "rt"\nurl = "https://rt.example.net/"\ntoken_env = "RT_TOKEN"\n'


def read(text: str, tmp_path: Path) -> tuple[settings.Site, ...]:
    path = tmp_path / "tickets.toml"
    path.write_text(text, encoding="utf-8")
    return settings.load(path, must_exist=True)


def test_a_site(tmp_path: Path) -> None:
    (site,) = read(RT + 'ca = "/etc/ssl/own.pem"\nmax_file_octets = 5_000_000\n', tmp_path)
    assert site == settings.Site(
        "work",
        "rt",
        url="https://rt.example.net",
        secret=FromEnvironment("RT_TOKEN"),
        ca="/etc/ssl/own.pem",
        max_file_octets=5_000_000,
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[sites.work", "is no TOML"),
        ("[site.work]\n", "there is no site at the top of the file. Did you mean sites?"),
        ("sites = 1\n", "every site is a table of its own"),
        ('[sites."a b"]\nsystem = "rt"\n', "'a b' is no name for a site"),
        ('[sites.work]\nsystem = "rtt"\n', "system in [sites.work] is 'rtt': did you mean rt?"),
        ('[sites.work]\nurl = "https://x"\n', "system in [sites.work] is missing: one of github"),
        (RT.replace("system", "systm"), "system in [sites.work] is missing; did you mean it by systm?"),
        ('[sites.work]\nsystem = "rt"\ntoken_env = "T"\n', "url in [sites.work] is missing"),
        ('[sites.work]\nsystem = "mailto"\n', "host and sender in [sites.work] is missing"),
        (RT + 'ac = "x.pem"\n', "there is no ac in [sites.work]. Did you mean ca?"),
        (RT + "max_file_octet = 3\n", "Did you mean max_file_octets?"),
        (RT + 'host = "mx"\n', "there is no host in [sites.work]."),
        (RT + "service_management = true\n", "there is no service_management in [sites.work]."),
        (RT + 'max_file_octets = "3"\n', "must be a whole number above 0, not '3'"),
        (RT + "max_file_octets = 0\n", "must be a whole number above 0, not 0"),
        (
            RT.replace('"rt"', '"redmine"') + 'markup = "html"\n',
            "markup in [sites.work] is none of plain, markdown, jira, textile",
        ),
        ("x = " + "[" * 5000, "is no TOML"),
        (RT + "timeout_s = 99999999999999999999\n", "at most 3600 s are waited"),
        (RT + "timeout_s = true\n", "must be a whole number above 0, not True"),
        (RT + 'default = "yes"\n', "must be true or false, not 'yes'"),
        (
            RT + 'token = "1-14-0815"\n',
            "token in [sites.work] would keep a secret in clear: say where it is with token_env",
        ),
        (RT + 'password = "x"\n', "would keep a secret in clear"),
        (RT + 'token_command = ["pass", "rt"]\n', "token_env and token_command in [sites.work]: one of them is enough"),
        (
            RT.replace('token_env = "RT_TOKEN"', "token_command = []"),
            "token_command in [sites.work] must be a list of texts",
        ),
        (RT.replace('token_env = "RT_TOKEN"', 'token_command = "pass rt"'), "must be a list of texts, not 'pass rt'"),
        (RT.replace('token_env = "RT_TOKEN"', 'token_keyring = ["rt"]'), "must name service and user"),
        (RT.replace('token_env = "RT_TOKEN"', ""), "nothing says where its secret is"),
        (RT.replace("https:", "http:"), "the secret would cross the network in clear"),
        (RT.replace("https:", "ftp:"), "must be like https://rt.example.net"),
        (RT.replace("https://", "https://anna:pw@"), "without a user or a query"),
        (RT.replace("example.net/", "example.net:port/"), "must be like https://rt.example.net"),
    ],
)
def test_what_is_wrong_is_named(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(TicketSettingsError) as error:
        read(text, tmp_path)
    assert says in str(error.value)
    assert str(tmp_path / "tickets.toml") in str(error.value)
    assert "0815" not in str(error.value)


def test_in_clear_on_this_machine_or_when_said_so(tmp_path: Path) -> None:
    for text in (
        RT.replace("https://rt.example.net", "http://127.0.0.1:8080"),
        RT.replace("https:", "http:") + "plain_http = true\n",
    ):
        assert read(text, tmp_path)[0].url.startswith("http://")


HOME = RT.replace("work", "home").replace("rt.example", "rt.home.example")


@pytest.mark.parametrize(
    ("text", "system", "wanted", "name", "url"),
    [
        (RT, "rt", None, "work", "https://rt.example.net"),
        (RT + HOME, "rt", "home", "home", "https://rt.home.example.net"),
        (RT + HOME + "default = true\n", "rt", None, "home", "https://rt.home.example.net"),
        (RT, "github", None, "github", "https://api.github.com"),
        (RT, "gitlab", None, "gitlab", "https://gitlab.com"),
    ],
)
def test_which_site_is_meant(text: str, system: str, wanted: str | None, name: str, url: str, tmp_path: Path) -> None:
    site = settings.choose(read(text, tmp_path), system, wanted, tmp_path / "tickets.toml")
    assert (site.name, site.url) == (name, url)


@pytest.mark.parametrize(
    ("text", "system", "wanted", "says"),
    [
        (RT + HOME, "rt", None, "2 sites are rt (work, home), and none says default = true: write rt@work:..."),
        (RT + "default = true\n" + HOME + "default = true\n", "rt", None, "several say default = true"),
        (RT, "rt", "wrok", "has no site 'wrok'. Did you mean work?"),
        (RT, "rt", "customer", "has no site 'customer'. It has work."),
        (RT, "jira", "work", "the site work is rt, not jira"),
        (RT, "redmine", None, "there are no settings for Redmine"),
    ],
)
def test_which_site_is_not_meant(text: str, system: str, wanted: str | None, says: str, tmp_path: Path) -> None:
    with pytest.raises(TicketSettingsError) as error:
        settings.choose(read(text, tmp_path), system, wanted, tmp_path / "tickets.toml")
    assert says in str(error.value)


def test_no_file_is_no_site_unless_it_was_named(tmp_path: Path) -> None:
    assert settings.load(tmp_path / "none.toml", must_exist=False) == ()
    with pytest.raises(TicketSettingsError, match="there is no file"):
        settings.load(tmp_path / "none.toml", must_exist=True)


@pytest.mark.parametrize(
    ("text", "ticket", "folder"),
    [
        ("rt:4711", Ticket("rt", None, "4711"), "pcapdiag-rt-4711"),
        ("rt@work:4711", Ticket("rt", "work", "4711"), "pcapdiag-rt-work-4711"),
        ("jira:MAIL-12", Ticket("jira", None, "MAIL-12"), "pcapdiag-jira-MAIL-12"),
        ("github:owner/repo.py#5", Ticket("github", None, "owner/repo.py#5"), "pcapdiag-github-owner-repo.py-5"),
        ("gitlab:a/b/c#7", Ticket("gitlab", None, "a/b/c#7"), "pcapdiag-gitlab-a-b-c-7"),
        (
            "mailto@office:desk@example.net?subject=[rt #1] mail",
            Ticket("mailto", "office", "desk@example.net?subject=[rt #1] mail"),
            "pcapdiag-mailto-office-desk-example.net",
        ),
    ],
)
def test_tickets(text: str, ticket: Ticket, folder: str) -> None:
    assert parse(text) == ticket
    assert str(ticket) == text
    assert ticket.folder == folder


def test_the_system_is_known_in_capitals_too() -> None:
    assert parse("RT:4711") == parse("rt:4711")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("4711", "'4711' is no ticket. Tickets are written like this: github:owner/repo#5"),
        ("rtt:4711", "there is no ticket system 'rtt'. Did you mean rt?"),
        ("rt:../../admin", "is written like rt:4711"),
        ("rt:0", "is written like rt:4711"),
        ("rt:١٢", "is written like rt:4711"),
        ("rt:4711\n", "is written like rt:4711"),
        ("jira:mail-12", "is written like jira:MAIL-12"),
        ("github:owner/..#5", "is written like github:owner/repo#5"),
        ("github:owner/repo/x#5", "is written like github:owner/repo#5"),
        ("gitlab:project#7", "is written like gitlab:group/project#7"),
        ("mailto:desk", "is written like mailto:desk@example.net"),
    ],
)
def test_no_tickets(text: str, says: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(text)
    assert says in str(error.value)


def command(text: str) -> FromCommand:
    return FromCommand((sys.executable, "-c", text))


def test_secrets_are_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RT_TOKEN", " s3cret\n")
    assert FromEnvironment("RT_TOKEN").fetch("work").reveal() == "s3cret"
    assert command("print('s3cret'); print('user: anna')").fetch("work").reveal() == "s3cret"
    ring = SimpleNamespace(get_password=lambda service, user: f"{user}-of-{service}")
    monkeypatch.setitem(sys.modules, "keyring", ring)
    assert FromKeyring("rt", "anna").fetch("work").reveal() == "anna-of-rt"


def test_a_command_is_no_shell() -> None:
    assert (
        FromCommand((sys.executable, "-c", "import sys; print(sys.argv[1])", "$HOME;`id`")).fetch("x").reveal()
        == "$HOME;`id`"
    )


def no_backend(service: str, user: str) -> str:
    raise RuntimeError("locked")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (
            FromEnvironment("NOT_SET"),
            "the environment variable NOT_SET, which holds the secret of the site work, is not set",
        ),
        (FromEnvironment("BROKEN"), "has characters that no token has"),
        (FromKeyring("rt", "anna"), "python -m pip install 'pcapdiag[keyring]'"),
        (FromCommand(("no-such-program",)), "no-such-program, which prints the secret of the site work: No such file"),
        (command("raise SystemExit(3)"), "ended with status 3"),
        (command(""), "printed nothing"),
        (command("import os; os.write(1, b'\\xff\\n')"), "its output is no text"),
        (command("print('a\\x1bb')"), "has characters that no token has"),
    ],
)
def test_secrets_that_cannot_be_had(source: FromEnvironment, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKEN", "s3\x1bcret")
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(PcapdiagError) as error:
        source.fetch("work")
    assert says in str(error.value)
    assert "s3" not in str(error.value)


def test_a_keyring_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", SimpleNamespace(get_password=lambda service, user: None))
    with pytest.raises(TicketSettingsError, match="keyring set rt anna"):
        FromKeyring("rt", "anna").fetch("work")
    monkeypatch.setitem(sys.modules, "keyring", SimpleNamespace(get_password=no_backend))
    with pytest.raises(TicketSettingsError, match="did not give the secret of the site work: locked"):
        FromKeyring("rt", "anna").fetch("work")


def test_a_secret_does_not_show() -> None:
    secret = Secret("s3cret")
    assert "s3cret" not in f"{secret} {secret!r} {[secret]}"
    assert secret.hidden_in("Authorization: Bearer s3cret") == "Authorization: Bearer ***"
