"""A system's steps, asked of somebody -> what is in the ticket, or a sentence about what is not.

`ask` is `pcapdiag.deliver.send.Sender.ask`, or a test; `pcapdiag.deliver.preview` goes through the same steps.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from pcapdiag.deliver.bundle import Bundle, Parcel
from pcapdiag.deliver.settings import Site
from pcapdiag.deliver.steps import Answer, Purpose, Request, Step, Steps
from pcapdiag.deliver.system import Job, System
from pcapdiag.deliver.ticket import Ticket
from pcapdiag.errors import DeliveryFailed, DeliveryRefused

T = TypeVar("T")

MOST_WORDS = 300
"""Characters of a site's own words that an error repeats."""


def refuse_public(system: System, ticket: Ticket, site: Site, *, public: bool) -> None:
    """DeliveryRefused where people outside would read what nobody said they may."""
    why = system.no_internal(site)
    if why and not public:
        raise DeliveryRefused(f"{ticket}: {why}, so it is sent with --public only")


def job_for(system: System, ticket: Ticket, site: Site, bundle: Bundle, *, public: bool) -> Job:
    """What is to be done."""
    return Job(ticket.id, site, _parcel(system, site, bundle, public), public)


def _parcel(system: System, site: Site, bundle: Bundle, public: bool) -> Parcel:
    """The files that the site takes: all that fit, the most useful first."""
    limits = system.limits
    why = system.keeps_files(site, public)
    if why:
        return Parcel(bundle, (), bundle.files, why)
    each = site.max_file_octets or limits.file_octets
    room = site.max_total_octets or limits.total_octets
    taken, kept = [], []
    for file in bundle.files:
        if file.octets > each or (room is not None and file.octets > room):
            kept.append(file)
            continue
        taken.append(file)
        room = None if room is None else room - file.octets
    together = f" and {site.max_total_octets or limits.total_octets:,} together" if room is not None else ""
    why = f"because {site.name} takes files of at most {each:,} octets{together}"
    return Parcel(bundle, tuple(taken), tuple(kept), why)


def look(system: System, job: Job, ask: Callable[[Step], Answer], *, again: bool) -> None:
    """DeliveryRefused where the ticket has the analysis. It is looked at also `again`: a wrong number shows before anything
    is sent."""
    if system.seen is not None and carry_out(system.seen(job), job, ask) and not again:
        raise DeliveryRefused(
            f"{system.name}:{job.ticket} has this analysis already (its note ends with "
            f"{job.parcel.fingerprint}); --again sends it once more"
        )


def carry_out(steps: Steps[T], job: Job, ask: Callable[[Step], Answer]) -> T:
    """Ask until the end. DeliveryFailed says what had reached the ticket by then."""
    there: list[str] = []
    sent_all = False
    try:
        step = next(steps)
        while True:
            sent_all = sent_all or step.purpose is Purpose.CHECK
            answer = ask(step)
            if isinstance(step, Request) and not answer.ok and not step.may_fail:
                raise DeliveryFailed(refusal(step, answer, job))
            there += step.brings
            step = steps.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
    except DeliveryFailed as error:
        says = f"all of it was sent, but it could not be read back: {error}" if sent_all else str(error)
        raise DeliveryFailed(says, there=tuple(there), uncertain=error.uncertain) from None
    finally:
        steps.close()


def refusal(request: Request, answer: Answer, job: Job) -> str:
    """What an answer with an error's status means, with the site's own words."""
    site, words = job.site, _words(answer)
    said = f" ({answer.status}{': ' + words if words else ''})"
    if answer.status == 401:
        return f"{site.name} does not know the secret it was given ({site.secret or 'none'}){said}"
    if answer.status == 403:
        return f"{site.name} knows this account, and does not let it {request.method} {_place(request)}{said}"
    if answer.status == 404 and request.purpose is Purpose.LOOK:
        return f"{site.name} has no ticket {job.ticket}, or this account may not see it{said}"
    if answer.status == 413:
        return f"{site.name} takes no request as large as this: set max_file_octets or max_total_octets{said}"
    return f"{site.name} refused to {request.method} {_place(request)}{said}"


def _place(request: Request) -> str:
    return request.target.partition("?")[0]


def _words(answer: Answer) -> str:
    """The message inside an error's answer, whatever the system calls it; nothing of a web page."""
    value: Any = None
    with suppress(ValueError, RecursionError):
        value = json.loads(answer.content)
    texts: list[str] = []
    if isinstance(value, dict):
        for key in ("message", "error", "error_human", "errorMessage", "errorMessages", "errors"):
            if value.get(key):
                texts.append(_text(value[key]))
    return "; ".join(dict.fromkeys(texts))[:MOST_WORDS]


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(map(_text, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
