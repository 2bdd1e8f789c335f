"""A step -> its answer. With `smtp`, which it calls for letters, the one that opens a socket and uses a secret.

* A request is tried again only where the site cannot have acted on it: the connection failed before anything was sent, or the
  site itself said "later" (429, 503 with Retry-After, RFC 9110 section 10.2.3) and soon. What only reads is tried again anyway.
* Secrets go to the site's own origin. A redirection is followed for reading only, and elsewhere without the secret.
* Certificates are always checked, against the machine's own CAs and the ``ca`` of the settings. Proxies come from the
  environment (HTTPS_PROXY, NO_PROXY).
"""

from __future__ import annotations

import base64
import json
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import httpx

from pcapdiag.deliver import urls
from pcapdiag.deliver.secret import Secret
from pcapdiag.deliver.settings import Site
from pcapdiag.deliver.smtp import hand_over
from pcapdiag.deliver.steps import Answer, Base64, Form, Json, Letter, Octets, Request, Step
from pcapdiag.deliver.system import Credential
from pcapdiag.errors import DeliveryFailed, TicketSettingsError
from pcapdiag.version import __version__

TRIES = 3
LATER = frozenset({429, 503})
PASSING = frozenset({429, 502, 503, 504})
"""What another try at reading may get past."""
MOST_PATIENCE_S = 60
"""A site that wants us to wait for longer is told of instead."""
REDIRECTIONS = 5
WHOLE = 20
"""So many times the timeout may one answer take, all in all."""


