"""Whether the live view is shown, and its making."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from pcapdiag.live.telling import Teller
    from pcapdiag.live.view.terminal import View
    from pcapdiag.live.watch import Watch

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--no-view", is_flag=True, help="On a terminal: a line per session instead of the live view."),
)


def view_options(command: F) -> F:
    """What a terminal shows."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def viewed(given: dict[str, Any]) -> bool:
    """On a terminal the view is shown, unless lines were asked for; imports what it needs, as long as we may."""
    lines = given["no_view"] or given["details"] or (given["format_name"] is not None and given["output"] is None)
    if lines or not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("TERM", "dumb") == "dumb":
        return False
    from pcapdiag.live.view.terminal import load

    load()
    return True


def view_of(given: dict[str, Any], watch: Watch, teller: Teller) -> View:
    """The view, not yet on the screen; in colour unless that is unwanted, wherever the output goes."""
    from pcapdiag.live.view.terminal import View
    from pcapdiag.report.glyphs import can_draw

    colour = not os.environ.get("NO_COLOR") if given["color"] is None else given["color"]
    options = replace(teller.options, colour=colour, unicode=can_draw(sys.stdout.encoding))
    return View(replace(teller, options=options), watch.so_far, watch.capture.stop)
