"""The ICMP error that ended a session, where there is one."""

from __future__ import annotations

from pcapdiag.capture.table import IcmpError
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.model import Moment


def rejection(see: Observation) -> tuple[Moment | None, IcmpError | None]:
    """The error that ended the session: at connect the first that is no path MTU message, later that of the ending."""
    if see.ending.kind is Kind.ICMP:
        return see.ending.at, see.ending.icmp
    if see.ending.kind is Kind.CONNECT:
        for at, error in see.connection.icmp:
            if error.prohibited or error.unreachable:
                return at, error
    return None, None
