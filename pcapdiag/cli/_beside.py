"""What listens to a watch beside its output: its options, what takes privileges, and what is begun without them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from pcapdiag.cli._hook import hook_of, hook_options

if TYPE_CHECKING:
    from pcapdiag.live.ears import Ear
    from pcapdiag.live.telling import Teller

F = TypeVar("F", bound=Callable[..., Any])


def beside_options(command: F) -> F:
    """Hooks and the like."""
    return hook_options(command)


class Beside:
    """Made while we still have privileges: who is no longer root may not be able to read our own modules."""

    def __init__(self, given: dict[str, Any]) -> None:
        import pcapdiag.live.hook  # noqa: F401

        self._given = given

    @contextmanager
    def ears(self, teller: Teller) -> Iterator[list[Ear]]:
        """Who listens, when privileges are gone; closed at the end."""
        ears = [ear for ear in (hook_of(self._given, teller),) if ear is not None]
        try:
            yield list(ears)
        finally:
            for ear in ears:
                ear.close()
