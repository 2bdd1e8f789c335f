"""Mail is handed to a real SMTP server, and taken apart again."""

from __future__ import annotations

import multiprocessing
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as policy
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, Session

from pcapdiag.deliver.memory import Claim
from pcapdiag.errors import DeliveryRefused
from tests.deliver.conftest import ARTICLE, Attach

PASSWORD = "pa55-w0rd"
TICKET = (
    "mailto:desk@example.net?subject=%5BMAIL-12%5D%20mail%20lost&cc=boss@example.net&in-reply-to=%3Ca.1@example.net%3E"
)


class Desk:
    """Takes mail; `refuse` says what it answers at the end of the data."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.refuse = ""
        self.unknown = ""

    async def handle_RCPT(  # noqa: N802  (name of aiosmtpd)
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address == self.unknown:
            return "550 5.1.1 no such desk"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.refuse:
            return self.refuse
        self.envelopes.append(envelope)
        return "250 2.0.0 queued as 4711ABC"

    def message(self) -> EmailMessage:
        content = self.envelopes[-1].content
        assert isinstance(content, bytes)
        message = message_from_bytes(content, policy=policy)
        assert isinstance(message, EmailMessage)
        return message


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    ca = trustme.CA()
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context, path


@pytest.fixture
def desk(
    request: pytest.FixtureRequest,
    authority: tuple[ssl.SSLContext, Path],
    settings: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Desk]:
    """A submission server with STARTTLS and AUTH, and its site in the settings."""
    context, ca = authority

    def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (b"anna", PASSWORD.encode()), handled=False)

    desk = Desk()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = Controller(
        desk,
        hostname="127.0.0.1",
        port=port,
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        authenticator=authenticate,
        data_size_limit=getattr(request, "param", 1_000_000),
    )
    server.start()
    monkeypatch.setenv("MAIL_PASSWORD", PASSWORD)
    settings(table(port, ca))
    yield desk
    server.stop()


def table(port: int, ca: Path, more: str = "") -> str:
    return (
        '[sites.desk]\nsystem = "mailto"\nhost = "127.0.0.1"\nsender = "anna@example.org"\nuser = "anna"\n'
        f'token_env = "MAIL_PASSWORD"\nport = {port}\nca = "{ca}"\n{more}'
    )


def folder() -> Path:
    return Path("pcapdiag-mailto-desk-example.net")


def test_the_message_holds_the_very_octets(desk: Desk, attach: Attach) -> None:
    done = attach(TICKET, ARTICLE, "--public")
    assert done.exit_code == 0, done.output
    (envelope,) = desk.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == ("anna@example.org", ["desk@example.net", "boss@example.net"])
    message = desk.message()
    assert message["Subject"] == "[MAIL-12] mail lost"
    assert (message["To"], message["Cc"]) == ("desk@example.net", "boss@example.net")
    assert message["In-Reply-To"] == message["References"] == "<a.1@example.net>"
    assert message["Message-ID"].endswith("@example.org>")
    body = message.get_body(("plain",))
    assert body is not None
    note = body.get_content()
    assert note.startswith("3 SMTP sessions, all of them dropped by the server.")
    assert note.rstrip().splitlines()[-1].startswith("pcapdiag analysis ")
    parts = {part.get_filename(): part.get_payload(decode=True) for part in message.iter_attachments()}
    assert {Path(str(name)).suffix for name in parts} == {".html", ".json", ".pcapng"}
    assert parts == {str(name): (folder() / str(name)).read_bytes() for name in parts}
    assert "250 2.0.0 queued as 4711ABC" in done.output
    assert message["Message-ID"] in done.output


def test_mail_is_public(desk: Desk, attach: Attach) -> None:
    done = attach(TICKET, ARTICLE)
    assert done.exit_code == 4
    assert "nobody can say who reads the mail of that address, so it is sent with --public only" in done.stderr
    assert not desk.envelopes


def test_the_same_analysis_is_remembered_by_address(desk: Desk, attach: Attach) -> None:
    assert attach(TICKET, ARTICLE, "--public").exit_code == 0
    twice = attach("mailto:desk@example.net?subject=other", ARTICLE, "--public")
    assert twice.exit_code == 4
    assert "this analysis was mailed to desk@example.net already" in twice.stderr
    assert attach("mailto:other@example.net", ARTICLE, "--public").exit_code == 0
    assert attach(TICKET, ARTICLE, "--public", "--again").exit_code == 0
    assert len(desk.envelopes) == 3


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        ({"refuse": "554 5.7.1 looks like a virus"}, "desk refused the mail: 554 5.7.1 looks like a virus"),
        ({"unknown": "boss@example.net"}, "desk refused boss@example.net, so nothing was sent: 550 5.1.1 no such desk"),
    ],
)
def test_what_was_refused_may_be_sent_again(desk: Desk, attach: Attach, trouble: dict[str, str], says: str) -> None:
    vars(desk).update(trouble)
    done = attach(TICKET, ARTICLE, "--public")
    assert done.exit_code == 4
    assert says in done.stderr
    assert "Nothing of it is in mailto:desk@example.net" in done.stderr
    assert not desk.envelopes
    vars(desk).update(refuse="", unknown="")
    assert attach(TICKET, "--from", str(folder()), "--public").exit_code == 0
    assert len(desk.envelopes) == 1


def test_a_wrong_password(desk: Desk, attach: Attach, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", "wr0ng-one")
    done = attach(TICKET, ARTICLE, "--public")
    assert done.exit_code == 4
    assert "desk refused the mail: 535" in done.stderr
    assert "wr0ng-one" not in done.output


@pytest.mark.parametrize("desk", [100_000], indirect=True)
def test_larger_than_the_server_takes(desk: Desk, attach: Attach) -> None:
    done = attach(TICKET, ARTICLE, "--public")
    assert done.exit_code == 4
    assert "desk takes messages of at most 100,000 octets, and this one has 1" in done.stderr
    assert "set max_total_octets" in done.stderr
    assert not desk.envelopes


def test_no_tls_no_mail(desk: Desk, attach: Attach, settings: Callable[[str], Path]) -> None:
    deaf = socket.create_server(("127.0.0.1", 0))
    with deaf:
        settings(table(deaf.getsockname()[1], Path("missing.pem")))
        done = attach(TICKET, ARTICLE, "--public")
    assert done.exit_code == 2
    assert "ca or client_cert of desk (missing.pem)" in done.stderr


def test_a_dry_run(desk: Desk, attach: Attach) -> None:
    done = attach(TICKET, ARTICLE, "--public", "--dry-run")
    assert done.exit_code == 0, done.output
    assert not desk.envelopes
    assert "SMTP 127.0.0.1 (starttls), AUTH as anna: ***" in done.output
    assert "Subject: [MAIL-12] mail lost" in done.output
    assert PASSWORD not in done.output
    assert attach(TICKET, ARTICLE, "--public").exit_code == 0, "and it counts for nothing"


@pytest.mark.parametrize(
    ("ticket", "says"),
    [
        ("mailto:desk@example.net?bcc=spy@example.org", "'bcc' is none of subject, cc, in-reply-to"),
        ("mailto:desk@example.net?subject=a%0d%0aBcc:%20spy@example.org", "the subject has control characters"),
        ("mailto:desk@example.net%0d%0aspy@example.org", "is no mail address"),
        ("mailto:desk@example.net?subject=a&Subject=b", "subject stands there twice"),
        ("mailto:desk@example.net?in-reply-to=yesterday", "no message identifier"),
        ("mailto:desk@example.net,%3Cspy%3E@example.org", "is no mail address"),
    ],
)
def test_what_an_address_may_not_ask_for(desk: Desk, attach: Attach, ticket: str, says: str) -> None:
    done = attach(ticket, ARTICLE, "--public")
    assert done.exit_code == 2
    assert says in done.stderr
    assert not desk.envelopes


def _claim(directory: Path, results: Any) -> None:
    try:
        Claim.take(directory, "desk@example.net", "3f2a", datetime.now(UTC), again=False)
        results.put(True)
    except DeliveryRefused:
        results.put(False)


def test_of_two_at_once_one_sends(tmp_path: Path) -> None:
    results: Any = multiprocessing.Queue()
    claimants = [multiprocessing.Process(target=_claim, args=(tmp_path / "state", results)) for _ in range(8)]
    for claimant in claimants:
        claimant.start()
    won = [results.get(timeout=30) for _ in claimants]
    for claimant in claimants:
        claimant.join(30)
    assert sorted(won) == [False] * 7 + [True]


def test_how_it_ended_is_told(tmp_path: Path) -> None:
    now = datetime(2026, 11, 27, 10, tzinfo=UTC)
    claim = Claim.take(tmp_path, "desk@example.net", "3f2a", now, again=False)
    with pytest.raises(DeliveryRefused, match="how that ended is not known"):
        Claim.take(tmp_path, "desk@example.net", "3f2a", now, again=False)
    claim.sent("250 queued")
    with pytest.raises(DeliveryRefused, match="already, 2026-11-27T10:00:00"):
        Claim.take(tmp_path, "desk@example.net", "3f2a", now, again=False)
    Claim.take(tmp_path, "desk@example.net", "3f2a", now, again=True).release()
    Claim.take(tmp_path, "desk@example.net", "3f2a", now, again=False)
