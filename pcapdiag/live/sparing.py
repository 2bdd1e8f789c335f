"""Things that are done once, and things that are said once in a while."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable


class Once:
    """Which sessions something was done for: a verdict may be told several times. Forgets the oldest."""

    MOST = 20_000

    def __init__(self) -> None:
        self._seen: OrderedDict[Hashable, None] = OrderedDict()

    def first(self, what: Hashable) -> bool:
        """Whether this is the first time for it."""
        if what in self._seen:
            return False
        self._seen[what] = None
        if len(self._seen) > self.MOST:
            self._seen.popitem(last=False)
        return True


class Mutter:
    """Says what goes wrong: the first time at once, then once in a while and how often. Any thread may call it."""

    def __init__(self, complain: Callable[[str], None], every_s: float = 60.0) -> None:
        self._complain = complain
        self._every_s = every_s
        self._lock = threading.Lock()
        self._quiet_until = 0.0
        self._more = 0

    def __call__(self, text: str) -> None:
        with self._lock:
            if time.monotonic() < self._quiet_until:
                self._more += 1
                return
            more, self._more = self._more, 0
            self._quiet_until = time.monotonic() + self._every_s
        self._complain(f"{text} (and {more} times before, since this was last said)" if more else text)
