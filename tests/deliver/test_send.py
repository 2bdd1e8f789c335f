"""How requests are sent: what is tried again, where secrets go, whom is trusted, how much is read."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from pcapdiag.deliver import urls
from pcapdiag.deliver.bundle import Bundle, Dialect, Parcel
from pcapdiag.deliver.delivery import refusal
from pcapdiag.deliver.secret import Secret
from pcapdiag.deliver.send import Sender
from pcapdiag.deliver.settings import Site
from pcapdiag.deliver.steps import Answer, Json, Purpose, Request
from pcapdiag.deliver.system import Credential, Job
from pcapdiag.errors import DeliveryFailed, TicketSettingsError
from tests.deliver.real_servers import free_port
from tests.deliver.vendors import TOKEN, Received, Vendor, serving

BEARER = Credential("Authorization", "Bearer {}")
GET = Request(Purpose.LOOK, "GET", "/thing")
POST = Request(Purpose.SEND, "POST", "/thing", body=Json({"a": "ü"}))

Scripted = list[tuple[int, Any, dict[str, str]]]


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with serving(Vendor()) as vendor:
        yield vendor


def script(vendor: Vendor, replies: Scripted) -> None:
    """Answers, one after the other; the last for ever."""
    rest = list(replies)

    def next_reply(received: Received) -> tuple[int, Any, dict[str, str]]:
        return rest.pop(0) if len(rest) > 1 else rest[0]

    vendor.before = next_reply


def ask(site: Site, request: Request, secret: str | None = TOKEN) -> tuple[Answer, list[float]]:
    """The answer, and for how long was waited before it."""
    waited: list[float] = []
    with Sender(site, BEARER, None if secret is None else Secret(secret), sleep=waited.append) as sender:
        return sender.ask(request), waited


def site_of(vendor: Vendor, **more: Any) -> Site:
    return Site("there", "github", url=vendor.url, timeout_s=2, **more)


OK = (200, {"fine": True}, {})


@pytest.mark.parametrize(
    ("request_", "replies", "status", "asked", "waited"),
    [
        (GET, [(503, {}, {}), (502, {}, {}), OK], 200, 3, [2, 2]),
        (GET, [(503, {}, {"Retry-After": "7"}), OK], 200, 2, [7]),
        (GET, [(500, {}, {}), OK], 500, 1, []),
        (GET, [(504, {}, {})], 504, 3, [2, 2]),
        (POST, [(503, {}, {}), OK], 503, 1, []),  # it may have been done
        (POST, [(502, {}, {}), OK], 502, 1, []),
        (POST, [(429, {}, {"Retry-After": "3"}), OK], 200, 2, [3]),  # it was not done: the site says so
        (POST, [(503, {}, {"Retry-After": "3"}), OK], 200, 2, [3]),
        (POST, [(401, {}, {})], 401, 1, []),
    ],
)
def test_only_what_is_safe_is_tried_again(
    vendor: Vendor, request_: Request, replies: Scripted, status: int, asked: int, waited: list[float]
) -> None:
    script(vendor, replies)
    answer, pauses = ask(site_of(vendor), request_)
    assert (answer.status, len(vendor.received), pauses) == (status, asked, waited)
    assert all(received.headers["authorization"] == f"Bearer {TOKEN}" for received in vendor.received)


def test_nobody_waits_for_an_hour(vendor: Vendor) -> None:
    script(vendor, [(429, {}, {"Retry-After": "3600"})])
    with pytest.raises(DeliveryFailed, match="asked again in 3600 s"):
        ask(site_of(vendor), POST)


def test_a_site_that_is_not_there() -> None:
    waited: list[float] = []
    port = free_port()
    site = Site("there", "github", url=f"http://127.0.0.1:{port}", timeout_s=2)
    says = rf"there cannot be reached at http://127\.0\.0\.1:{port}:"
    with Sender(site, BEARER, None, sleep=waited.append) as sender, pytest.raises(DeliveryFailed, match=says) as failed:
        sender.ask(POST)
    assert not failed.value.uncertain, "nothing was sent"
    assert waited == [1, 2], "so it was tried again"


def test_no_answer_to_what_was_sent_is_not_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        site = Site("there", "github", url=f"http://127.0.0.1:{deaf.getsockname()[1]}", timeout_s=1)
        with Sender(site, BEARER, None) as sender, pytest.raises(DeliveryFailed, match="nobody knows") as failed:
            sender.ask(POST)
        assert failed.value.uncertain
        deaf.accept()[0].close()
        deaf.settimeout(0.2)
        with pytest.raises(TimeoutError):
            deaf.accept()


def test_a_redirection_elsewhere_is_followed_without_the_secret(vendor: Vendor) -> None:
    with serving(Vendor()) as elsewhere:
        script(elsewhere, [OK])
        script(vendor, [(302, {}, {"Location": f"{elsewhere.url}/signed?x=1"})])
        with pytest.raises(DeliveryFailed, match="which is not encrypted"):
            ask(site_of(vendor), GET)
        assert not elsewhere.received
        script(vendor, [(302, {}, {"Location": "/other"}), OK])
        answer, _ = ask(site_of(vendor), GET)
        assert answer.ok
        assert vendor.received[-1].headers["authorization"] == f"Bearer {TOKEN}"
        named_by_an_answer = Request(Purpose.CHECK, "GET", f"{elsewhere.url}/file")
        ask(site_of(vendor), named_by_an_answer)
        assert "authorization" not in elsewhere.received[-1].headers


def test_what_is_sent_is_not_redirected(vendor: Vendor) -> None:
    script(vendor, [(301, {}, {"Location": "https://tickets.example.net/thing"})])
    with pytest.raises(DeliveryFailed, match=r"redirects to https://tickets\.example\.net: nothing was sent there"):
        ask(site_of(vendor), POST)
    script(vendor, [(302, {}, {"Location": "/thing"})])
    with pytest.raises(DeliveryFailed, match="redirects more than 5 times"):
        ask(site_of(vendor), GET)


DEEP = b"[" * 100_000


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        ((302, {}, {"Location": "http://[bad/"}), "redirects to what is no URL"),
        ((302, {}, {"Location": "http://x.example:99999999/"}), "redirects to what is no URL"),
        ((503, {}, {"Retry-After": "9" * 5000}), "wants to be asked again in 999999999 s"),
        ((200, b"not gzip", {"Content-Encoding": "gzip"}), "broke off: .*decompressing"),
        ((200, DEEP, {}), "no JSON"),
    ],
)
def test_an_answer_that_no_site_gives_is_told_as_one(
    vendor: Vendor, reply: tuple[int, Any, dict[str, str]], says: str
) -> None:
    script(vendor, [reply])
    with pytest.raises(DeliveryFailed, match=says):
        ask(site_of(vendor), GET)[0].json()


def test_an_error_in_a_deep_answer_has_no_words() -> None:
    job = Job("5", Site("there", "github"), Parcel(Bundle("0" * 16, Dialect.MARKDOWN, "", ()), ()), True)
    assert refusal(POST, Answer(400, {}, DEEP), job) == "there refused to POST /thing (400)"


def test_an_endless_answer(vendor: Vendor) -> None:
    script(vendor, [(200, b"x" * 100_000, {})])
    with pytest.raises(DeliveryFailed, match="more than 1,000 octets"):
        ask(site_of(vendor), Request(Purpose.LOOK, "GET", "/thing", octets=1000))


def test_a_login_page_is_no_answer(vendor: Vendor) -> None:
    script(vendor, [(200, b"<html>\x1b[2J", {})])
    answer, _ = ask(site_of(vendor), GET)
    with pytest.raises(DeliveryFailed, match="no JSON"):
        answer.json()


@pytest.fixture
def authority(tmp_path: Path) -> tuple[trustme.CA, Path]:
    ca = trustme.CA()
    path = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    return ca, path


def test_certificates_are_checked(authority: tuple[trustme.CA, Path], tmp_path: Path) -> None:
    ca, path = authority
    client = tmp_path / "client.pem"
    ca.issue_cert("client.example.net").private_key_and_cert_chain_pem.write_to_path(str(client))

    def wrap(demand: bool) -> Callable[[ThreadingHTTPServer], None]:
        def in_tls(server: ThreadingHTTPServer) -> None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            ca.issue_cert("127.0.0.1").configure_cert(context)
            if demand:
                ca.configure_trust(context)
                context.verify_mode = ssl.CERT_REQUIRED
            server.socket = context.wrap_socket(server.socket, server_side=True)

        return in_tls

    with serving(Vendor(), wrap(demand=False)) as vendor:
        script(vendor, [OK])
        with pytest.raises(DeliveryFailed, match="name that as ca in its settings"):
            ask(site_of(vendor), GET)
        assert not vendor.received
        assert ask(site_of(vendor, ca=str(path)), GET)[0].ok
    with serving(Vendor(), wrap(demand=True)) as vendor:
        script(vendor, [OK])
        with pytest.raises(DeliveryFailed):
            ask(site_of(vendor, ca=str(path)), GET)
        assert ask(site_of(vendor, ca=str(path), client_cert=str(client)), GET)[0].ok


def test_a_ca_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for name in ("ca.pem", "missing.pem"):
        with pytest.raises(TicketSettingsError, match="ca or client_cert of there"):
            Sender(Site("there", "github", url="https://127.0.0.1", ca=str(tmp_path / name)), BEARER, None)


def test_proxies_come_from_the_environment(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    script(vendor, [OK])
    monkeypatch.setenv("HTTP_PROXY", vendor.url)
    monkeypatch.setenv("NO_PROXY", "")
    site = Site("there", "github", url="http://tickets.example.net", timeout_s=2)
    assert ask(site, GET)[0].ok
    assert vendor.received[0].headers["host"] == "tickets.example.net"


@pytest.mark.parametrize(
    ("segments", "path"),
    [
        (("projects", "group/sub/project", "issues", "7"), "/projects/group%2Fsub%2Fproject/issues/7"),
        (("..", "a b?c#d"), "/../a%20b%3Fc%23d"),
        (("attachment", 5), "/attachment/5"),
    ],
)
def test_segments_stay_in_their_place(segments: tuple[str | int, ...], path: str) -> None:
    assert urls.path(*segments) == path
