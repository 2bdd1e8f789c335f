"""Python's cyclic garbage collector, told to come rarely.

What an analysis makes lives long or dies with its last reference; circles are exceptions. The collector would look at every
open connection and every finished session again and again, for a third of the whole time, and find nothing.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

RARELY = 4_000_000
"""New objects between two rounds: about as many as forty thousand sessions leave alive."""


@contextmanager
def collected_rarely() -> Iterator[None]:
    """Within this block, or as a decorator of a function: a few rounds instead of thousands. (The collector is the whole
    process's: of two threads that do this at once, the one that ends last decides what remains.)"""
    usual = gc.get_threshold()
    gc.set_threshold(usual[0] and max(RARELY, usual[0]), *usual[1:])  # 0: somebody has switched it off
    try:
        yield
    finally:
        gc.set_threshold(*usual)
