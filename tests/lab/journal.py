"""What the actors did, in their own words: each writes a line as it acts, and the truth is made from these lines only."""

import threading
import time
from typing import Any

Event = dict[str, Any]


class Journal:
    """Lines in the order in which they were written, with the time since the scenario began and the time of day."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._began = time.monotonic()
        self._lock = threading.Lock()

    def write(self, actor: str, action: str, **details: Any) -> Event:
        with self._lock:
            event = {
                "after_s": round(time.monotonic() - self._began, 4),
                "t": round(time.time(), 4),
                "actor": actor,
                "action": action,
                **details,
            }
            self.events.append(event)
        return event
