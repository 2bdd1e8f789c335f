"""``pcapdiag attach``: captures in, a note and files in the ticket."""

from __future__ import annotations

import shlex
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pcapdiag.cli import UNREADABLE, complain, debug_option
from pcapdiag.cli._choosing import choose, choosing_options, clock_of, clock_options
from pcapdiag.cli._output import Output
from pcapdiag.cli._reading import ports_of, read, reading_options
from pcapdiag.cli._redaction import pseudonyms_of, redaction_options
from pcapdiag.errors import DeliveryFailed, DeliveryRefused, UsageError
from pcapdiag.garbage import collected_rarely

if TYPE_CHECKING:
    from pcapdiag.analysis import Analysis
    from pcapdiag.deliver.bundle import Bundle
    from pcapdiag.deliver.settings import Site
    from pcapdiag.deliver.steps import Delivered
    from pcapdiag.deliver.system import Job, System
    from pcapdiag.deliver.ticket import Ticket

MOST_SESSIONS = 20
"""More in one ticket help nobody; they are asked for one by one."""
CHOOSERS = ("dropped", "attention", "sessions", "client", "server", "sender", "recipient", "since", "until")


@click.command(name="attach", short_help="Put the report into a ticket.")
@click.argument("ticket")
@click.argument("files", nargs=-1, metavar="FILE...", type=click.Path(allow_dash=True))
@click.option("--public", is_flag=True, help="For the people outside too, not an internal note.")
@click.option("--again", is_flag=True, help="Also when the ticket has this analysis already.")
@click.option("--dry-run", is_flag=True, help="Print what would be sent, without secrets, and send nothing.")
@click.option("--site", metavar="NAME", help="The site of the settings; the same as SYSTEM@NAME:TICKET.")
@click.option(
    "--config",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Settings of ticket systems, instead of tickets.toml in the configuration directory.",
)
@click.option(
    "--output",
    "-o",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the files there. Default: a folder named after the ticket.",
)
@click.option(
    "--from",
    "folder",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Send what an earlier run has written there, and analyse nothing.",
)
@reading_options
@choosing_options
@clock_options
@redaction_options
@debug_option
@click.pass_context
@collected_rarely()
def command(ctx: click.Context, /, **given: Any) -> None:
    """Analyse FILE and put the report into TICKET: a short note, and as attachments the page, the JSON and the packets.

    \b
      rt:4711  jira:MAIL-12  redmine:88  github:owner/repo#5  gitlab:group/project#7  zammad:1234
      mailto:desk@example.net?subject=...

    Where several sites are of one system: rt@NAME:4711. Without options that choose sessions: those that need attention, at
    most 20. Mail addresses are masked unless --redact none is given.
    """
    if bool(given["files"]) == bool(given["folder"]):
        raise click.UsageError("name captures to analyse, or a folder with --from")
    ticket, system, site = _destination(given)
    from pcapdiag.deliver.delivery import refuse_public

    refuse_public(system, ticket, site, public=given["public"])
    folder, bundle, unread = _bundle(given, ticket, system, site)
    from pcapdiag.deliver.delivery import job_for

    job = job_for(system, ticket, site, bundle, public=given["public"])
    if given["dry_run"]:
        _preview(system, job, folder, again=given["again"])
    else:
        _send(system, ticket, job, folder, given)
    if unread:
        ctx.exit(UNREADABLE)


def _destination(given: dict[str, Any]) -> tuple[Ticket, System, Site]:
    """Where to, before anything is read: a wrong name should not cost an analysis."""
    from pcapdiag.deliver import settings, system
    from pcapdiag.deliver.places import settings_file
    from pcapdiag.deliver.ticket import parse

    ticket = parse(given["ticket"])
    if ticket.site and given["site"] and ticket.site != given["site"]:
        raise UsageError(f"{ticket} names the site {ticket.site}, and --site {given['site']}")
    path = given["config"] or settings_file()
    sites = settings.load(path, must_exist=given["config"] is not None)
    return ticket, system.find(ticket.system), settings.choose(sites, ticket.system, ticket.site or given["site"], path)


def _bundle(given: dict[str, Any], ticket: Ticket, system: System, site: Site) -> tuple[Path, Bundle, bool]:
    """The folder, what is in it, and whether an input could not be read."""
    from pcapdiag.deliver.bundling import fingerprint, pack, unpack
    from pcapdiag.pipeline import with_checksums
    from pcapdiag.redact import redact

    if given["folder"] is not None:
        return given["folder"], unpack(given["folder"], system, site), False
    from pcapdiag.analysis import KeepDialogue
    from pcapdiag.report.options import Options

    clock = clock_of(given)
    keep = KeepDialogue.ALL if given["sessions"] else KeepDialogue.ATTENTION
    whole = read(given, keep)
    for error in whole.errors:
        complain(f"{error.path}: {error.says}")
    chosen = _chosen(whole, given, clock)
    names = pseudonyms_of(given, for_others=True)
    chosen = with_checksums(chosen)
    ports = ports_of(given)
    folder = given["output"] or Path(ticket.folder)
    bundle = pack(
        redact(chosen, names),
        Options(
            dialogue=keep,
            zone=clock,
            only=frozenset(given["sessions"]),
            ports=None if ports is None else tuple(sorted(ports)),
        ),
        fingerprint(chosen, names.level),
        folder,
        system,
        attached=not system.keeps_files(site, given["public"]),
        cut=None,
    )
    return folder, bundle, bool(whole.errors)


