"""The options of the flight recorder, and its making."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from pcapdiag.cli import complain
from pcapdiag.cli._times import seconds
from pcapdiag.errors import UsageError

if TYPE_CHECKING:
    from pwd import struct_passwd

    from pcapdiag.live.recorder import Recorder
    from pcapdiag.live.telling import Teller

F = TypeVar("F", bound=Callable[..., Any])
_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}


def _octets(ctx: click.Context, param: click.Parameter, value: str) -> int:
    """``500M``, ``2G`` as an option's callback."""
    found = re.fullmatch(r"([1-9]\d*)([KMGT]?)", value.upper())
    if not found:
        raise click.BadParameter(f"{value!r} is no size; write 500M or 2G")
    return int(found[1]) << _UNITS[found[2]]


_OPTIONS = (
    click.option(
        "--save",
        "directory",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        help="Keep there, of each session that was dropped or needs attention, a slice with its packets (pcapng) and the report (JSON).",
    ),
    click.option("--save-all", is_flag=True, help="Keep every session."),
    click.option(
        "--save-bodies", is_flag=True, help="Keep messages, too. By default all but their beginnings becomes x."
    ),
    click.option(
        "--save-count", type=click.IntRange(1), default=1000, show_default=True, metavar="N", help="At most N sessions."
    ),
    click.option(
        "--save-size", callback=_octets, default="1G", show_default=True, metavar="SIZE", help="At most so many octets."
    ),
    click.option("--save-age", callback=seconds, metavar="TIME", help="Nothing older: 12h, 30d."),
)


_OF_SAVING = ("save_all", "save_bodies", "save_count", "save_size", "save_age")


def saving_options(command: F) -> F:
    """What is kept of sessions, and how much."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def prepare(given: dict[str, Any], person: struct_passwd | None) -> None:
    """Make the directory, as long as we may. It belongs to whom we become."""
    directory = given["directory"]
    if directory is None:
        context = click.get_current_context()
        for name in _OF_SAVING:
            if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
                option = "--" + name.replace("_", "-")
                raise UsageError(f"{option} says what --save DIR keeps: name the directory, too")
        return
    if given["redact"] not in (None, "none"):
        raise UsageError(
            "what --save keeps holds packets as they were: leave --redact away, and redact a slice before you hand it on"
        )
    try:
        if not directory.exists():
            directory.mkdir(mode=0o700, parents=True)
            if person is not None:
                os.chown(directory, person.pw_uid, person.pw_gid)
    except OSError as error:
        raise UsageError(f"the directory {directory} cannot be made: {error.strerror}") from error


def recorder_of(given: dict[str, Any], teller: Teller, ports: frozenset[int] | None) -> Recorder | None:
    """The recorder; None where nothing is kept."""
    if given["directory"] is None:
        return None
    from pcapdiag.live.recorder import Recorder
    from pcapdiag.live.shelf import Limits

    return Recorder(
        given["directory"],
        ports,
        teller.whole,
        teller.info,
        complain,
        everything=given["save_all"],
        bodies=given["save_bodies"],
        limits=Limits(given["save_count"], given["save_size"], given["save_age"]),
    )
