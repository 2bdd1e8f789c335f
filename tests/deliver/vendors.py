"""Jira, GitHub, GitLab and Zammad as their documentation describes them, on loopback: strict about every request.

A request that is not as documented is answered 400 and written down in `complaints`, which tests want empty. What is taken is
kept, and given back octet for octet, unless `spoil` says otherwise.
"""

from __future__ import annotations

import base64
import email
import email.policy
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

TOKEN = "s3cret-Token"


@dataclass
class Received:
    method: str
    path: str
    """As it came: segments still quoted."""
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        assert self.headers.get("content-type") == "application/json", self.headers
        return json.loads(self.body)

    def file(self, field: str) -> tuple[str, bytes]:
        """Name and octets of the one part of a multipart/form-data body, which must be called `field` (RFC 7578)."""
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        message = email.message_from_bytes(head + self.body, policy=email.policy.HTTP)
        assert message.get_content_type() == "multipart/form-data", self.headers
        (part,) = message.iter_parts()
        disposition = part["Content-Disposition"]
        assert disposition.content_disposition == "form-data"
        assert disposition.params["name"] == field, disposition
        octets = part.get_payload(decode=True)
        assert isinstance(octets, bytes)
        return disposition.params["filename"], octets


Reply = tuple[int, Any]
"""Status, and what is sent: octets as they are, anything else as JSON."""


