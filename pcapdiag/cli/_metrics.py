"""The options of what Prometheus may ask, the port, and its making."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pcapdiag.cli import complain
from pcapdiag.errors import UsageError

if TYPE_CHECKING:
    from pcapdiag.live.exposition import Exposition
    from pcapdiag.live.metrics import Metrics
    from pcapdiag.live.telling import Teller

F = TypeVar("F", bound=Callable[..., Any])
LOOPBACK = "127.0.0.1"


def _where(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, int] | None:
    """``9925``, ``192.0.2.1:9925``, ``[::1]:9925`` as an option's callback."""
    if value is None:
        return None
    host, _, port = value.rpartition(":")
    try:
        address = str(ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))) if host else LOOPBACK
    except ValueError as error:
        raise click.BadParameter(f"{host!r} is no IP address: write 9925, 192.0.2.1:9925 or [::1]:9925") from error
    if not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise click.BadParameter(f"{port!r} is no port: write 9925, 192.0.2.1:9925 or [::1]:9925")
    return address, int(port)


_OPTIONS = (
    click.option(
        "--metrics",
        callback=_where,
        metavar="[HOST:]PORT",
        help="Answer Prometheus there; without HOST on 127.0.0.1 alone.",
    ),
    click.option(
        "--metrics-servers",
        type=click.IntRange(1, 1000),
        metavar="N",
        help="Count drops by server, too: the first N apart, all the others together.",
    ),
)


def metrics_options(command: F) -> F:
    """What can be asked over HTTP."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def metrics_port(given: dict[str, Any]) -> Exposition | None:
    """The port, bound while we may; None where nothing is offered."""
    if given["metrics"] is None:
        if given["metrics_servers"] is not None:
            raise UsageError("--metrics-servers says what --metrics counts: name a port with it")
        return None
    from pcapdiag.live.exposition import Exposition
    from pcapdiag.live.metrics import load

    load()
    return Exposition(*given["metrics"])


def metrics_of(given: dict[str, Any], port: Exposition | None, teller: Teller) -> Metrics | None:
    """The counting; from here on the port answers."""
    if port is None:
        return None
    from pcapdiag.live.metrics import Metrics

    metrics = Metrics(teller.info, given["metrics_servers"] or 0, teller.names.address)
    port.begin(metrics.app)
    open_to = "" if port.loopback else ", to everybody who can reach this address"
    complain(f"metrics at {port.url}{open_to}")
    return metrics
