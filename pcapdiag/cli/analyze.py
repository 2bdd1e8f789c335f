"""``pcapdiag analyze``: captures in, report out."""

from __future__ import annotations

from datetime import tzinfo
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import click

from pcapdiag.cli import UNREADABLE, complain, debug_option
from pcapdiag.cli._choosing import choose, choosing_options, clock_of, clock_options
from pcapdiag.cli._output import Output, colour_option
from pcapdiag.cli._reading import ports_of, read, reading_options
from pcapdiag.cli._redaction import level_of, pseudonyms_of, redaction_options
from pcapdiag.errors import UsageError
from pcapdiag.report import formats
from pcapdiag.target import is_same

if TYPE_CHECKING:
    from pcapdiag.analysis import Analysis, KeepDialogue
    from pcapdiag.pseudonym import Pseudonyms
    from pcapdiag.report.options import Options


@click.command(name="analyze", short_help="Say who dropped which session, where, and why.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(allow_dash=True, readable=False))
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
@reading_options
@choosing_options
@click.option(
    "--dialogue",
    type=click.Choice(["attention", "all", "none"]),
    default="attention",
    show_default=True,
    help="Whose conversation is told.",
)
@click.option("--details", type=click.IntRange(0), metavar="N", help="Tell at most N sessions in full.")
@clock_options
@redaction_options
@click.option("--exit-code", is_flag=True, help="End with status 1 when a session needs attention.")
@colour_option
@debug_option
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Say who dropped the SMTP sessions in FILE, at which stage, and why we say so.

    FILE is a capture in any format that Wireshark writes (compressed too), a directory of them, or - for standard input.
    Files whose times follow one another are read as one trace.
    """
    clock = clock_of(given)
    names = _names(given)  # before anything is read: a key that is none is told at once
    analysis = choose(read(given, _keep(given)), given, clock)
    ctx.meta[__name__] = analysis  # else its sessions would be taken apart when this function ends (see `__main__`)
    for error in analysis.errors:
        complain(f"{error.path}: {error.says}")
    _refuse_inputs(analysis, given["output"])
    if analysis.captures or given["format_name"] != "text":
        _write(_for_readers(analysis, given, names), given, clock)
    if analysis.errors:
        ctx.exit(UNREADABLE)
    if given["exit_code"] and any(analysis.sessions.each(attrgetter("verdict.attention"))):
        ctx.exit(1)


def _refuse_inputs(analysis: Analysis, output: str | None) -> None:
    """A report in the place of the capture would be all that is left of it."""
    paths = [info.path for info in analysis.captures] + [error.path for error in analysis.errors]
    if output is not None and any(is_same(path, output) for path in paths):
        raise UsageError(f"{output} is a capture that is read here: write the report to another file")


def _keep(given: dict[str, Any]) -> KeepDialogue:
    from pcapdiag.analysis import KeepDialogue

    return KeepDialogue.ALL if given["sessions"] else KeepDialogue(given["dialogue"])


def _names(given: dict[str, Any]) -> Pseudonyms | None:
    """What hides names from those who will read this format; None: nothing does."""
    for_others = formats.for_others(given["format_name"])
    if level_of(given, for_others=for_others) == "none":
        return None
    return pseudonyms_of(given, for_others=for_others)


def _for_readers(analysis: Analysis, given: dict[str, Any], names: Pseudonyms | None) -> Analysis:
    """As those may see it who will read this format."""
    if formats.for_others(given["format_name"]):
        from pcapdiag.pipeline import with_checksums

        analysis = with_checksums(analysis)
    if names is not None:
        from pcapdiag.redact import redact

        analysis = redact(analysis, names)
    return analysis


def _write(analysis: Analysis, given: dict[str, Any], clock: tzinfo | None) -> None:
    with Output(given["output"], colour=given["color"]) as output:
        output.pieces(formats.render(given["format_name"], analysis, _options(given, clock, output)))


def _options(given: dict[str, Any], clock: tzinfo | None, output: Output) -> Options:
    from pcapdiag.report.options import Options

    ports = ports_of(given)
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