def _chosen(whole: Analysis, given: dict[str, Any], clock: Any) -> Analysis:
    """The sessions for the ticket: few, and not none."""
    if not whole.captures:
        raise DeliveryRefused("no capture could be read, so there is nothing to attach")
    asked = any(given[name] for name in CHOOSERS)
    chosen = choose(whole, given if asked else given | {"attention": True}, clock)
    number = len(chosen.sessions)
    if number == 0:
        why = "passes the filter" if asked else "needs attention"
        raise DeliveryRefused(f"none of {whole.total:,} sessions {why}, so nothing was sent; --session N attaches session N")
    if number > MOST_SESSIONS and not given["sessions"]:
        raise DeliveryRefused(
            f"{number:,} sessions are too many for one ticket: name at most {MOST_SESSIONS} of them with --session N "
            "(pcapdiag analyze lists them)"
        )
    return chosen


def _preview(system: System, job: Job, folder: Path, *, again: bool) -> None:
    from pcapdiag.deliver.delivery import conversation
    from pcapdiag.deliver.preview import preview

    with Output(None) as output:
        output.lines(preview(conversation(system, job, again=again), job.site, system.credential(job.site)))
        output.lines([f"# Nothing was sent. The files are in {folder}"])


def _send(system: System, ticket: Ticket, job: Job, folder: Path, given: dict[str, Any]) -> None:
    """Send, and say what is where; a failure says how to send it again."""
    try:
        delivered = _delivered(system, ticket, job, again=given["again"])
        problems = [f"{check.name}: {check.problem}" for check in delivered.checks if check.problem]
        if problems:
            raise DeliveryFailed(f"{ticket} did not keep what was sent. {'; '.join(problems)}. See {delivered.url}")
    except DeliveryFailed as error:
        raise DeliveryFailed(_whole_story(error, ticket, job, folder, given)) from None
    _report(ticket, job, delivered, folder)


def _delivered(system: System, ticket: Ticket, job: Job, *, again: bool) -> Delivered:
    from pcapdiag.deliver.delivery import carry_out, conversation
    from pcapdiag.deliver.memory import Claim
    from pcapdiag.deliver.places import memory_directory
    from pcapdiag.deliver.send import Sender

    site = job.site
    secret = site.secret.fetch(site.name) if site.secret else None
    claim = None
    with ExitStack() as stack:
        sender = stack.enter_context(Sender(site, system.credential(site), secret))
        if system.seen is None:
            place, now = ticket.id.partition("?")[0], datetime.now().astimezone()
            claim = Claim.take(memory_directory(), place, job.parcel.fingerprint, now, again=again)
        try:
            delivered = carry_out(conversation(system, job, again=again), job, sender.ask)
        except BaseException as error:
            if claim is not None and not getattr(error, "uncertain", isinstance(error, KeyboardInterrupt)):
                claim.release()
            raise
    if claim is not None:
        claim.sent(delivered.checks[0].unseen if delivered.checks else "")
    return delivered


def _whole_story(error: DeliveryFailed, ticket: Ticket, job: Job, folder: Path, given: dict[str, Any]) -> str:
    """What went wrong, what is in the ticket already, where everything lies, and how to send it again."""
    from pcapdiag.deliver.steps import THE_NOTE

    story = [str(error).rstrip(".") + "."]
    missing = [name for name in (THE_NOTE, *(file.name for file in job.parcel.files)) if name not in error.there]
    if error.there and missing:
        story.append(f"In {ticket}: {', '.join(error.there)}. Not there: {', '.join(missing)}.")
    elif missing and not error.uncertain:
        story.append(f"Nothing of it is in {ticket}.")
    options = [f"--{name}" for name in ("public", "again") if given[name]]
    if error.there and "--again" not in options and THE_NOTE in error.there:
        options.append("--again")
    for name in ("site", "config"):
        if given[name]:
            options += [f"--{name}", str(given[name])]
    command = shlex.join(["pcapdiag", "attach", given["ticket"], "--from", str(folder), *options])
    story.append(f"Everything is in {folder}; to send it again: {command}")
    return " ".join(story)


def _report(ticket: Ticket, job: Job, delivered: Delivered, folder: Path) -> None:
    lines = [f"{ticket}: {'for everybody to read' if job.public else 'an internal note'}{_at(delivered.url)}"]
    for check in delivered.checks:
        lines.append(f"  {check.name}: {check.unseen or 'read back, the same'}")
    for file in job.parcel.kept:
        lines.append(f"  {file.name}: not attached, {job.parcel.why_kept}")
    lines.append(f"The files are in {folder}")
    with Output(None) as output:
        output.lines(lines)


def _at(url: str) -> str:
    return f", {url}" if url else ""
