"""The options of the command that is run for dropped sessions, and its making."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pcapdiag.cli import complain
from pcapdiag.errors import UsageError

if TYPE_CHECKING:
    from pcapdiag.live.hook import Hook
    from pcapdiag.live.telling import Teller

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--on-drop",
        metavar="COMMAND",
        help="Run that for each dropped session, its JSON on standard input: without a shell, ten in a row and then one "
        "every 6 s at most, each for 60 s at most.",
    ),
    click.option("--early", is_flag=True, help="Run it within a second of the end, before the verdict is final."),
)


def hook_options(command: F) -> F:
    """What is run when a session was dropped."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def hook_of(given: dict[str, Any], teller: Teller) -> Hook | None:
    """The hook; None where nothing is run. Privileges are gone by then, so it says what we may not run."""
    if given["on_drop"] is None:
        if given["early"]:
            raise UsageError("--early says when the command of --on-drop is run: name one")
        return None
    from pcapdiag.live.hook import Hook, command_of

    return Hook(
        command_of(given["on_drop"]),
        teller.json,
        complain,
        early=given["early"],
    )