@dataclass
class Vendor:
    """One kind of site. Subclasses list their routes."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    spoil: Callable[[bytes], bytes] = lambda octets: octets
    before: Callable[[Received], tuple[int, Any, dict[str, str]] | None] = lambda received: None
    """A test's own answer, in place of the vendor's."""

    routes: ClassVar[dict[str, str]] = {}
    """``METHOD /path/{name}`` -> name of the method that answers."""

    def authorized(self, received: Received) -> bool:
        raise NotImplementedError

    def keep(self, name: str, octets: bytes) -> str:
        id = str(len(self.files) + 1)
        self.files[id] = (name, octets)
        return id

    def answer(self, received: Received) -> tuple[int, Any, dict[str, str]]:
        self.received.append(received)
        given = self.before(received)
        if given is not None:
            return given
        if not self.authorized(received):
            return 401, {"message": "Unauthorized"}, {}
        for route, name in self.routes.items():
            method, _, pattern = route.partition(" ")
            match = re.fullmatch(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", pattern), received.path)
            if match and method == received.method:
                try:
                    return *getattr(self, name)(received, **match.groupdict()), {}
                except (AssertionError, KeyError, ValueError, TypeError) as error:
                    self.complaints.append(f"{received.method} {received.path}: {error!r}")
                    return 400, {"message": "not as documented"}, {}
        return 404, {"message": "Not Found"}, {}


class Jira(Vendor):
    """Jira Cloud platform REST API v2; user and token as HTTP Basic."""

    routes: ClassVar = {
        "GET /rest/api/2/issue/MAIL-12/comment": "listed",
        "POST /rest/api/2/issue/MAIL-12/attachments": "attached",
        "POST /rest/api/2/issue/MAIL-12/comment": "commented",
        "GET /secure/attachment/{id}/{name}": "downloaded",
        # Jira Service Management
        "GET /rest/servicedeskapi/request/MAIL-12": "request",
        "POST /rest/servicedeskapi/servicedesk/7/attachTemporaryFile": "temporary",
        "POST /rest/servicedeskapi/request/MAIL-12/attachment": "desk_attached",
        "POST /rest/servicedeskapi/request/MAIL-12/comment": "desk_commented",
    }

    def authorized(self, received: Received) -> bool:
        pair = base64.b64encode(f"anna@example.net:{TOKEN}".encode()).decode()
        return received.headers.get("authorization") == f"Basic {pair}"

    def listed(self, received: Received) -> Reply:
        start, most = int(received.query["startAt"]), int(received.query["maxResults"])
        assert received.query.get("orderBy") in (None, "created", "-created", "+created")
        newest = self.notes[::-1]
        rows = newest[start : start + most]
        return 200, {"startAt": start, "maxResults": most, "total": len(newest), "comments": rows}

    def attached(self, received: Received) -> Reply:
        assert received.headers.get("x-atlassian-token") == "no-check"
        name, octets = received.file("file")
        id = self.keep(name, octets)
        content = f"{self.url}/secure/attachment/{id}/{name}"
        return 200, [{"id": id, "filename": name, "size": len(octets), "content": content}]

    def commented(self, received: Received) -> Reply:
        body = received.json()
        assert set(body) == {"body"}
        assert len(body["body"]) <= 32_767
        self.notes.append({"id": str(len(self.notes) + 1), "body": body["body"]})
        return 201, self.notes[-1]

    def downloaded(self, received: Received, id: str, name: str) -> Reply:
        assert self.files[id][0] == name
        return 200, self.spoil(self.files[id][1])

    def request(self, received: Received) -> Reply:
        return 200, {"issueId": "107001", "issueKey": "MAIL-12", "serviceDeskId": "7"}

    def temporary(self, received: Received) -> Reply:
        assert received.headers.get("x-atlassian-token") == "no-check"
        name, octets = received.file("file")
        return 201, {
            "temporaryAttachments": [{"temporaryAttachmentId": f"temp{self.keep(name, octets)}", "fileName": name}]
        }

    def desk_attached(self, received: Received) -> Reply:
        body = received.json()
        assert set(body) == {"temporaryAttachmentIds", "public", "additionalComment"}
        note = {"id": str(len(self.notes) + 1), "body": body["additionalComment"]["body"], "public": body["public"]}
        self.notes.append(note)
        rows = []
        for temporary in body["temporaryAttachmentIds"]:
            id = temporary.removeprefix("temp")
            name = self.files[id][0]
            rows.append({"filename": name, "_links": {"content": f"{self.url}/secure/attachment/{id}/{name}"}})
        return 201, {"comment": note, "attachments": {"size": len(rows), "values": rows}}

    def desk_commented(self, received: Received) -> Reply:
        body = received.json()
        assert set(body) == {"body", "public"}
        self.notes.append({"id": str(len(self.notes) + 1), **body})
        return 201, self.notes[-1]


class GitHub(Vendor):
    """GitHub REST API, version 2022-11-28."""

    routes: ClassVar = {
        "GET /repos/owner/repo/issues/5/comments": "listed",
        "POST /repos/owner/repo/issues/5/comments": "commented",
        "GET /repos/owner/repo/issues/comments/{id}": "read",
    }

    def authorized(self, received: Received) -> bool:
        return received.headers.get("authorization") == f"Bearer {TOKEN}"

    def _as_documented(self, received: Received) -> None:
        assert received.headers.get("accept") == "application/vnd.github+json"
        assert received.headers.get("x-github-api-version") == "2022-11-28"
        assert received.headers.get("user-agent"), "requests without one are refused"

    def listed(self, received: Received) -> Reply:
        self._as_documented(received)
        each, page = int(received.query["per_page"]), int(received.query["page"])
        assert each <= 100
        return 200, self.notes[(page - 1) * each : page * each]

    def commented(self, received: Received) -> Reply:
        self._as_documented(received)
        body = received.json()
        assert set(body) == {"body"}
        if len(body["body"]) > 65_536:
            return 422, {"message": "Validation Failed", "errors": [{"message": "body is too long"}]}
        id = len(self.notes) + 1
        page = f"https://github.com/owner/repo/issues/5#issuecomment-{id}"
        self.notes.append({"id": id, "body": body["body"], "html_url": page})
        return 201, self.notes[-1]

    def read(self, received: Received, id: str) -> Reply:
        self._as_documented(received)
        return 200, self.notes[int(id) - 1]


class GitLab(Vendor):
    """GitLab REST API v4, as of 17.6; the project's path is one quoted segment."""

    PROJECT: ClassVar = "group%2Fsub%2Fproject"
    routes: ClassVar = {
        f"GET /api/v4/projects/{PROJECT}/issues/7/notes": "listed",
        f"POST /api/v4/projects/{PROJECT}/uploads": "uploaded",
        f"POST /api/v4/projects/{PROJECT}/issues/7/notes": "noted",
        f"GET /api/v4/projects/{PROJECT}/uploads/{{secret}}/{{name}}": "downloaded",
    }
    knows_internal = True

    def authorized(self, received: Received) -> bool:
        return received.headers.get("private-token") == TOKEN

    def listed(self, received: Received) -> Reply:
        assert received.query["sort"] in ("asc", "desc")
        assert received.query["order_by"] in ("created_at", "updated_at")
        each, page = int(received.query["per_page"]), int(received.query["page"])
        return 200, self.notes[::-1][(page - 1) * each : page * each]

    def uploaded(self, received: Received) -> Reply:
        name, octets = received.file("file")
        secret = f"66dbcd21ec5d24ed6ea225176098d52{self.keep(name, octets)}"
        place = f"/uploads/{secret}/{name}"
        return 201, {
            "id": 5,
            "alt": name,
            "url": place,
            "full_path": f"/-/project/1{place}",
            "markdown": f"[{name}]({place})",
        }

    def noted(self, received: Received) -> Reply:
        body = received.json()
        assert set(body) <= {"body", "internal", "confidential"}
        assert len(body["body"]) <= 1_000_000
        internal = bool(body.get("internal")) and self.knows_internal
        self.notes.append(
            {"id": len(self.notes) + 1, "body": body["body"], "internal": internal, "confidential": internal}
        )
        return 201, self.notes[-1]

    def downloaded(self, received: Received, secret: str, name: str) -> Reply:
        assert self.files[secret[-1]][0] == name
        return 200, self.spoil(self.files[secret[-1]][1])


