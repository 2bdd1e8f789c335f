"""Sending, and what is said about it: what is in the ticket and what is not, where the files are, how to send them again."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pcapdiag.errors import DeliveryFailed

if TYPE_CHECKING:
    from pcapdiag.deliver.bundle import Bundle
    from pcapdiag.deliver.settings import Site
    from pcapdiag.deliver.steps import Delivered
    from pcapdiag.deliver.system import Job, System
    from pcapdiag.deliver.ticket import Ticket


@dataclass(frozen=True, slots=True)
class Errand:
    """One delivery, as it was asked for."""

    written: str
    """The ticket as the user wrote it."""
    ticket: Ticket
    system: System
    site: Site
    fingerprint: str
    folder: Path
    prepare: Callable[[], Bundle]
    """Writes the files, or finds them written."""
    public: bool
    again: bool
    options: tuple[str, ...]
    """Those that another try needs: ``--site``, ``--config``."""

    def job(self, bundle: Bundle) -> Job:
        from pcapdiag.deliver.delivery import job_for

        return job_for(self.system, self.ticket, self.site, bundle, public=self.public)


def preview(errand: Errand) -> Iterator[str]:
    """What would be sent. The files are written, to be looked at."""
    from pcapdiag.deliver.preview import preview as steps_in_words

    yield from steps_in_words(errand.system, errand.job(errand.prepare()))
    yield f"# Nothing was sent. The files are in {errand.folder}"


def send(errand: Errand) -> Iterator[str]:
    """Send it, and say what is where.

    The ticket is looked at before the files are written: those of an earlier run, which it may hold, stay as they are. When
    it cannot be looked at, they are written all the same, for whoever has to bring them there.
    """
    from pcapdiag.deliver.bundle import Bundle
    from pcapdiag.deliver.delivery import carry_out, look
    from pcapdiag.deliver.send import Sender

    site = errand.site
    secret = site.secret.fetch(site.name) if site.secret else None

    def hidden(text: str) -> str:
        """A site may repeat what it was sent."""
        return secret.hidden_in(text) if secret else text

    with Sender(site, errand.system.credential(site), secret) as sender, _claimed(errand) as tell:
        unseen = None
        try:
            draft = errand.job(Bundle(errand.fingerprint, errand.system.dialect_of(site), "", ()))
            look(errand.system, draft, sender.ask, again=errand.again)
        except DeliveryFailed as error:
            unseen = error
        job = errand.job(errand.prepare())
        try:
            if unseen is not None:
                raise unseen
            delivered = carry_out(errand.system.deliver(job), job, sender.ask)
            tell(delivered)
            _compare(delivered, errand.ticket)
        except DeliveryFailed as error:
            story = hidden(_story(error, errand, job))
            raise DeliveryFailed(story, there=error.there, uncertain=error.uncertain) from None
    yield from map(hidden, _report(errand, job, delivered))


@contextmanager
def _claimed(errand: Errand) -> Iterator[Callable[[Delivered], None]]:
    """Where nobody can be asked what was sent before, this machine remembers it."""
    if errand.system.seen is not None:
        yield lambda delivered: None
        return
    from pcapdiag.deliver.memory import Claim
    from pcapdiag.deliver.places import memory_directory

    place = errand.ticket.id.partition("?")[0]
    now = datetime.now().astimezone()
    claim = Claim.take(memory_directory(), place, errand.fingerprint, now, again=errand.again)
    sent = False

    def tell(delivered: Delivered) -> None:
        nonlocal sent
        sent = True
        claim.sent(delivered.checks[0].unseen)

    try:
        yield tell
    except BaseException as error:
        # Interrupted, nobody knows: the claim stays, and the next try says so.
        if not sent and not isinstance(error, KeyboardInterrupt) and not getattr(error, "uncertain", False):
            claim.release()
        raise


def _compare(delivered: Delivered, ticket: Ticket) -> None:
    from pcapdiag.deliver.steps import THE_NOTE

    problems = [f"{check.name}: {check.problem}" for check in delivered.checks if check.problem]
    if problems:
        there = tuple(check.name for check in delivered.checks if not check.problem)
        says = f"{ticket} did not keep all that it took ({delivered.url}). {'; '.join(problems)}"
        raise DeliveryFailed(says, there=(THE_NOTE, *(name for name in there if name != THE_NOTE)))


def _story(error: DeliveryFailed, errand: Errand, job: Job) -> str:
    """What went wrong, what is in the ticket nevertheless, where everything lies, and how to send it again."""
    from pcapdiag.deliver.steps import THE_NOTE

    story = [str(error).rstrip(".") + "."]
    missing = [name for name in (THE_NOTE, *(file.name for file in job.parcel.files)) if name not in error.there]
    if error.there and missing:
        story.append(f"In {errand.ticket}: {', '.join(error.there)}. Not there: {', '.join(missing)}.")
    elif missing and not error.uncertain:
        story.append(f"Nothing of it is in {errand.ticket}.")
    options = list(errand.options)
    options += ["--public"] if errand.public else []
    options += ["--again"] if errand.again or THE_NOTE in error.there else []
    command = shlex.join(["pcapdiag", "attach", errand.written, "--from", str(errand.folder), *options])
    story.append(f"Everything is in {errand.folder}; to send it again: {command}")
    return " ".join(story)


def _report(errand: Errand, job: Job, delivered: Delivered) -> Iterator[str]:
    where = f", {delivered.url}" if delivered.url else ""
    yield f"{errand.ticket}: {'for everybody there to read' if errand.public else 'an internal note'}{where}"
    for check in delivered.checks:
        yield f"  {check.name}: {check.unseen or 'read back, the same'}"
    for file in job.parcel.kept:
        yield f"  {file.name}: not attached, {job.parcel.why_kept}"
    if job.parcel.bundle.remark:
        yield f"  {job.parcel.bundle.remark}"
    yield f"The files are in {errand.folder}"
