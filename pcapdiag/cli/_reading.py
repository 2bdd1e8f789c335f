"""The options of every command that reads captures, and the reading."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pcapdiag.cli._progress import Progress

if TYPE_CHECKING:
    from pcapdiag.analysis import Analysis, KeepDialogue
    from pcapdiag.model import Vantage
    from pcapdiag.slices import Reading

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--port",
        multiple=True,
        type=click.IntRange(1, 65535),
        metavar="N",
        help="Mail also runs on port N. Repeatable.",
    ),
    click.option("--any-port", is_flag=True, help="Find SMTP on any port by what is said."),
    click.option(
        "--engine",
        type=click.Choice(["auto", "own", "tshark"]),
        default="auto",
        show_default=True,
        help="Who reads the packets; auto asks tshark only about what we do not know.",
    ),
    click.option("--merge", is_flag=True, help="Read files whose times overlap as one trace."),
    click.option(
        "--captured-at", type=click.Choice(["client", "server", "middle"]), help="Where the capture was taken."
    ),
    click.option(
        "--processes",
        type=click.IntRange(1),
        metavar="N",
        help="Share the work among N processes; by default a large file among up to four.",
    ),
    click.option("--no-progress", is_flag=True, help="No progress bar."),
)


def reading_options(command: F) -> F:
    """Which packets are mail, and who reads them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def ports_of(given: dict[str, Any]) -> frozenset[int] | None:
    """Where sessions are looked for; None: on every port."""
    from pcapdiag.pipeline import DEFAULT_PORTS

    return None if given["any_port"] else DEFAULT_PORTS | frozenset(given["port"])


def vantage_of(given: dict[str, Any]) -> Vantage | None:
    """Where the user says that the capture was taken."""
    from pcapdiag.model import Vantage

    return Vantage(given["captured_at"]) if given["captured_at"] else None


def read(given: dict[str, Any], keep_dialogue: KeepDialogue) -> Analysis:
    """The analysis of the files, before anything was chosen from it."""
    from pcapdiag.pipeline import analyze

    with Progress(wanted=not given["no_progress"]) as progress:
        return analyze(
            given["files"],
            ports=ports_of(given),
            merge=given["merge"],
            engine=given["engine"],
            captured_at=vantage_of(given),
            keep_dialogue=keep_dialogue,
            processes=given["processes"],
            progress=progress,
        )


def reading_again(given: dict[str, Any]) -> Reading:
    """How the same files are read once more, for their packets."""
    from pcapdiag.slices import Reading

    return Reading(ports_of(given), given["merge"], vantage_of(given))