class Sender:
    """Asks one site."""

    def __init__(
        self, site: Site, credential: Credential, secret: Secret | None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._site = site
        self._credential = credential
        self._secret = secret
        self._sleep = sleep
        self._tls = tls_context(site)
        self._client = httpx.Client(
            timeout=site.timeout_s,
            verify=self._tls,
            follow_redirects=False,
            headers={"User-Agent": f"pcapdiag/{__version__}"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def ask(self, step: Step) -> Answer:
        """The answer; DeliveryFailed where there is none."""
        if isinstance(step, Letter):
            return hand_over(step, self._site, self._secret, self._tls, datetime.now().astimezone())
        return self._redirected(step, urls.joined(self._site.url, step.target))

    def _redirected(self, request: Request, url: str) -> Answer:
        for _ in range(REDIRECTIONS + 1):
            answer = self._patiently(request, url)
            if answer.status not in (301, 302, 303, 307, 308):
                return answer
            try:
                where = urls.redirected(url, answer.headers.get("location", ""))
                to = urls.origin(where)
            except ValueError:
                raise DeliveryFailed(f"{self._site.name} redirects to what is no URL") from None
            if request.method != "GET":
                raise DeliveryFailed(
                    f"{self._site.name} redirects to {urls.shown(to)}: nothing was sent there; "
                    "if that is where it lives now, say so as url in its settings"
                )
            if to.scheme != "https" and to != urls.origin(self._site.url):
                raise DeliveryFailed(f"{self._site.name} redirects to {urls.shown(to)}, which is not encrypted")
            url = where
        raise DeliveryFailed(f"{self._site.name} redirects more than {REDIRECTIONS} times")

    def _patiently(self, request: Request, url: str) -> Answer:
        """Try, and try again where that is safe."""
        reads = request.method == "GET"
        for attempt in range(1, TRIES + 1):
            last = attempt == TRIES
            try:
                answer = self._once(request, url)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
                if last or "certificate" in str(error).lower():
                    raise DeliveryFailed(self._unreached(url, error)) from None
            except httpx.RequestError as error:  # also an answer that cannot be decompressed
                if not reads:
                    raise DeliveryFailed(_unknown(self._site.name, error), uncertain=True) from None
                if last:
                    raise DeliveryFailed(f"{self._site.name} broke off: {_words(error)}") from None
            except (httpx.InvalidURL, ValueError, OSError) as error:
                raise DeliveryFailed(f"{self._site.name}: {_words(error)}") from None
            else:
                if last or not _worth_another(answer, reads):
                    return answer
                self._wait(answer)
                continue
            self._sleep(attempt)
        raise AssertionError("the last try returns or raises")

    def _wait(self, answer: Answer) -> None:
        after = answer.headers.get("retry-after", "")
        seconds = int(after[:9]) if after.isascii() and after.isdigit() else 2
        if seconds > MOST_PATIENCE_S:
            raise DeliveryFailed(
                f"{self._site.name} answered {answer.status}: it wants to be asked again in {seconds} s"
            )
        self._sleep(seconds)

    def _once(self, request: Request, url: str) -> Answer:
        deadline = time.monotonic() + WHOLE * self._site.timeout_s
        headers = {"Accept": "application/json", **_content_type(request), **request.headers}
        if urls.origin(url) == urls.origin(self._site.url):
            headers |= self._authorization()
        with (
            _body(request) as body,
            self._client.stream(request.method, url, headers=headers, **body) as response,
        ):
            content = bytearray()
            for piece in response.iter_bytes():
                content += piece
                if len(content) > request.octets:
                    raise DeliveryFailed(f"{self._site.name} answered with more than {request.octets:,} octets")
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout(f"no end of the answer after {WHOLE * self._site.timeout_s} s")
            names = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status_code, names, bytes(content))

    def _authorization(self) -> dict[str, str]:
        if self._secret is None:
            return {}
        if self._credential.basic:
            pair = f"{self._site.user}:{self._secret.reveal()}".encode()
            return {self._credential.header: "Basic " + base64.b64encode(pair).decode("ascii")}
        return {self._credential.header: self._credential.form.format(self._secret.reveal())}

    def _unreached(self, url: str, error: Exception) -> str:
        trust = ""
        if "certificate" in str(error).lower():
            trust = "; where a CA of your own signed its certificate, name that as ca in its settings"
        return f"{self._site.name} cannot be reached at {urls.shown(urls.origin(url))}: {_words(error)}{trust}"


def tls_context(site: Site) -> ssl.SSLContext:
    """What is trusted: the machine's CAs, and the site's own."""
    context = ssl.create_default_context()
    try:
        if site.ca:
            context.load_verify_locations(site.ca)
        if site.client_cert:
            context.load_cert_chain(site.client_cert, site.client_key)
    except (OSError, ssl.SSLError, ValueError) as error:
        named = " or ".join(filter(None, (site.ca, site.client_cert, site.client_key)))
        raise TicketSettingsError(
            f"ca or client_cert of {site.name} ({named}): {getattr(error, 'strerror', None) or error}"
        ) from None
    return context


def _worth_another(answer: Answer, reads: bool) -> bool:
    if reads:
        return answer.status in PASSING
    return answer.status in LATER and "retry-after" in answer.headers


def _unknown(name: str, error: Exception) -> str:
    return (
        f"{name} gave no answer ({_words(error)}), so nobody knows whether it took what was sent: look at the ticket; "
        "the same command says if it is there"
    )


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


def _content_type(request: Request) -> dict[str, str]:
    return {"Content-Type": "application/json"} if isinstance(request.body, Json) else {}


@contextmanager
def _body(request: Request) -> Iterator[dict[str, Any]]:
    """Arguments for httpx; files are open as long as they are sent."""
    with ExitStack() as stack:
        match request.body:
            case Json(value):
                text = json.dumps(_encoded(value), ensure_ascii=False)
                yield {"content": text.encode()}
            case Form(name, file):
                opened = stack.enter_context(file.path.open("rb"))
                yield {"files": {name: (file.name, opened, file.content_type)}}
            case Octets(file):
                yield {"content": file.path.read_bytes()}
            case None:
                yield {}


def _encoded(value: Any) -> Any:
    """A JSON body with its files in base64."""
    if isinstance(value, Base64):
        return base64.b64encode(value.file.path.read_bytes()).decode("ascii")
    if isinstance(value, dict):
        return {key: _encoded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_encoded(inner) for inner in value]
    return value