class Zammad(Vendor):
    """Zammad REST API."""

    routes: ClassVar = {
        "GET /api/v1/ticket_articles/by_ticket/1234": "listed",
        "POST /api/v1/ticket_articles": "created",
        "GET /api/v1/ticket_attachment/1234/{article}/{id}": "downloaded",
    }

    def authorized(self, received: Received) -> bool:
        return received.headers.get("authorization") == f"Token token={TOKEN}"

    def listed(self, received: Received) -> Reply:
        return 200, self.notes

    def created(self, received: Received) -> Reply:
        body = received.json()
        assert body["ticket_id"] == 1234
        assert body["type"] == "note"
        assert body["content_type"] == "text/plain"
        rows = []
        for attachment in body["attachments"]:
            assert set(attachment) == {"filename", "data", "mime-type"}
            octets = base64.b64decode(attachment["data"], validate=True)
            rows.append({"id": int(self.keep(attachment["filename"], octets)), "filename": attachment["filename"]})
        self.notes.append(
            {"id": len(self.notes) + 1, "body": body["body"], "internal": body["internal"], "attachments": rows}
        )
        return 201, self.notes[-1]

    def downloaded(self, received: Received, article: str, id: str) -> Reply:
        assert any(row["id"] == int(id) for row in self.notes[int(article) - 1]["attachments"])
        return 200, self.spoil(self.files[id][1])


VENDORS: dict[str, type[Vendor]] = {"jira": Jira, "github": GitHub, "gitlab": GitLab, "zammad": Zammad}


@contextmanager
def serving(vendor: Vendor, wrap: Callable[[ThreadingHTTPServer], None] | None = None) -> Iterator[Vendor]:
    """The vendor on a free port of loopback; `wrap` may put its socket into TLS."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            received = Received(self.command, parts.path, query, headers, body)
            status, value, more = vendor.answer(received)
            octets = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(octets)))
            for name, text in more.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(octets)

        do_GET = do_POST = do_PUT = _serve  # noqa: N815  (names of http.server)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: tests look at `received`."""

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A client that breaks off is part of the tests."""

    server = Quiet(("127.0.0.1", 0), Handler)
    scheme = "http"
    if wrap is not None:
        wrap(server)
        scheme = "https"
    vendor.url = f"{scheme}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield vendor
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
