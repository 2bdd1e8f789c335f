"""A `NamedTuple`'s class -> what makes its values from one tuple of all fields, in the order of the class.

``Reply(code, ...)`` goes through a constructor written in Python; ``make_reply((code, ...))`` is half of that, and a trace
has hundreds of thousands of packets and lines. Nothing checks how many fields the tuple has: for where they stand in sight.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any, TypeVar

T = TypeVar("T")


def maker(kind: type[T]) -> Callable[[tuple[Any, ...]], T]:
    """What makes a value of this class."""
    return MethodType(tuple.__new__, kind)
