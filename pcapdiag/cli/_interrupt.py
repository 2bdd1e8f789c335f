"""Ctrl-C while reading standard input means "end of input": what came so far is reported.

``tcpdump -w - | pcapdiag analyze -``: Ctrl-C reaches both programs; tcpdump flushes its buffer and ends, and with it the
pipe. So the first interrupt waits a moment for that end; where it does not come (somebody else holds the pipe open),
standard input is exchanged for an empty one, which every reader takes for the end. The second interrupt is an interrupt.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

GRACE_S = 1.0


@contextmanager
def interrupt_ends_input() -> Iterator[None]:
    """Within, the first Ctrl-C ends standard input."""
    try:
        before = signal.signal(signal.SIGINT, _first)
    except ValueError:  # not in the main thread: whoever runs us there handles signals
        yield
        return
    has_alarm = hasattr(signal, "setitimer")
    alarm = signal.signal(signal.SIGALRM, _end_input) if has_alarm else None
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if has_alarm:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, alarm)


def _first(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, GRACE_S)
    else:
        _end_input(number, frame)


def _end_input(number: int, frame: FrameType | None) -> None:
    """A blocked read is tried again after this handler (PEP 475) and then meets the end."""
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
