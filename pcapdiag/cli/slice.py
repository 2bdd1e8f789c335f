"""``pcapdiag slice``: the packets of single sessions, safe to hand on."""

from __future__ import annotations

import tempfile
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pcapdiag.cli import UNREADABLE, complain, debug_option
from pcapdiag.cli._output import Output
from pcapdiag.cli._reading import read, reading_again, reading_options
from pcapdiag.cli._redaction import pseudonyms_of, redaction_options

if TYPE_CHECKING:
    from pcapdiag.analysis import Analysis, Judged
    from pcapdiag.slices import SliceInfo

STDOUT = "-"
MOST_NAMED = 10
"""Sessions named where one has to be chosen."""


@click.command(name="slice", short_help="Cut the packets of a session out, redacted, as pcapng.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(readable=False))
@click.option(
    "--session",
    "sessions",
    multiple=True,
    type=click.IntRange(1),
    metavar="N",
    help="Session N, as analyze numbers it. Repeatable. By default the one that needs attention, if it is one.",
)
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    type=click.Path(dir_okay=False, allow_dash=True),
    help="Write the slice there; - is standard output. By default beside you: trace-session-3.pcapng.",
)
@reading_options
@redaction_options
@debug_option
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Write the packets of single sessions in FILE to a pcapng file that can be handed on.

    Times, lengths and all TCP headers stay, so that pcapdiag and Wireshark say the same of it. Local parts of mail addresses
    are replaced, credentials, message content and TLS ciphertext filled, in every copy of every packet; --redact all
    replaces hosts and addresses, too; --redact none copies the octets as they are.
    """
    from pcapdiag.analysis import KeepDialogue

    names = pseudonyms_of(given, for_others=True)
    _refuse_pipes(given["files"])
    analysis = read(given, KeepDialogue.NONE)
    for error in analysis.errors:
        complain(f"{error.path}: {error.says}")
    if analysis.captures:
        ids = given["sessions"] or (_the_one(analysis),)
        from pcapdiag.slices import write

        if given["output"] == STDOUT:
            with tempfile.TemporaryDirectory() as folder:
                path = str(Path(folder, "slice.pcapng"))
                info = write(analysis, ids, names, path, reading_again(given))
                with Output(None) as output, open(path, "rb") as file:
                    output.pieces(iter(partial(file.read, 1 << 20), b""))
        else:
            path = given["output"] or _name(analysis, ids)
            info = write(analysis, ids, names, path, reading_again(given))
            click.echo(_done(info, names.level.value))
        _warn(info)
    if analysis.errors:
        ctx.exit(UNREADABLE)


def _refuse_pipes(files: tuple[str, ...]) -> None:
    """Before anything is read of them."""
    from pcapdiag.errors import SliceRefused

    for path in files:
        if path == "-" or (Path(path).exists() and not Path(path).is_file() and not Path(path).is_dir()):
            name = "standard input" if path == "-" else path
            raise SliceRefused(
                f"{name} cannot be read twice, as a slice asks for: save the capture to a file, and cut the slice of that"
            )


def _the_one(analysis: Analysis) -> int:
    """The session that needs attention, when it is one."""
    found = [judged for judged in analysis.sessions.each(_if_attention) if judged is not None]
    if len(found) == 1:
        return found[0].id
    if not analysis.total:
        raise click.UsageError("no SMTP session was found; if the mail runs on another port, name it with --port N")
    if not found:
        shown, what = list(analysis.sessions), "no session needs attention; name one with --session N"
    else:
        shown, what = found, f"{len(found)} sessions need attention; name those you want with --session N"
    more = f" and {len(shown) - MOST_NAMED} more" if len(shown) > MOST_NAMED else ""
    raise click.UsageError(f"{what}: {'; '.join(map(_candidate, shown[:MOST_NAMED]))}{more}")


def _if_attention(judged: Judged) -> Judged | None:
    return judged if judged.verdict.attention else None


def _candidate(judged: Judged) -> str:
    from pcapdiag.report.telling import headline

    return f"{judged.id} ({judged.session.client} to {judged.session.server}, {headline(judged.verdict)})"


def _name(analysis: Analysis, ids: tuple[int, ...]) -> str:
    """``trace-session-3.pcapng``, in the working directory."""
    first = next(analysis.sessions.each(attrgetter("session.connection.first.capture"), [min(ids)]), 0)
    stem = Path(analysis.captures[first].path).name
    while Path(stem).suffix in (".gz", ".zst", ".lz4", ".xz", ".pcap", ".pcapng", ".cap"):
        stem = Path(stem).stem
    return f"{stem}-session-{'-'.join(str(number) for number in sorted(set(ids)))}.pcapng"


def _done(info: SliceInfo, level: str) -> str:
    from pcapdiag.report.clean import safe_text
    from pcapdiag.report.words import count, listed

    sessions = ("session " if len(info.sessions) == 1 else "sessions ") + listed(
        [str(number) for number in info.sessions]
    )
    hidden = "nothing redacted" if level == "none" else f"redacted at level {level}"
    return f"{safe_text(info.path)}: {count(info.packets, 'packet')} of {sessions}, {hidden}"


def _warn(info: SliceInfo) -> None:
    for number, says in info.differences:
        complain(
            f"read alone, the slice says of session {number}: {says}. The capture's other connections "
            "(usual TTLs, signs of life of the hosts) are not in it; the verdict of the whole capture stands in its comment"
        )
