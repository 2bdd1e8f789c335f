"""The options that choose sessions, and the choosing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time, tzinfo
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pcapdiag.cli._times import nanoseconds, when, zone

if TYPE_CHECKING:
    from pcapdiag.analysis import Analysis

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--dropped", is_flag=True, help="Only sessions that somebody dropped."),
    click.option("--attention", is_flag=True, help="Only sessions that need attention."),
    click.option(
        "--session",
        "sessions",
        multiple=True,
        type=click.IntRange(1),
        metavar="N",
        help="Only session N, told in full. Repeatable.",
    ),
    click.option("--client", metavar="X", help="Only clients with this address, network or name."),
    click.option("--server", metavar="X", help="Only servers with this address, network or name."),
    click.option("--sender", metavar="X", help="Only sessions with a message from this address or domain."),
    click.option("--recipient", metavar="X", help="Only sessions with a message to this address or domain."),
    click.option("--since", callback=when, metavar="T", help="Only sessions that were open at T or later."),
    click.option("--until", callback=when, metavar="T", help="Only sessions that began at T or before."),
)

_CLOCK_OPTIONS = (
    click.option("--tz", "zone", callback=zone, metavar="NAME", help="Times in this zone, such as Europe/Berlin."),
    click.option("--utc", is_flag=True, help="Times in UTC."),
)


def choosing_options(command: F) -> F:
    """Which sessions."""
    return _with(command, _OPTIONS)


def clock_options(command: F) -> F:
    """In which zone times are read and written."""
    return _with(command, _CLOCK_OPTIONS)


def _with(command: F, options: tuple[Callable[[F], F], ...]) -> F:
    for option in reversed(options):
        command = option(command)
    return command


def clock_of(given: dict[str, Any]) -> tzinfo | None:
    """The zone; None: that of this machine."""
    if given["utc"] and given["zone"] is not None:
        raise click.UsageError("--utc and --tz contradict each other")
    chosen: tzinfo | None = UTC if given["utc"] else given["zone"]
    return chosen


def choose(analysis: Analysis, given: dict[str, Any], clock: tzinfo | None) -> Analysis:
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
