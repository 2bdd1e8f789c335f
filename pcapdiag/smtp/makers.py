"""Makers of the values that every line brings: a `NamedTuple` from one tuple of all its fields.

``Reply(code, ...)`` goes through a constructor written in Python; ``make_reply((code, ...))`` is half of that, and a trace
has tens of thousands of lines. The fields stand in the order of the class.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any, TypeVar

from pcapdiag.model import Moment, Position
from pcapdiag.smtp.dialogue import Command, Dialogue, Exchange, MailTransaction, Recipient, Reply

T = TypeVar("T")


def _maker(kind: type[T]) -> Callable[[tuple[Any, ...]], T]:
    return MethodType(tuple.__new__, kind)


make_moment = _maker(Moment)
make_position = _maker(Position)
make_command = _maker(Command)
make_reply = _maker(Reply)
make_exchange = _maker(Exchange)
make_recipient = _maker(Recipient)
make_transaction = _maker(MailTransaction)
make_dialogue = _maker(Dialogue)
