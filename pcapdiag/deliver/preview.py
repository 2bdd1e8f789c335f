"""A system's steps -> the text that ``--dry-run`` prints: every request, without secrets, and nothing is asked.

The secret cannot slip out: a step does not hold it, and it is not even fetched. Where a step is made from the answer to the
one before, it is shown with what that answer will name, such as ``token of pcapdiag-3f2a.html``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pcapdiag.deliver import urls
from pcapdiag.deliver.settings import Site
from pcapdiag.deliver.steps import Answer, Base64, Form, Json, Letter, Octets, Request, Steps
from pcapdiag.deliver.system import Credential, Job, System

HIDDEN = "***"


def preview(system: System, job: Job) -> Iterator[str]:
    """Lines: each request as it would be sent."""
    if system.seen is not None:
        yield from _steps(system.seen(job), job.site, system.credential(job.site))
    yield from _steps(system.deliver(job), job.site, system.credential(job.site))


def _steps(steps: Steps[Any], site: Site, credential: Credential) -> Iterator[str]:
    try:
        step = next(steps)
        while True:
            yield f"# {step.purpose.value}"
            yield from _letter(step, site) if isinstance(step, Letter) else _request(step, site, credential)
            yield ""
            headers, like = (step.like_headers, step.like) if isinstance(step, Request) else ({}, None)
            step = steps.send(Answer(200, headers, json.dumps(like).encode()))
    except StopIteration:
        return


def _request(request: Request, site: Site, credential: Credential) -> Iterator[str]:
    yield f"{request.method} {urls.joined(site.url, request.target)}"
    basic = f"Basic {HIDDEN}"
    yield f"{credential.header}: {basic if credential.basic else credential.form.format(HIDDEN)}"
    for name, value in request.headers.items():
        yield f"{name}: {value}"
    match request.body:
        case Json(value):
            yield "Content-Type: application/json"
            yield ""
            texts: list[str] = []
            yield from json.dumps(_shown(value, texts), indent=2, ensure_ascii=False).splitlines()
            for text in texts:
                yield ""
                yield from (f"    {line}" for line in text.splitlines())
        case Form(name, file):
            yield "Content-Type: multipart/form-data"
            yield ""
            yield f'{name}; filename="{file.name}"; {file.content_type}: {file.contents}'
        case Octets(file):
            yield ""
            yield file.contents


def _letter(letter: Letter, site: Site) -> Iterator[str]:
    security = site.options.get("security", "starttls")
    yield f"SMTP {site.options['host']} ({security}){f', AUTH as {site.user}: {HIDDEN}' if site.user else ''}"
    yield f"From: {site.options['sender']}"
    yield f"To: {', '.join(letter.recipients)}"
    if letter.copies:
        yield f"Cc: {', '.join(letter.copies)}"
    yield f"Subject: {letter.subject}"
    if letter.in_reply_to:
        yield f"In-Reply-To: {letter.in_reply_to}"
    yield ""
    yield from letter.text.splitlines()
    for file in letter.files:
        yield f"[attachment {file.name}, {file.content_type}: {file.contents}]"


def _shown(value: Any, texts: list[str]) -> Any:
    """A JSON body with files as words, and texts of several lines put aside."""
    match value:
        case Base64(file):
            return f"<base64 of {file.contents}>"
        case str() if "\n" in value:
            texts.append(value)
            return f"<the text below, {len(value):,} characters>"
        case dict():
            return {key: _shown(inner, texts) for key, inner in value.items()}
        case list():
            return [_shown(inner, texts) for inner in value]
    return value
