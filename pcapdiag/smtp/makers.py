"""Makers of the values that every line brings: a `NamedTuple` from one tuple of all its fields.

``Reply(code, ...)`` goes through a constructor written in Python; ``make_reply((code, ...))`` is half of that, and a trace
has tens of thousands of lines. The fields stand in the order of the class.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any, TypeVar

from pcapdiag.model import Moment, Position
from pcapdiag.smtp.dialogue import Body, Command, Dialogue, Exchange, MailTransaction, Recipient, Reply, TlsEntry

T = TypeVar("T")


def maker(kind: type[T]) -> Callable[[tuple[Any, ...]], T]:
    """What makes a value of this class."""
    return MethodType(tuple.__new__, kind)


make_moment = maker(Moment)
make_position = maker(Position)
make_command = maker(Command)
make_reply = maker(Reply)
make_body = maker(Body)
make_tls_entry = maker(TlsEntry)
make_exchange = maker(Exchange)
make_recipient = maker(Recipient)
make_transaction = maker(MailTransaction)
make_dialogue = maker(Dialogue)
