"""What people type for a time or a zone, as callbacks of options."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta, tzinfo

import click


def zone(ctx: click.Context, param: click.Parameter, value: str | None) -> tzinfo | None:
    """A name of the IANA time zone database, as an option's callback."""
    if value is None:
        return None
    import zoneinfo

    try:
        return zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        if not zoneinfo.available_timezones():
            raise click.BadParameter(
                "this Python has no time zone database; install it with: python -m pip install tzdata, or use --utc"
            ) from error
        raise click.BadParameter(f"{value!r} is no time zone; names look like Europe/Berlin") from error


def when(ctx: click.Context, param: click.Parameter, value: str | None) -> datetime | time | None:
    """A date and time, or a time of the day on which the trace begins, as an option's callback."""
    if value is None:
        return None
    for kind in (datetime, time):
        try:
            return kind.fromisoformat(value.strip())
        except ValueError:
            continue
    raise click.BadParameter(f"{value!r} is no time; write '2026-11-23 10:00', 2026-11-23T09:00:00Z or 10:00:30")


LONGEST = 3653 * 86400
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """``90``, ``90s``, ``10m``, ``2h``, ``7d`` as an option's callback."""
    if value is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", value)
    if not found or not float(found[1]):
        raise click.BadParameter(f"{value!r} is no length of time; write 90s, 10m, 2h or 7d")
    length = float(found[1]) * _UNITS[found[2]]
    if length > LONGEST:
        raise click.BadParameter(f"{value!r} is more than ten years")
    return length


def nanoseconds(moment: datetime | time, zone: tzinfo | None, trace_began_ns: int) -> int:
    """The moment meant by it: in `zone` (None: this machine's) unless it says its own."""
    if isinstance(moment, time):
        day = datetime.fromtimestamp(trace_began_ns // 1_000_000_000, UTC).astimezone(zone).date()
        moment = datetime.combine(day, moment)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone) if zone is not None else moment.astimezone()
    since_epoch = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since_epoch // timedelta(microseconds=1)) * 1000
