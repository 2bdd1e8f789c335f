"""The command line: one command a file of this directory, found by its name, imported when it is used.

Nothing here knows about captures or mail; commands turn options into calls of `pcapdiag.pipeline` and `pcapdiag.report`.
Modules with a leading underscore help the commands and are none. Heavy packages are imported inside functions, so that
``--help`` answers at once.

Exit status (docs/reference/verdict.md section 6): 0 analysed, 1 only with ``--exit-code``, 2 wrong usage, 3 an input could
not be read, 70 a bug of ours, 130 interrupted. ``attach`` adds 4, not (or not all) delivered: 1 is taken by verdicts and 3 by
inputs, and a script must tell a capture that cannot be read from a ticket system that can be asked again.
"""

from __future__ import annotations

import difflib
import importlib
import os
import pkgutil
import sys
from typing import Any

import click

from pcapdiag.errors import DeliveryError, PcapdiagError, UsageError
from pcapdiag.version import __version__

USAGE, UNREADABLE, UNDELIVERED, BUG, INTERRUPTED = 2, 3, 4, 70, 130


class Commands(click.Group):
    """The commands of this directory, and the one place where an exception becomes a sentence and a status."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(each.name for each in pkgutil.iter_modules(__path__) if not each.name.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command = importlib.import_module(f"{__name__}.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            near = difflib.get_close_matches(name, self.list_commands(ctx), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            if not near and os.path.exists(name):
                hint = f" To analyse that file: pcapdiag analyze {name}"
            raise click.UsageError(f"there is no command {name!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except PcapdiagError as error:
            complain(str(error))
            ctx.exit(_status(error))
        except KeyboardInterrupt:
            complain("interrupted")
            ctx.exit(INTERRUPTED)
        except Exception as error:  # the last line of defence: whatever is left is our mistake
            _own_up(error, debug=bool(ctx.find_root().meta.get(DEBUG)))
            ctx.exit(BUG)


def _status(error: PcapdiagError) -> int:
    if isinstance(error, UsageError):
        return USAGE
    return UNDELIVERED if isinstance(error, DeliveryError) else UNREADABLE


DEBUG = f"{__name__}.debug"


def _remember_debug(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        ctx.find_root().meta[DEBUG] = True


debug_option = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    envvar="PCAPDIAG_DEBUG",
    callback=_remember_debug,
    help="Show the traceback when pcapdiag itself fails.",
)


def complain(text: str) -> None:
    """One sentence on standard error. Names of files may hold anything, so it is cleaned."""
    from pcapdiag.report.clean import safe_text

    click.echo(f"pcapdiag: {safe_text(text)}", err=True)


def _own_up(error: Exception, *, debug: bool) -> None:
    """Say that we failed, and what a report of it needs."""
    if debug:
        import traceback

        traceback.print_exception(error)
    what = f"{type(error).__name__}: {error}".rstrip(": ")
    more = "the traceback above" if debug else "what the same command prints with --debug"
    complain(
        f"a bug of pcapdiag itself: {what}. Please report it with {more}, "
        f"the version (pcapdiag {__version__}, Python {sys.version.split()[0]}) and, if you may share it, the capture."
    )


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="pcapdiag", message="%(prog)s %(version)s")
@debug_option
def main() -> None:
    """Read a network trace and say who dropped the SMTP connection, and at which stage.

    \b
      pcapdiag analyze trace.pcap                who dropped what, and why we say so
      tcpdump -w - port 25 | pcapdiag analyze -  the same, from a pipe
      pcapdiag live -i eth0                      the moment a session dies, for weeks
      pcapdiag attach rt:4711 trace.pcap         the same, into a ticket
      pcapdiag slice trace.pcap --session 3      the packets of one session, to hand on
      pcapdiag explain PD301                     what a rule sees, means and advises
    """
