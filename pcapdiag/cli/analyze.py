"""``pcapdiag analyze``: captures in, report out."""

from __future__ import annotations

from datetime import UTC, datetime, time, tzinfo
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import click

from pcapdiag.cli import UNREADABLE, complain, debug_option
from pcapdiag.cli._output import Output, colour_option
from pcapdiag.cli._progress import Progress
from pcapdiag.cli._times import nanoseconds, when, zone
from pcapdiag.garbage import collected_rarely
from pcapdiag.report import formats

if TYPE_CHECKING:
    from pcapdiag.analysis import Analysis, KeepDialogue
    from pcapdiag.report.options import Options


@click.command(name="analyze", short_help="Say who dropped which session, where, and why.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(allow_dash=True))
@click.option(
    "--format",
    "-f",
    "format_name",
    type=click.Choice(formats.names()),
    default="text",
    show_default=True,
    help="How to report.",
)
@click.option("--output", "-o", metavar="FILE", type=click.Path(dir_okay=False), help="Write the report there.")
@click.option(
    "--port", multiple=True, type=click.IntRange(1, 65535), metavar="N", help="Mail also runs on port N. Repeatable."
)
@click.option("--any-port", is_flag=True, help="Find SMTP on any port by what is said.")
@click.option(
    "--engine",
    type=click.Choice(["auto", "own", "tshark"]),
    default="auto",
    show_default=True,
    help="Who reads the packets; auto asks tshark only about what we do not know.",
)
@click.option("--merge", is_flag=True, help="Read files whose times overlap as one trace.")
@click.option("--captured-at", type=click.Choice(["client", "server", "middle"]), help="Where the capture was taken.")
@click.option("--dropped", is_flag=True, help="Only sessions that somebody dropped.")
@click.option("--attention", is_flag=True, help="Only sessions that need attention.")
@click.option(
    "--session",
    "sessions",
    multiple=True,
    type=click.IntRange(1),
    metavar="N",
    help="Only session N, told in full. Repeatable.",
)
@click.option("--client", metavar="X", help="Only clients with this address, network or name.")
@click.option("--server", metavar="X", help="Only servers with this address, network or name.")
@click.option("--sender", metavar="X", help="Only sessions with a message from this address or domain.")
@click.option("--recipient", metavar="X", help="Only sessions with a message to this address or domain.")
@click.option("--since", callback=when, metavar="T", help="Only sessions that were open at T or later.")
@click.option("--until", callback=when, metavar="T", help="Only sessions that began at T or before.")
@click.option(
    "--dialogue",
    type=click.Choice(["attention", "all", "none"]),
    default="attention",
    show_default=True,
    help="Whose conversation is told.",
)
@click.option("--details", type=click.IntRange(0), metavar="N", help="Tell at most N sessions in full.")
@click.option("--tz", "zone", callback=zone, metavar="NAME", help="Times in this zone, such as Europe/Berlin.")
@click.option("--utc", is_flag=True, help="Times in UTC.")
@click.option("--exit-code", is_flag=True, help="End with status 1 when a session needs attention.")
@click.option(
    "--processes",
    type=click.IntRange(1),
    metavar="N",
    help="Share the work among N processes; by default a large file among up to four.",
)
@click.option("--no-progress", is_flag=True, help="No progress bar.")
@colour_option
@debug_option
@click.pass_context
@collected_rarely()
def command(ctx: click.Context, /, **given: Any) -> None:
    """Say who dropped the SMTP sessions in FILE, at which stage, and why we say so.

    FILE is a capture in any format that Wireshark writes (compressed too), a directory of them, or - for standard input.
    Files whose times follow one another are read as one trace.
    """
    if given["utc"] and given["zone"] is not None:
        raise click.UsageError("--utc and --tz contradict each other")
    clock: tzinfo | None = UTC if given["utc"] else given["zone"]
    analysis = _select(_analyze(given), given, clock)
    for error in analysis.errors:
        complain(f"{error.path}: {error.says}")
    if analysis.captures or given["format_name"] != "text":
        _write(analysis, given, clock)
    if analysis.errors:
        ctx.exit(UNREADABLE)
    if given["exit_code"] and any(analysis.sessions.each(attrgetter("verdict.attention"))):
        ctx.exit(1)


def _ports(given: dict[str, Any]) -> frozenset[int] | None:
    from pcapdiag.pipeline import DEFAULT_PORTS

    return None if given["any_port"] else DEFAULT_PORTS | frozenset(given["port"])


def _keep(given: dict[str, Any]) -> KeepDialogue:
    from pcapdiag.analysis import KeepDialogue

    return KeepDialogue.ALL if given["sessions"] else KeepDialogue(given["dialogue"])


def _analyze(given: dict[str, Any]) -> Analysis:
    from pcapdiag.model import Vantage
    from pcapdiag.pipeline import analyze

    with Progress(wanted=not given["no_progress"]) as progress:
        return analyze(
            given["files"],
            ports=_ports(given),
            merge=given["merge"],
            engine=given["engine"],
            captured_at=Vantage(given["captured_at"]) if given["captured_at"] else None,
            keep_dialogue=_keep(given),
            processes=given["processes"],
            progress=progress,
        )


def _select(analysis: Analysis, given: dict[str, Any], clock: tzinfo | None) -> Analysis:
    """Only the sessions that were asked for; all of them when nothing was."""
    from pcapdiag.selection import Filter, select

    began = min((info.first_time_ns for info in analysis.captures if info.first_time_ns is not None), default=0)

    def moment(given_time: datetime | time | None) -> int | None:
        return None if given_time is None else nanoseconds(given_time, clock, began)

    wanted = Filter(
        dropped=given["dropped"],
        attention=given["attention"],
        ids=frozenset(given["sessions"]),
        client=given["client"],
        server=given["server"],
        sender=given["sender"],
        recipient=given["recipient"],
        since_ns=moment(given["since"]),
        until_ns=moment(given["until"]),
    )
    return analysis if wanted == Filter() else select(analysis, wanted)


def _write(analysis: Analysis, given: dict[str, Any], clock: tzinfo | None) -> None:
    with Output(given["output"], colour=given["color"]) as output:
        output.pieces(formats.render(given["format_name"], analysis, _options(given, clock, output)))


def _options(given: dict[str, Any], clock: tzinfo | None, output: Output) -> Options:
    from pcapdiag.report.options import Options

    ports = _ports(given)
    return Options(
        dialogue=_keep(given),
        zone=clock,
        width=output.width,
        colour=output.colour,
        unicode=output.unicode,
        details=given["details"],
        only=frozenset(given["sessions"]),
        ports=None if ports is None else tuple(sorted(ports)),
    )
