"""``pcapdiag attach``: captures in, a note and files in the ticket."""

from __future__ import annotations

from datetime import tzinfo
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from pcapdiag.cli import UNREADABLE, complain, debug_option
from pcapdiag.cli._choosing import choose, choosing_options, clock_of, clock_options
from pcapdiag.cli._delivering import Errand, preview, send
from pcapdiag.cli._output import Output
from pcapdiag.cli._reading import ports_of, read, reading_again, reading_options
from pcapdiag.cli._redaction import pseudonyms_of, redaction_options
from pcapdiag.errors import CaptureError, DeliveryRefused, SliceRefused, UsageError

if TYPE_CHECKING:
    from pcapdiag.analysis import Analysis, KeepDialogue
    from pcapdiag.deliver.bundle import Bundle
    from pcapdiag.deliver.settings import Site
    from pcapdiag.deliver.system import System
    from pcapdiag.deliver.ticket import Ticket
    from pcapdiag.pseudonym import Pseudonyms
    from pcapdiag.report.options import Options
    from pcapdiag.slices import Reading

MOST_SESSIONS = 20
"""More in one ticket help nobody; they are asked for one by one."""
OF_SENDING = ("ticket", "files", "folder", "public", "again", "dry_run", "site", "config", "debug")
CHOOSERS = ("dropped", "attention", "sessions", "client", "server", "sender", "recipient", "since", "until")


@click.command(name="attach", short_help="Put the report into a ticket.")
@click.argument("ticket")
@click.argument("files", nargs=-1, metavar="FILE...", type=click.Path(allow_dash=True, readable=False))
@click.option(
    "--public", is_flag=True, help="For the people outside, too (RT mails the requestors), not an internal note."
)
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
def command(ctx: click.Context, /, **given: Any) -> None:
    """Analyse FILE and put the report into TICKET: a short note, and as attachments the page, the JSON and the packets.

    \b
      rt:4711  jira:MAIL-12  redmine:88  github:owner/repo#5  gitlab:group/project#7  zammad:1234
      mailto:desk@example.net?subject=...

    Where these systems are stands in tickets.toml; a first try says where that file belongs and what goes into it. Where
    several sites are of one system: rt@NAME:4711. Without options that choose sessions: those that need attention, at
    most 20. Mail addresses are masked unless --redact none is given.
    """
    if not given["files"] and not given["folder"]:
        raise click.UsageError("name captures to analyse, or with --from the folder of an earlier run")
    if given["files"] and given["folder"]:
        raise click.UsageError("--from sends what an earlier run has written: name no capture, or leave --from away")
    if given["folder"]:
        _refuse_idle(ctx)
    from pcapdiag.deliver.delivery import refuse_public
    from pcapdiag.report.clean import safe_text

    ticket, system, site = _destination(given)
    refuse_public(system, ticket, site, public=given["public"])
    errand, unread = _errand(given, ticket, system, site)
    with Output(None) as output:
        lines = preview(errand) if given["dry_run"] else send(errand)
        output.lines(map(safe_text, lines))  # a site's answers and names of folders may hold anything
    if unread:
        ctx.exit(UNREADABLE)


def _refuse_idle(ctx: click.Context) -> None:
    """With --from everything is decided but where and how it is sent."""
    for parameter in ctx.command.params:
        name = parameter.name or ""
        if name not in OF_SENDING and ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{parameter.opts[0]} does nothing with --from, which sends what is there")


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


def _errand(given: dict[str, Any], ticket: Ticket, system: System, site: Site) -> tuple[Errand, bool]:
    """What is to be sent, and whether an input could not be read."""
    from pcapdiag.deliver.bundling import fingerprint, unpack

    options = [text for name in ("site", "config") if given[name] for text in (f"--{name}", str(given[name]))]
    common = {"public": given["public"], "again": given["again"], "options": tuple(options)}
    if given["folder"] is not None:
        bundle = unpack(given["folder"], system, site)
        return Errand(
            given["ticket"], ticket, system, site, bundle.fingerprint, given["folder"], lambda: bundle, **common
        ), False
    names = pseudonyms_of(given, for_others=True)  # a bad key is told before anything is read
    clock = clock_of(given)
    analysis, unread = _analysis(given, clock)
    name = fingerprint(analysis, names.level)
    folder = given["output"] or Path(ticket.folder)
    attached = not system.keeps_files(site, given["public"])

    def prepare() -> Bundle:
        return _packed(
            analysis,
            names,
            _options(given, clock),
            name,
            folder,
            system,
            site,
            attached=attached,
            reading=reading_again(given),
        )

    return Errand(given["ticket"], ticket, system, site, name, folder, prepare, **common), unread


def _analysis(given: dict[str, Any], clock: tzinfo | None) -> tuple[Analysis, bool]:
    """The sessions for the ticket, with checksums of their captures, and whether an input could not be read."""
    from pcapdiag.pipeline import with_checksums

    whole = read(given, _keep(given))
    for error in whole.errors:
        if not whole.captures and error is whole.errors[-1]:
            raise CaptureError(error.path, error.says)  # nothing is left to attach
        complain(f"{error.path}: {error.says}")
    return with_checksums(_chosen(whole, given, clock)), bool(whole.errors)


def _packed(
    analysis: Analysis,
    names: Pseudonyms,
    options: Options,
    name: str,
    folder: Path,
    system: System,
    site: Site,
    *,
    attached: bool,
    reading: Reading,
) -> Bundle:
    """The files, written; a slice among them unless the captures cannot be read again (a pipe)."""
    from pcapdiag import slices
    from pcapdiag.deliver.bundling import Cut, pack
    from pcapdiag.redact import redact

    def cut(path: Path) -> Cut:
        ids = list(analysis.sessions.each(attrgetter("id")))
        try:
            info = slices.write(analysis, ids, names, str(path), reading)
        except SliceRefused as error:
            return Cut(False, f"no slice of the packets: {error}")
        other = [f"session {id}: {what}" for id, what in info.differences]
        return Cut(True, f"In the slice of the packets alone, {'; '.join(other)}." if other else "")

    return pack(redact(analysis, names), options, name, folder, system, site, attached=attached, cut=cut)


def _keep(given: dict[str, Any]) -> KeepDialogue:
    from pcapdiag.analysis import KeepDialogue

    return KeepDialogue.ALL if given["sessions"] else KeepDialogue.ATTENTION


def _options(given: dict[str, Any], clock: tzinfo | None) -> Options:
    from pcapdiag.report.options import Options

    ports = ports_of(given)
    return Options(
        dialogue=_keep(given),
        zone=clock,
        only=frozenset(given["sessions"]),
        ports=None if ports is None else tuple(sorted(ports)),
    )


def _chosen(whole: Analysis, given: dict[str, Any], clock: tzinfo | None) -> Analysis:
    """The sessions for the ticket: few, and not none."""
    asked = any(given[name] for name in CHOOSERS)
    chosen = choose(whole, given if asked else given | {"attention": True}, clock)
    number = len(chosen.sessions)
    if number == 0:
        why = "passes the filter" if asked else "needs attention"
        raise DeliveryRefused(
            f"no session {why} (of {whole.total:,} in all), so nothing was sent; --session N attaches session N"
        )
    if number > MOST_SESSIONS:
        raise DeliveryRefused(
            f"{number:,} sessions are too many for one ticket: name at most {MOST_SESSIONS} of them with --session N "
            "(pcapdiag analyze lists them)"
        )
    return chosen
